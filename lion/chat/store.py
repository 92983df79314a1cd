"""The response store: every reply that was paid for, under the hash of its whole request.

SQLite in WAL mode. A commit survives the death of the process at once. Every few seconds `renew`
syncs to the disk; a power cut can lose what came after that. A reply that cannot be written stays
in memory and in a fallback file (`Spill`) until it can.
"""

import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Self

import click

from lion.chat.budget import Budget
from lion.chat.claims import BATCH, Claim, Claims
from lion.chat.database import PATIENCE, BusyError, DamageError, faults
from lion.chat.presence import others_alive
from lion.chat.salvage import rescue, salvage
from lion.chat.spill import Arrival, Spill
from lion.chat.types import Reply
from lion.support.errors import ChatError

__all__ = ["BATCH", "Store"]

_RESERVE = 4_000_000  # bytes of free disk for replies in flight; below that, Lion requests nothing
_QUICK = 0.05  # seconds to wait for a lock while replies in flight must be read
_PAUSE = 0.1  # seconds between two tries in that case
_LAST = 2.0  # seconds to wait for a lock at the end, when replies are in a fallback file
_HINT = "`lion store salvage` rescues what can be read"


class Store(Claims):
    """One open response store; errors of its file become ChatError."""

    def __init__(self, path: Path) -> None:
        try:
            super().__init__(path, _HINT)
        except DamageError:
            rescue(path)
            super().__init__(path, _HINT)
        (identity,) = self._db.execute("PRAGMA application_id").fetchone()
        self._spill = Spill(path.parent, identity)
        self._pending: list[Arrival] = []  # not in the database yet
        self._released: set[bytes] = set()  # keys of claims to end
        self._lost = 0  # replies that are only in memory
        self._is_quick = False
        self._retry_at = 0.0
        self._has_taken_over = False
        if not self.frozen:
            with suppress(BusyError):
                self._take_over()
                self.sweep()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Write what is pending, or leave it in fallback files and report them."""
        try:
            if self._pending or self._released:
                self._finish()
            if self.owner:
                self.back_up_ledger()
        finally:
            self.close()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Reply]:
        """Return the stored replies by key; remove and report those that fail their checksum."""
        try:
            replies, damaged = self._stored(keys)
            if len(replies) + len(damaged) < len(keys):
                self._check_index()
        except DamageError:
            if others_alive(self.path.parent, self.owner):
                raise
            self._db.close()
            salvage(self.path)
            self._open()
            replies, damaged = self._stored(keys)
        if damaged:
            self._discard(damaged)
        unkept = {bytes.fromhex(row.key): row.reply for row in self._pending if row.reply}
        return replies | {key: unkept[key] for key in unkept.keys() & set(keys)}

    def claim_many(
        self, wanted: Sequence[tuple[bytes, tuple[int, int]]], entry: int, budget: Budget
    ) -> list[Claim]:
        """Try to claim requests, once all pending replies are stored; ChatError on a full disk."""
        with faults(self.path, damaged=_HINT):
            free = shutil.disk_usage(self.path.parent).free
        if free < _RESERVE:
            raise ChatError(
                f"{self.path}: only {free / 1e6:.1f} MB are free on its disk, too little for"
                " the replies in flight; free some space and run again"
            )
        with suppress(BusyError):
            self._take_over()
            if self.flush():
                return super().claim_many(wanted, entry, budget)
        return ["later"] * len(wanted)

    def keep(self, key: bytes, entry: int, reply: Reply, seconds: float) -> None:
        """Commit a reply and its cost, and end its claim; the first of two replies stays.

        A reply that cannot be written now goes to a fallback file, and ChatError says why, unless
        another process merely holds the lock.
        """
        self._write(
            Arrival(
                caller=self.caller_of(entry),
                key=key.hex(),
                reply=reply,
                received=time.time(),
                seconds=seconds,
            )
        )

    def note_unanswered(self, entry: int, most: tuple[int, int], budget: Budget) -> bool:
        """Count a request that brought no reply at its upper bound.

        Return whether the budget still covers all claims, so that the request may be repeated.
        """
        self._write(Arrival(caller=self.caller_of(entry), most=most))
        lost = [row.caller.usage(1, *row.most) for row in self._pending if row.reply is None]
        return budget.allows([*self.spent(), *self.claimed(), *lost])

    def release(self, keys: Iterable[bytes]) -> None:
        """End this process's claims on `keys`, which brought no reply."""
        self._released.update(keys)
        with suppress(ChatError):  # the release stays pending, and the original error counts
            self.flush()

    def flush(self) -> bool:
        """Write what is pending; False if another process holds the lock, ChatError if it fails."""
        if not self._pending and not self._released:
            return True
        if self._is_quick and time.monotonic() < self._retry_at:
            return False
        try:
            with self.writing() as db:
                for arrival in self._pending:
                    self._add(arrival)
                claims = [(key, self.owner) for key in self._released]
                db.executemany("DELETE FROM claims WHERE key = ? AND owner = ?", claims)
        except BusyError:
            self._retry_at = time.monotonic() + _PAUSE
            return False
        self._pending.clear()
        self._released.clear()
        self._spill.clear()
        self._lost = 0
        return True

    @contextmanager
    def quick(self) -> Iterator[None]:
        """Wait only briefly for locks while the block runs, so that replies in flight are read."""
        self.wait_at_most(_QUICK)
        self._is_quick = True
        try:
            yield
        finally:
            self._is_quick = False
            self.wait_at_most(PATIENCE)

    def _write(self, arrival: Arrival) -> None:
        """Commit `arrival` after all that is pending; spill it if this fails."""
        self._pending.append(arrival)
        fault: ChatError | None = None
        try:
            if self.flush():
                return
        except ChatError as error:
            fault = error
        if not self._spill.write(arrival):
            self._lost += 1
        if fault is not None:
            raise fault

    def _add(self, arrival: Arrival) -> None:
        """Add a reply and its cost in an open transaction, and end its claim."""
        reply = arrival.reply
        if reply is None:
            self._spend_unanswered(arrival.caller, arrival.most)
            return
        key, entry = bytes.fromhex(arrival.key), self.entry(arrival.caller)
        if self.add(key, entry, reply, arrival.received, arrival.seconds):
            tokens = (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens)
            self._spend(entry, *tokens)
        self._db.execute("DELETE FROM claims WHERE key = ?", (key,))

    def _take_over(self) -> None:
        """Add the replies that ended processes left in fallback files."""
        if self._has_taken_over:
            return
        with self._spill.left() as arrivals, self.writing() if arrivals else nullcontext():
            for arrival in arrivals:
                self._add(arrival)
        self._has_taken_over = True
        if arrivals:
            click.echo(
                f"{self.path}: added {len(arrivals):,} replies that could not be stored before",
                err=True,
            )

    def _finish(self) -> None:
        """Write what is pending at the end; wait longer if replies are only in memory."""
        self.wait_at_most(_LAST)
        until = time.monotonic() + PATIENCE
        while True:
            with suppress(ChatError):
                if self.flush():
                    return
            if not self._lost or time.monotonic() > until:
                break
            time.sleep(1.0)
        places = ", ".join(map(str, self._spill.close()))
        if places:
            click.echo(
                f"{self.path}: some replies could not be written and are kept in {places}; the next"
                " run adds them",
                err=True,
            )
        if self._lost:
            click.echo(f"{self.path}: {self._lost:,} replies could not be kept anywhere", err=True)

    def _discard(self, keys: Sequence[bytes]) -> None:
        if not self.frozen:
            with self.writing() as db:
                db.executemany("DELETE FROM replies WHERE key = ?", ((key,) for key in keys))
        click.echo(
            f"{self.path}: {len(keys):,} stored replies are damaged (wrong checksum); they count as"
            " missing and are requested again",
            err=True,
        )
