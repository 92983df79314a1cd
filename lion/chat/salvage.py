"""Rescue of the readable rows of a damaged store."""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from lion.chat.accounts import backup_of, insert
from lion.chat.database import (
    columns_of,
    connect,
    create,
    faults,
    fill_checksums,
    open_writable,
    rows_of,
    version_of,
)
from lion.chat.presence import others_alive
from lion.chat.types import STORED, checksum
from lion.support.errors import ChatError

Row = dict[str, Any]
_PAGE = 4096  # bytes; SQLite's default
_ONE_BY_ONE = 10_000  # steps after a damaged page that grow by one row, before they double
_FARTHEST = 2**40  # rows beyond the last readable one, after which the search ends
# Entries of which nothing is left but their replies.
_LOST = """
INSERT INTO ledger (id, stage, role, round, endpoint, model, mode, requests,
                    prompt_tokens, completion_tokens, cached_tokens)
SELECT entry, 'rescued ' || entry, '', '', '', max(model), 'live', count(*),
       sum(prompt_tokens), sum(completion_tokens), sum(cached_tokens)
FROM replies WHERE entry NOT IN (SELECT id FROM ledger) GROUP BY entry
"""
_DAMAGED = "`lion store salvage` rescues what can be read"


def rescue(path: Path) -> None:
    """Salvage a store that cannot be opened, unless another process has done so meanwhile."""
    with _alone(path):
        try:
            open_writable(path).close()
        except sqlite3.DatabaseError:
            check_alone(path)
            salvage(path)


def is_sound(path: Path) -> bool:
    """Return whether SQLite finds no fault in the store and every reply has its checksum."""
    try:
        with closing(connect(path)) as db:
            version_of(db, path)
            if db.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
                return False
            return all(map(_is_intact, rows_of(db.execute("SELECT * FROM replies"))))
    except sqlite3.Error:
        return False


def salvage(path: Path) -> None:
    """Replace a damaged store with its readable rows; report this, and keep the damaged file."""
    with faults(path, damaged=_DAMAGED):
        os.truncate(path, path.stat().st_size // _PAGE * _PAGE)  # half a page would read as zeros
        rows = {table: list(_readable(path, table)) for table in ("ledger", "replies", "claims")}
        replies = [row for row in rows["replies"] if _is_intact(row)]
        damaged = len(rows["replies"]) - len(replies)
        fresh = path.with_name(path.name + ".fresh")
        fresh.unlink(missing_ok=True)
        with closing(connect(fresh)) as db:
            create(db, _identity(path))
            db.execute("BEGIN")
            _insert(db, "ledger", _with_backup(path, rows["ledger"]))
            _insert(db, "replies", replies)
            _insert(db, "claims", rows["claims"])
            db.execute(_LOST)
            fill_checksums(db)
            db.execute("COMMIT")
        kept = _put_aside(path)
        fresh.replace(path)
    click.echo(
        f"{path} was damaged: {len(replies):,} replies could be read and stay in use"
        + (f", {damaged:,} had a wrong checksum" if damaged else "")
        + f"; Lion will request the missing ones again; the damaged file is kept as {kept}",
        err=True,
    )


def check_alone(path: Path) -> None:
    """Raise ChatError if other processes use the store: they would write to the damaged file."""
    if others := others_alive(path.parent):
        numbers = ", ".join(name.split("-")[0] for name in others)
        raise ChatError(f"{path}: in use by process {numbers}; end it and run again")


def _with_backup(path: Path, read: list[Row]) -> list[Row]:
    """Return the ledger's rows with the larger of what was read and its backup.

    Spending lost in a rescue would let a run exceed its budget.
    """
    entries: dict[int, Row] = {}
    copied: list[Row] = []
    with suppress(OSError, ValueError):
        copied = json.loads(backup_of(path).read_text(encoding="utf-8"))
    for row in (*read, *copied):
        known = entries.setdefault(row["id"], dict(row))
        for name, value in row.items():
            if isinstance(value, int):
                known[name] = max(value, known.get(name) or 0)
    return list(entries.values())


def _insert(db: sqlite3.Connection, table: str, rows: list[Row]) -> None:
    """Insert rows by column name; skip columns that only other versions have."""
    known = columns_of(db, table)
    for row in rows:
        insert(db, table, {name: value for name, value in row.items() if name in known})


def _is_intact(row: Row) -> bool:
    """Return whether a reply has its checksum; replies of older versions have none."""
    if row.get("checksum") is None:
        return True
    try:
        return bool(row["checksum"] == checksum(*(row[name] for name in ("key", *STORED))))
    except TypeError:
        return False


def _identity(path: Path) -> int:
    with suppress(sqlite3.Error), closing(connect(path)) as db:
        return int(db.execute("PRAGMA application_id").fetchone()[0])
    return 0


def _put_aside(path: Path) -> Path:
    """Keep the damaged file under another name, and delete its log, which belongs to it alone."""
    number = 1
    while (kept := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    kept.hardlink_to(path)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    return kept


def _readable(path: Path, table: str) -> Iterator[Row]:
    """Yield the rows that can be read, in order; a damaged page ends a run of rows.

    The search for the next run jumps over any number of deleted rows.
    """
    # One by one, since a failing cursor drops the row before.
    query = f"SELECT rowid AS rowid_, * FROM {table} WHERE rowid >= ? ORDER BY rowid LIMIT 1"
    with closing(connect(path)) as db:
        # Without this, SQLite rejects all of a file that is shorter than its header says.
        with suppress(sqlite3.Error):
            db.execute("PRAGMA writable_schema = ON")
        start: int | None = -(2**62)
        while start is not None:
            try:
                row = next(rows_of(db.execute(query, (start,))), None)
            except sqlite3.Error:
                start = _next_start(db, table, max(start - 1, 0))
                continue
            start = row.pop("rowid_") + 1 if row else None
            if row:
                yield row


def _next_start(db: sqlite3.Connection, table: str, last: int) -> int | None:
    """Return the first row after `last` from which reading works again; None if there is none."""

    def reads(start: int) -> bool | None:
        query = f"SELECT * FROM {table} WHERE rowid >= ? ORDER BY rowid LIMIT 1"
        try:
            return True if db.execute(query, (start,)).fetchone() else None
        except sqlite3.Error:
            return False

    low, step = last, 1
    while (result := reads(last + step)) is False:
        low = last + step
        step += 1 if step < _ONE_BY_ONE else step
        if step > _FARTHEST:
            return None
    high = last + step
    while high - low > 1:  # low fails, and high reads or is beyond the last row
        middle = (low + high) // 2
        if (at_middle := reads(middle)) is False:
            low = middle
        else:
            high, result = middle, at_middle
    return high if result else None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from rescuing the same file at the same time."""
    with (path.parent / "salvage.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
