"""Claims: which process requests which reply, and how much of the budget is in flight."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from lion.chat.accounts import KIND, Accounts
from lion.chat.budget import Budget, Usage, merged
from lion.chat.database import BusyError, faults
from lion.chat.presence import Presence, is_alive
from lion.support.errors import ChatError

BATCH = "batch:"  # plus its id: the owner of a batch's claims
Claim = Literal["mine", "kept", "later", "over budget"]
_CLAIM = (
    "INSERT OR REPLACE INTO claims (key, entry, owner, until, prompt_tokens, completion_tokens)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)


class Claims(Accounts):
    """The claims of an open store. A claim lasts as long as its process lives.

    A stopped process (SIGSTOP) keeps its claims: its request may have been paid for, and it reads
    the reply when it continues.
    """

    def __init__(self, path: Path, damaged: str) -> None:
        super().__init__(path, damaged)
        self._presence: Presence | None = None
        if not self.frozen:
            with faults(path, damaged=damaged):
                self._presence = Presence(path.parent)
        self.owner = self._presence.name if self._presence else ""

    def close(self) -> None:
        super().close()
        if self._presence:
            self._presence.__exit__()

    def claim(self, key: bytes, entry: int, most: tuple[int, int], budget: Budget) -> Claim:
        """Try to claim the request `key`, which costs at most `most` (prompt, answer) tokens."""
        return self.claim_many([(key, most)], entry, budget)[0]

    def claim_many(
        self, wanted: Sequence[tuple[bytes, tuple[int, int]]], entry: int, budget: Budget
    ) -> list[Claim]:
        """Try to claim several requests at once, up to the first that is over the budget.

        kept: the store has the reply. later: another process has claimed the request, or the budget
        covers it only if requests in flight cost less than their bound.
        """
        claims: list[Claim] = []
        caller = self.caller_of(entry)
        with self.writing():
            is_bounded = budget.is_bounded
            spent, flying = (self.spent(), self.claimed()) if is_bounded else ([], [])
            for key, most in wanted:
                usage = caller.usage(1, *most)
                claims.append(claim := self._state(key, budget, spent, flying, usage))
                if claim == "over budget":
                    break
                if claim == "mine":
                    self._db.execute(_CLAIM, (key, entry, self.owner, time.monotonic(), *most))
                    flying = merged([*flying, usage])
        return claims

    def _state(
        self, key: bytes, budget: Budget, spent: list[Usage], flying: list[Usage], wanted: Usage
    ) -> Claim:
        """Return what a claim of `key`, which costs at most `wanted`, comes to."""
        if self._db.execute("SELECT 1 FROM replies WHERE key = ?", (key,)).fetchone():
            return "kept"
        if not self._is_free(key):
            return "later"
        if not budget.allows([*spent, wanted]):
            return "over budget"
        return "mine" if budget.allows([*spent, *flying, wanted]) else "later"

    def sweep(self) -> None:
        """End the claims of dead processes; their requests may have been paid for."""
        query = "SELECT DISTINCT owner FROM claims WHERE until IS NOT NULL"
        with self.reading() as db:
            owners = [owner for (owner,) in db.execute(query).fetchall()]
        dead = [owner for owner in owners if not is_alive(self.path.parent, owner)]
        if dead:
            with self.writing():
                for owner in dead:
                    self._charge_and_drop("owner = ?", owner)

    def renew(self) -> None:
        """Sweep, back up the ledger, and sync the store to the disk."""
        with suppress(BusyError):
            self.sweep()
            self.back_up_ledger()
            with self.reading() as db:
                db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def forget(self, batch: str) -> int:
        """End the claims of a batch that will bring no more replies; return how many."""
        with self.writing() as db:
            return db.execute("DELETE FROM claims WHERE owner = ?", (BATCH + batch,)).rowcount

    def owner_of(self, key: bytes) -> str:
        """Describe the owner of a claim to the user; empty if there is none."""
        with suppress(ChatError), self.reading() as db:
            row = db.execute("SELECT owner FROM claims WHERE key = ?", (key,)).fetchone()
            if row and row[0].startswith(BATCH):
                return f"the open batch {row[0].removeprefix(BATCH)}"
            if row:
                return f"process {row[0].split('-')[0]} (end or continue it)"
        return ""

    def claimed(self) -> list[Usage]:
        """Return what the claimed requests cost at most."""
        query = (
            f"SELECT {KIND}, count(*), sum(c.prompt_tokens), sum(c.completion_tokens)"
            " FROM claims c JOIN ledger l ON l.id = c.entry GROUP BY c.entry"
        )
        with self.reading() as db:
            return [Usage(*row) for row in db.execute(query)]

    def _charge_and_drop(self, where: str, value: object) -> None:
        """End a dead process's claims and charge their bounds; an unsent batch costs nothing."""
        rows = self._db.execute(
            "SELECT c.entry, c.prompt_tokens, c.completion_tokens FROM claims c"
            f" JOIN ledger l ON l.id = c.entry WHERE l.mode = 'live' AND c.{where}",
            (value,),
        )
        for entry, *most in rows.fetchall():
            self._spend_unanswered(self.caller_of(entry), most)
        self._db.execute(f"DELETE FROM claims WHERE {where}", (value,))

    def _is_free(self, key: bytes) -> bool:
        """Return whether no living process and no open batch has claimed `key`."""
        claim = self._db.execute("SELECT owner, until FROM claims WHERE key = ?", (key,)).fetchone()
        if claim is None:
            return True
        owner, until = claim
        if until is None or is_alive(self.path.parent, owner):
            return False
        self._charge_and_drop("key = ?", key)
        return True
