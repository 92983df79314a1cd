"""The replies in the store, and the ledger: what each caller spent, and what it saved."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any

from lion.chat.budget import FREE, Usage
from lion.chat.database import DamageError, Database, rows_of
from lion.chat.source import IN_PROCESS
from lion.chat.types import STORED, Caller, Entry, Measured, Reply, checksum
from lion.support.errors import ChatError
from lion.support.files import replacing

UNANSWERED = "unanswered"  # ledger mode of requests that were sent but got no reply
_LATEST = 2000  # latest replies, from which to predict the next ones
_CHUNK = 500  # keys per query; old builds of SQLite take at most 999 parameters
_CALLER = [field.name for field in fields(Caller)]
KIND = f"l.model, CASE l.endpoint WHEN '{IN_PROCESS}' THEN '{FREE}' ELSE l.mode END"  # of a Usage
_TOKENS = ("prompt_tokens", "completion_tokens", "cached_tokens")


def backup_of(path: Path) -> Path:
    """Return the backup file for the ledger of the store at `path`, which `salvage` reads."""
    return path.with_name(path.stem + ".ledger.json")


class Accounts(Database):
    """The replies and the ledger of an open store."""

    def __init__(self, path: Path, damaged: str) -> None:
        super().__init__(path, damaged)
        self._callers: dict[int, Caller] = {}  # by entry
        self._is_index_checked = False

    def entry(self, caller: Caller) -> int:
        """Return the id of `caller`'s ledger entry, created if there is none."""
        values = astuple(caller)
        where = " AND ".join(f"{name} = ?" for name in _CALLER)
        with self.writing() as db:
            insert(db, "ledger", dict(zip(_CALLER, values, strict=True)))
            (entry,) = db.execute(f"SELECT id FROM ledger WHERE {where}", values).fetchone()
        return int(entry)

    def caller_of(self, entry: int) -> Caller:
        """Return the caller of a ledger entry."""
        if entry not in self._callers:
            query = f"SELECT {', '.join(_CALLER)} FROM ledger WHERE id = ?"
            with self.reading() as db:
                self._callers[entry] = Caller(*db.execute(query, (entry,)).fetchone())
        return self._callers[entry]

    def note_saved(self, caller: Caller, replies: Sequence[Reply]) -> None:
        """Count replies that the store served; ignore failures, so that a replay never fails."""
        tokens = [sum(getattr(reply, name) for reply in replies) for name in _TOKENS]
        with suppress(ChatError), self.writing() as db:
            db.execute(
                "UPDATE ledger SET saved_requests = saved_requests + ?,"
                " saved_prompt_tokens = saved_prompt_tokens + ?,"
                " saved_completion_tokens = saved_completion_tokens + ?,"
                " saved_cached_tokens = saved_cached_tokens + ? WHERE id = ?",
                (len(replies), *tokens, self.entry(caller)),
            )

    def note_retries(self, entry: int, count: int) -> None:
        """Count retries; ignore failures to write the count, since retries cost nothing."""
        with suppress(ChatError), self.writing() as db:
            db.execute("UPDATE ledger SET retries = retries + ? WHERE id = ?", (count, entry))

    def entries(self) -> list[Entry]:
        """Return the ledger: one entry per caller, in the order of their first request."""
        names = ", ".join(field.name for field in fields(Entry))
        with self.reading() as db:
            return [Entry(*row) for row in db.execute(f"SELECT {names} FROM ledger")]

    def measured(self, role: str, model: str) -> Measured:
        """Return the mean tokens and seconds of the latest replies of `model` in `role`."""
        query = (
            "SELECT count(*), coalesce(avg(prompt_tokens), 0), coalesce(avg(completion_tokens), 0),"
            " coalesce(avg(seconds), 0) FROM (SELECT * FROM replies WHERE entry IN (SELECT id FROM"
            " ledger WHERE role = ? AND model = ?) ORDER BY rowid DESC LIMIT ?)"
        )
        with self.reading() as db:
            return Measured(*db.execute(query, (role, model, _LATEST)).fetchone())

    def spent(self) -> list[Usage]:
        """Return the paid usage, one row per ledger entry."""
        query = (
            f"SELECT {KIND}, requests, prompt_tokens, completion_tokens, cached_tokens"
            " FROM ledger l WHERE requests > 0"
        )
        with self.reading() as db:
            return [Usage(*row) for row in db.execute(query)]

    def back_up_ledger(self) -> None:
        """Copy the ledger to a file beside the store; ignore failures, since it is called often."""
        with suppress(ChatError, OSError), self.reading() as db:
            lines = [*rows_of(db.execute("SELECT * FROM ledger"))]
            with replacing(backup_of(self.path)) as temporary:
                temporary.write_text(json.dumps(lines, indent=0), encoding="utf-8")

    def _stored(self, keys: Sequence[bytes]) -> tuple[dict[bytes, Reply], list[bytes]]:
        """Return the stored replies, and the keys of those that fail their checksum."""
        replies: dict[bytes, Reply] = {}
        damaged = []
        with self.reading() as db:
            for start in range(0, len(keys), _CHUNK):
                chunk = keys[start : start + _CHUNK]
                wanted = set(chunk)
                names = ", ".join(("key", "checksum", *STORED))
                query = f"SELECT {names} FROM replies WHERE key IN ({', '.join('?' * len(chunk))})"
                for key, digest, *values in db.execute(query, chunk):
                    if key not in wanted:  # a damaged index finds another row
                        continue
                    if digest is not None and digest != checksum(key, *values):
                        damaged.append(key)
                    else:
                        replies[key] = Reply(**dict(zip(STORED, values, strict=True)))
        return replies, damaged

    def _check_index(self) -> None:
        """Raise DamageError if the index lacks a reply of the table; check only once."""
        if self._is_index_checked or self.frozen:
            return
        self._is_index_checked = True
        query = (
            "SELECT EXISTS (SELECT key FROM replies NOT INDEXED"
            " EXCEPT SELECT key FROM replies INDEXED BY sqlite_autoindex_replies_1)"
        )
        with self.reading() as db:
            if db.execute(query).fetchone()[0]:
                raise DamageError(
                    f"{self.path}: the index of its replies is damaged; {self._damaged}"
                )

    def add(self, key: bytes, entry: int, reply: Reply, received: float, seconds: float) -> bool:
        """Add a reply without its cost, in an open transaction; False if it was there already."""
        row = {name: getattr(reply, name) for name in STORED}
        row |= {"checksum": checksum(key, *row.values()), "received": received, "seconds": seconds}
        return insert(self._db, "replies", {"key": key, "entry": entry, **row})

    def _spend(self, entry: int, prompt: int, completion: int, cached: int = 0) -> None:
        self._db.execute(
            "UPDATE ledger SET requests = requests + 1, prompt_tokens = prompt_tokens + ?,"
            " completion_tokens = completion_tokens + ?, cached_tokens = cached_tokens + ?"
            " WHERE id = ?",
            (prompt, completion, cached, entry),
        )

    def _spend_unanswered(self, caller: Caller, most: Sequence[int]) -> None:
        self._spend(self.entry(replace(caller, mode=UNANSWERED)), *most)


def insert(db: sqlite3.Connection, table: str, row: dict[str, Any]) -> bool:
    """Insert `row` unless the table has it already; return whether it was new."""
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    query = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"
    return db.execute(query, list(row.values())).rowcount > 0
