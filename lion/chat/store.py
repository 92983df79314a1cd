"""The response store: every reply that was paid for, under the hash of its whole request.

SQLite in WAL mode. A commit survives the death of the process at once. Every few seconds `renew`
syncs to the disk; a power cut can lose what came after that. A reply that cannot be written stays
in memory and in a fallback file (`Spill`) until it can.
"""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Self

import click

from lion.chat.budget import Budget, Usage
from lion.chat.claims import BATCH, Claim, Claims
from lion.chat.database import PATIENCE, BusyError, DamageError, open_database
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
        self._pending: list[Callable[[], None]] = []
        self._unkept: dict[bytes, Reply] = {}
        self._unanswered: list[Usage] = []  # pending, too
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
            if self._pending:
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
            with self._faults():
                self._db, self.frozen = open_database(self.path)
            replies, damaged = self._stored(keys)
        if damaged:
            self._discard(damaged)
        return replies | {key: self._unkept[key] for key in keys if key in self._unkept}

    def claim_many(
        self, wanted: Sequence[tuple[bytes, tuple[int, int]]], entry: int, budget: Budget
    ) -> list[Claim]:
        """Try to claim requests, once all pending replies are stored; ChatError on a full disk."""
        with self._faults():
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
        received = time.time()
        self._unkept[key] = reply

        def spilled() -> Arrival:
            caller = self.caller_of(entry)
            return Arrival(
                caller=caller, key=key.hex(), reply=reply, received=received, seconds=seconds
            )

        self._write(lambda: self._insert(key, entry, reply, received, seconds), spilled)

    def note_unanswered(self, entry: int, most: tuple[int, int], budget: Budget) -> bool:
        """Count a request that brought no reply at its upper bound.

        Return whether the budget still covers all claims, so that the request may be repeated.
        """
        with self.reading():
            self._unanswered.append(self._wanted(entry, most))
        self._write(
            lambda: self._spend_unanswered(entry, most),
            lambda: Arrival(caller=self.caller_of(entry), most=most),
        )
        if not budget.is_bounded:
            return True
        with self.reading():
            return budget.allows([*self._spent(), *self._claimed(), *self._unanswered])

    def release(self, keys: Iterable[bytes]) -> None:
        """End this process's claims on `keys`, which brought no reply."""
        owned = list(keys)
        with suppress(ChatError):  # the release stays pending, and the original error counts
            self._write(lambda: self._release(owned))

    def flush(self) -> bool:
        """Write what is pending; False if another process holds the lock, ChatError if it fails."""
        if not self._pending:
            return True
        if self._is_quick and time.monotonic() < self._retry_at:
            return False
        try:
            with self.writing():
                for write in self._pending:
                    write()
        except BusyError:
            self._retry_at = time.monotonic() + _PAUSE
            return False
        self._pending.clear()
        self._unkept.clear()
        self._unanswered.clear()
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

    def _write(
        self, write: Callable[[], None], spilled: Callable[[], Arrival] | None = None
    ) -> None:
        """Run `write` in a transaction, after all that is pending; spill it if this fails."""
        self._pending.append(write)
        fault: ChatError | None = None
        try:
            if self.flush():
                return
        except ChatError as error:
            fault = error
        if spilled is not None and self._spill.write(spilled()) is None:
            self._lost += 1
        if fault is not None:
            raise fault

    def _take_over(self) -> None:
        """Add the replies that ended processes left in fallback files."""
        if self._has_taken_over:
            return
        with self._spill.left() as arrivals, self.writing() if arrivals else nullcontext():
            for arrival in arrivals:
                entry = self.entry_in_transaction(arrival.caller)
                if arrival.reply is None:
                    self._spend_unanswered(entry, arrival.most)
                else:
                    key = bytes.fromhex(arrival.key)
                    self._insert(key, entry, arrival.reply, arrival.received, arrival.seconds)
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
