"""The replies in the store, and the ledger: what each caller spent, and what it saved."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any

from lion.chat.budget import FREE, Usage
from lion.chat.database import DamageError, Database
from lion.chat.source import IN_PROCESS
from lion.chat.types import STORED, Caller, Entry, Measured, Reply, checksum
from lion.support.errors import ChatError
from lion.support.files import replacing

UNANSWERED = "unanswered"  # ledger mode of requests that were sent but got no reply
_LATEST = 2000  # latest replies, from which to predict the next ones
_CHUNK = 500  # keys per query; old builds of SQLite take at most 999 parameters
_CALLER = [field.name for field in fields(Caller)]
KIND = f"l.model, CASE l.endpoint WHEN '{IN_PROCESS}' THEN '{FREE}' ELSE l.mode END"  # of a Usage
_SPEND = (
    "UPDATE ledger SET requests = requests + 1, prompt_tokens = prompt_tokens + ?,"
    " completion_tokens = completion_tokens + ?, cached_tokens = cached_tokens + ? WHERE id = ?"
)


def backup_of(path: Path) -> Path:
    """Return the backup file for the ledger of the store at `path`, which `salvage` reads."""
    return path.with_name(path.stem + ".ledger.json")


class Accounts(Database):
    """The replies and the ledger of an open store."""

    _is_index_checked = False

    def entry(self, caller: Caller) -> int:
        """Return the id of `caller`'s ledger entry, created if there is none."""
        with self.writing():
            return self.entry_in_transaction(caller)

    def entry_in_transaction(self, caller: Caller) -> int:
        """Like `entry`, inside a transaction that is already open."""
        values = astuple(caller)
        self._db.execute(
            f"INSERT OR IGNORE INTO ledger ({', '.join(_CALLER)}) VALUES ({marks(values)})", values
        )
        where = " AND ".join(f"{name} = ?" for name in _CALLER)
        (entry,) = self._db.execute(f"SELECT id FROM ledger WHERE {where}", values).fetchone()
        return int(entry)

    def caller_of(self, entry: int) -> Caller:
        """Return the caller of a ledger entry."""
        query = f"SELECT {', '.join(_CALLER)} FROM ledger WHERE id = ?"
        with self.reading() as db:
            return Caller(*db.execute(query, (entry,)).fetchone())

    def note_saved(self, caller: Caller, replies: Sequence[Reply]) -> None:
        """Count replies that the store served; ignore failures, so that a replay never fails."""
        tokens = [
            sum(reply.prompt_tokens for reply in replies),
            sum(reply.completion_tokens for reply in replies),
            sum(reply.cached_tokens for reply in replies),
        ]
        with suppress(ChatError), self.writing():
            self._db.execute(
                "UPDATE ledger SET saved_requests = saved_requests + ?,"
                " saved_prompt_tokens = saved_prompt_tokens + ?,"
                " saved_completion_tokens = saved_completion_tokens + ?,"
                " saved_cached_tokens = saved_cached_tokens + ? WHERE id = ?",
                (len(replies), *tokens, self.entry_in_transaction(caller)),
            )

    def note_retries(self, entry: int, count: int) -> None:
        """Count retries; ignore failures to write the count, since retries cost nothing."""
        with suppress(ChatError), self.writing() as db:
            db.execute("UPDATE ledger SET retries = retries + ? WHERE id = ?", (count, entry))

    def entries(self) -> list[Entry]:
        """Return the ledger: one entry per caller, in the order of their first request."""
        names = ", ".join(field.name for field in fields(Entry))
        with self.reading():
            return [Entry(*row) for row in self._db.execute(f"SELECT {names} FROM ledger")]

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
        with self.reading():
            return self._spent()

    def back_up_ledger(self) -> None:
        """Copy the ledger to a file beside the store; ignore failures, since it is called often."""
        with suppress(ChatError, OSError), self.reading() as db:
            rows = db.execute("SELECT * FROM ledger")
            names = [column[0] for column in rows.description]
            lines: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in rows]
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
                query = f"SELECT {names} FROM replies WHERE key IN ({marks(chunk)})"
                for key, digest, *values in db.execute(query, chunk):
                    if key not in wanted:  # a damaged index finds another row
                        continue
                    if digest is not None and digest != checksum(key, *values):
                        damaged.append(key)
                    else:
                        replies[key] = _reply(values)
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

    def add_in_transaction(
        self, key: bytes, entry: int, reply: Reply, received: float, seconds: float
    ) -> bool:
        """Add a reply without its cost, in an open transaction; False if it was there already."""
        parts = [getattr(reply, name) for name in STORED]
        values = (key, entry, *parts, received, seconds, checksum(key, *parts))
        names = ("key", "entry", *STORED, "received", "seconds", "checksum")
        added = self._db.execute(
            f"INSERT OR IGNORE INTO replies ({', '.join(names)}) VALUES ({marks(values)})", values
        )
        return added.rowcount > 0

    def _insert(
        self, key: bytes, entry: int, reply: Reply, received: float, seconds: float
    ) -> None:
        if self.add_in_transaction(key, entry, reply, received, seconds):
            self._spend(entry, reply)
        self._db.execute("DELETE FROM claims WHERE key = ?", (key,))

    def _spend(self, entry: int, reply: Reply) -> None:
        tokens = (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens)
        self._db.execute(_SPEND, (*tokens, entry))

    def _spend_unanswered(self, entry: int, most: Sequence[int]) -> None:
        lost = self.entry_in_transaction(replace(self.caller_of(entry), mode=UNANSWERED))
        self._db.execute(_SPEND, (*most, 0, lost))

    def _spent(self) -> list[Usage]:
        rows = self._db.execute(
            f"SELECT {KIND}, requests, prompt_tokens, completion_tokens, cached_tokens"
            " FROM ledger l WHERE requests > 0"
        )
        return [Usage(*row) for row in rows]


def marks(row: Sequence[object]) -> str:
    """Return the placeholders of `row` in an SQL statement."""
    return ", ".join("?" * len(row))


def _reply(row: Sequence[Any]) -> Reply:
    return Reply(**dict(zip(STORED, row, strict=True)))
