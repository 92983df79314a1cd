"""The response store: every reply that was paid for, under the hash of the whole request.

SQLite in WAL mode. A commit survives the death of the process at once; the lease's renewal syncs
it to the disk every few seconds, which is what a power cut can take.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any, Literal, Self

from lion.chat.budget import Budget, Usage, merged
from lion.chat.database import Database
from lion.chat.home import Presence, is_alive
from lion.chat.types import Caller, Entry, Reply

LEASE = 60.0  # seconds that a claim holds without being renewed
_CHUNK = 500  # keys a look-up; SQLite takes at most 999 parameters in old builds

BATCH = "batch:"  # and its id: the owner of a batch's claims
UNANSWERED = "unanswered"  # mode of entries for what was sent and brought no reply
_SPEND = (
    "UPDATE ledger SET requests = requests + 1, prompt_tokens = prompt_tokens + ?,"
    " completion_tokens = completion_tokens + ? WHERE id = ?"
)

_FIELDS = [field.name for field in fields(Reply)]  # columns of `replies`, too
Claim = Literal["mine", "kept", "later", "too dear"]


class Store(Database):
    """One open response store; ChatError where the file fails."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self._faults():
            self._presence = Presence(path.parent)
        self.owner = self._presence.name
        self.sweep()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._presence.__exit__()

    def entry(self, caller: Caller) -> int:
        """The ledger entry of `caller`, made when it is new."""
        with self.writing():
            return self.entry_in_transaction(caller)

    def entry_in_transaction(self, caller: Caller) -> int:
        """`entry`, for callers that write already."""
        names = [field.name for field in fields(Caller)]
        values = astuple(caller)
        self._db.execute(
            f"INSERT OR IGNORE INTO ledger ({', '.join(names)}) VALUES ({_marks(values)})", values
        )
        where = " AND ".join(f"{name} = ?" for name in names)
        (found,) = self._db.execute(f"SELECT id FROM ledger WHERE {where}", values).fetchone()
        return int(found)

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Reply]:
        """The replies that are there."""
        found = {}
        with self.reading():
            for start in range(0, len(keys), _CHUNK):
                chunk = keys[start : start + _CHUNK]
                marks = ", ".join("?" * len(chunk))
                query = f"SELECT key, {', '.join(_FIELDS)} FROM replies WHERE key IN ({marks})"
                found.update({row[0]: _reply(row[1:]) for row in self._db.execute(query, chunk)})
        return found

    def claim(self, key: bytes, entry: int, most: tuple[int, int], budget: Budget) -> Claim:
        """Try to become the one who asks for `key`, at most `most` prompt and answer tokens."""
        return self.claim_many([(key, most)], entry, budget)[0]

    def claim_many(
        self, wanted: Sequence[tuple[bytes, tuple[int, int]]], entry: int, budget: Budget
    ) -> list[Claim]:
        """`claim` for several keys at once, up to the first that is too dear.

        later: somebody else asks for it, or the budget suffices only if what is in flight costs
        less than it may.
        """
        claims: list[Claim] = []
        with self.writing():
            spent = self._spent() if budget.is_bounded else []
            flying = self._claimed() if budget.is_bounded else []
            for key, most in wanted:
                claims.append(claim := self._claim(key, entry, most, budget, spent, flying))
                if claim == "too dear":
                    break
        return claims

    def _claim(
        self,
        key: bytes,
        entry: int,
        most: tuple[int, int],
        budget: Budget,
        spent: list[Usage],
        flying: list[Usage],
    ) -> Claim:
        """One claim, in a transaction; adds what it may cost to `flying`."""
        if self._db.execute("SELECT 1 FROM replies WHERE key = ?", (key,)).fetchone():
            return "kept"
        if not self._is_free(key):
            return "later"
        if budget.is_bounded:
            wanted = self._wanted(entry, most)
            if not budget.allows([*spent, wanted]):
                return "too dear"
            if not budget.allows([*spent, *flying, wanted]):
                return "later"
            flying[:] = merged([*flying, wanted])
        self._db.execute(
            "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?, ?)",
            (key, entry, self.owner, time.monotonic() + LEASE, *most),
        )
        return "mine"

    def sweep(self) -> None:
        """End the claims of processes that are dead.

        They hold no budget any more, but what they asked for may have to be paid for.
        """
        with self.writing():
            owners = self._db.execute("SELECT DISTINCT owner FROM claims WHERE until IS NOT NULL")
            for (owner,) in owners.fetchall():
                if not is_alive(owner):
                    self._bury("owner = ?", owner)

    def _bury(self, where: str, value: object) -> None:
        """End claims whose process will tell nothing more; a batch without a name costs nothing."""
        rows = self._db.execute(
            "SELECT c.entry, c.prompt_tokens, c.completion_tokens FROM claims c"
            f" JOIN ledger l ON l.id = c.entry WHERE l.mode = 'live' AND c.{where}",
            (value,),
        )
        for entry, *most in rows.fetchall():
            self._add_unanswered(entry, most)
        self._db.execute(f"DELETE FROM claims WHERE {where}", (value,))

    def note_unanswered(self, entry: int, most: tuple[int, int], budget: Budget) -> bool:
        """Count a request that was sent and brought no reply as spent, at its dearest.

        Returns whether the budget still covers what is claimed, so that it may be sent again.
        """
        with self.writing():
            self._add_unanswered(entry, most)
            return not budget.is_bounded or budget.allows(self._spent() + self._claimed())

    def _add_unanswered(self, entry: int, most: Sequence[int]) -> None:
        names = ", ".join(field.name for field in fields(Caller))
        row = self._db.execute(f"SELECT {names} FROM ledger WHERE id = ?", (entry,)).fetchone()
        lost = self.entry_in_transaction(replace(Caller(*row), mode=UNANSWERED))
        self._db.execute(_SPEND, (*most, lost))

    def renew(self) -> None:
        """Hold this process's claims for another lease, and sync to the disk."""
        self.sweep()
        with self.writing():
            self._db.execute(
                "UPDATE claims SET until = ? WHERE owner = ?",
                (time.monotonic() + LEASE, self.owner),
            )
        with self.reading():
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def keep(self, key: bytes, entry: int, reply: Reply, seconds: float) -> None:
        """Commit a reply and what it cost, and end its claim; the first of two replies stays."""
        with self.writing():
            row = (key, entry, *astuple(reply), time.time(), seconds)
            new = self._db.execute(f"INSERT OR IGNORE INTO replies VALUES ({_marks(row)})", row)
            if new.rowcount:
                self._db.execute(_SPEND, (reply.prompt_tokens, reply.completion_tokens, entry))
            self._db.execute("DELETE FROM claims WHERE key = ?", (key,))

    def release(self, keys: Iterable[bytes]) -> None:
        """End own claims that brought no reply."""
        with self.writing():
            self._db.executemany(
                "DELETE FROM claims WHERE key = ? AND owner = ?",
                ((key, self.owner) for key in keys),
            )

    def forget(self, batch: str) -> int:
        """End the claims of a batch that will bring nothing more. Returns how many."""
        with self.writing():
            return self._db.execute("DELETE FROM claims WHERE owner = ?", (BATCH + batch,)).rowcount

    def note_saved(self, entry: int, replies: Sequence[Reply]) -> None:
        """Count replies that the store answered instead of the server."""
        prompt = sum(reply.prompt_tokens for reply in replies)
        completion = sum(reply.completion_tokens for reply in replies)
        with self.writing():
            self._db.execute(
                "UPDATE ledger SET saved_requests = saved_requests + ?,"
                " saved_prompt_tokens = saved_prompt_tokens + ?,"
                " saved_completion_tokens = saved_completion_tokens + ? WHERE id = ?",
                (len(replies), prompt, completion, entry),
            )

    def note_retries(self, entry: int, count: int) -> None:
        """Count requests that were sent again after a fault."""
        with self.writing():
            self._db.execute("UPDATE ledger SET retries = retries + ? WHERE id = ?", (count, entry))

    def entries(self) -> list[Entry]:
        """The ledger: one entry for each caller, in the order of their first request."""
        names = ", ".join(field.name for field in fields(Entry))
        with self.reading():
            return [Entry(*row) for row in self._db.execute(f"SELECT {names} FROM ledger")]

    def spent(self) -> list[Usage]:
        """What was paid for."""
        with self.reading():
            return self._spent()

    def _spent(self) -> list[Usage]:
        rows = self._db.execute(
            "SELECT model, mode, requests, prompt_tokens, completion_tokens FROM ledger"
            " WHERE requests > 0"
        )
        return [Usage(*row) for row in rows]

    def _claimed(self) -> list[Usage]:
        rows = self._db.execute(
            "SELECT l.model, l.mode, count(*), sum(c.prompt_tokens), sum(c.completion_tokens)"
            " FROM claims c JOIN ledger l ON l.id = c.entry GROUP BY c.entry"
        )
        return [Usage(*row) for row in rows]

    def _wanted(self, entry: int, most: tuple[int, int]) -> Usage:
        query = "SELECT model, mode FROM ledger WHERE id = ?"
        model, mode = self._db.execute(query, (entry,)).fetchone()
        return Usage(model, mode, 1, *most)

    def _is_free(self, key: bytes) -> bool:
        """Whether nobody who lives, and whose lease runs, has claimed `key`."""
        claim = self._db.execute("SELECT owner, until FROM claims WHERE key = ?", (key,)).fetchone()
        if claim is None:
            return True
        owner, until = claim
        if until is None:
            return False
        left = until - time.monotonic()
        # More than a lease is left only if the machine was started anew since.
        if 0 < left <= LEASE and is_alive(owner):
            return False
        self._bury("key = ?", key)
        return True


def _reply(row: Sequence[Any]) -> Reply:
    return Reply(**dict(zip(_FIELDS, row, strict=True)))


def _marks(row: Sequence[object]) -> str:
    return ", ".join("?" * len(row))
