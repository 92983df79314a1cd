"""The store's file: its tables, and rescuing what can be read of a damaged one."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click

from lion.support.errors import ChatError

SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (      -- who asked which model; running sums, never pruned
    id INTEGER PRIMARY KEY,
    stage TEXT NOT NULL, role TEXT NOT NULL, round TEXT NOT NULL,
    endpoint TEXT NOT NULL, model TEXT NOT NULL, mode TEXT NOT NULL,
    requests INTEGER NOT NULL DEFAULT 0,
    prompt_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    saved_requests INTEGER NOT NULL DEFAULT 0,
    saved_prompt_tokens INTEGER NOT NULL DEFAULT 0,
    saved_completion_tokens INTEGER NOT NULL DEFAULT 0,
    UNIQUE (stage, role, round, endpoint, model, mode)
);
CREATE TABLE IF NOT EXISTS replies (
    key BLOB PRIMARY KEY,                -- hash of the whole request
    entry INTEGER NOT NULL,              -- of the ledger
    text TEXT NOT NULL, finish_reason TEXT NOT NULL, model TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    received REAL NOT NULL,              -- seconds since 1970
    seconds REAL NOT NULL                -- from request to reply
);
CREATE TABLE IF NOT EXISTS claims (      -- requests in flight
    key BLOB PRIMARY KEY,
    entry INTEGER NOT NULL,
    owner TEXT NOT NULL,                 -- a presence, or batch:ID
    until REAL,                          -- monotonic seconds; null for a batch, which just lasts
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL  -- at most
);
"""
_PAGE = 4096  # bytes; SQLite's default
_GAP = 20_000  # rows in sequence that cannot be read, after which no more are tried


class Database:
    """An open store's file; ChatError where it fails."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._faults():
            self._db = open_database(path)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, alone among all processes; ChatError where the file fails."""
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The database; ChatError where the file fails."""
        with self._faults():
            yield self._db

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            hint = "; `lion store salvage` rescues what can be read" if is_damage(error) else ""
            raise ChatError(f"{self.path}: {error}{hint}") from error
        except OSError as error:
            raise ChatError(
                f"{error.filename}: {error.strerror}; set LION_HOME to a folder that has room and"
                " can be written"
            ) from error


def open_database(path: Path) -> sqlite3.Connection:
    """Open the store at `path`, new if there is none, rescued if it is damaged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _open(path)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
    with _alone(path.parent):
        try:
            return _open(path)  # somebody else may have rescued it meanwhile
        except sqlite3.DatabaseError:
            salvage(path)
        return _open(path)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file itself is broken."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA wal_autocheckpoint = 10000")  # `Store.renew` syncs more often
        db.executescript(SCHEMA)
        db.execute("SELECT max(rowid) FROM replies").fetchone()
    except sqlite3.Error:
        db.close()
        raise
    return db


def salvage(path: Path) -> None:
    """Replace a damaged store by what can be read of it; says so and keeps the damaged file."""
    os.truncate(path, path.stat().st_size // _PAGE * _PAGE)  # half a page would read as zeros
    rows = {table: list(_readable(path, table)) for table in ("ledger", "replies", "claims")}
    fresh = path.with_name(path.name + ".fresh")
    fresh.unlink(missing_ok=True)
    with closing(sqlite3.connect(fresh)) as db:
        db.executescript(SCHEMA)
        for table, found in rows.items():
            for row in found:
                marks = ", ".join("?" * len(row))
                db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)
        db.commit()
    kept = _kept(path)
    fresh.replace(path)
    click.echo(
        f"{path} was damaged: {len(rows['replies']):,} replies could be read and go on serving,"
        f" the others are asked for again; the damaged file is kept as {kept}",
        err=True,
    )


def _kept(path: Path) -> Path:
    """Another name for the damaged file, whose log must not meet the new one."""
    number = 1
    while (kept := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    kept.hardlink_to(path)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    return kept


def _readable(path: Path, table: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a damaged file that can be read, tried one by one."""
    with closing(sqlite3.connect(path)) as db:
        # Without this SQLite refuses a whole file that is shorter than its header says.
        db.execute("PRAGMA writable_schema = ON")
        row, missed = 0, 0
        while missed < _GAP:
            row += 1
            missed += 1
            try:
                found = db.execute(f"SELECT * FROM {table} WHERE rowid = ?", (row,)).fetchone()
            except sqlite3.Error:
                continue
            if found is not None:
                missed = 0
                yield found


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep other processes from rescuing the same file at the same time."""
    with (home / "salvage.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
