"""Concurrent requests; each reply is committed when it arrives."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import partial

from lion.chat.budget import Budget
from lion.chat.refusals import Refusals
from lion.chat.sender import Sender
from lion.chat.store import Store
from lion.chat.types import Reply
from lion.chat.wire import Job, most_tokens
from lion.support.errors import ChatError

_DRAIN = 0.5  # seconds that replies in flight still get after Ctrl-C
_LOOK = 0.1  # seconds between two checks of a request that another process has claimed
_TICK = 1.0  # seconds between two updates of the figures
_RENEWAL = 15.0  # seconds between two syncs of the store

Arrived = Callable[[Job, Reply], None]
Show = Callable[[list[str]], None]


class Live:
    """Workers that share a queue of jobs; after the first error they finish what they began."""

    def __init__(
        self,
        sender: Sender,
        store: Store,
        budget: Budget,
        refusals: Refusals,
        *,
        entry: int,
        arrived: Arrived,
    ) -> None:
        self._sender, self._store, self._budget, self._entry = sender, store, budget, entry
        self._arrived, self._refusals = arrived, refusals
        self._flying = 0
        self._queue: deque[Job] = deque()
        self._moved = time.monotonic()

    async def ask(self, jobs: list[Job]) -> None:
        """Store the replies to all jobs; ChatError if one fails."""
        self._queue.extend(jobs)
        count = min(self._sender.endpoint.concurrency, len(jobs))
        workers = [asyncio.create_task(self._work()) for _ in range(count)]
        try:
            await asyncio.wait(workers)  # unlike gather, does not cancel them when it is cancelled
        except asyncio.CancelledError:
            self._sender.stop(ChatError("stopped"))
            await asyncio.wait(workers, timeout=_DRAIN)
            raise
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            self._end_refusals()
        if self._sender.fault is not None:
            raise self._sender.fault
        for worker in workers:
            worker.result()

    def _end_refusals(self) -> None:
        """Keep refusals that were held back, or drop them if the stage ends in an error."""
        if self._refusals.are_all:
            self._sender.stop(self._refusals.error())
        if self._sender.fault is None:
            self._refusals.keep()
        self._store.release(self._refusals.drop())

    async def _work(self) -> None:
        while self._queue and self._sender.fault is None:
            if self._refusals.are_all:  # one in flight may still bring an answer
                if not self._flying:
                    break
                await asyncio.sleep(_LOOK)
                continue
            job = self._queue.popleft()
            try:
                if not await self._do(job):
                    self._queue.append(job)
                    await asyncio.sleep(_LOOK)
            except ChatError as error:
                self._sender.stop(error)

    async def _do(self, job: Job) -> bool:
        """Get the reply to `job`; False if it must wait for another process."""
        claim = self._store.claim(job.key, self._entry, most_tokens(job.body), self._budget)
        if claim == "over budget":
            raise over_budget(job, self._store, self._budget)
        if claim == "later":
            self._check_patience(job)
            return False
        if claim == "mine":
            await self._send(job)
        else:
            reply = self._store.find([job.key]).get(job.key)
            if reply is None:  # it was damaged meanwhile
                self._check_patience(job)
                return False
            self._refusals.note_answers([reply])
            self._arrived(job, reply)
        self._moved = time.monotonic()
        return True

    async def _send(self, job: Job) -> None:
        with ExitStack() as unless_answered:
            unless_answered.callback(self._store.release, [job.key])
            begun = time.monotonic()
            self._flying += 1
            try:
                reply = await self._sender.send(job.body, row=job.row)
            finally:
                self._flying -= 1
            unless_answered.pop_all()
        seconds = time.monotonic() - begun
        self._refusals.add(job.key, reply, partial(self._keep, job, reply, seconds), job.row)

    def _keep(self, job: Job, reply: Reply, seconds: float) -> None:
        self._store.keep(job.key, self._entry, reply, seconds)
        self._arrived(job, reply)

    def _check_patience(self, job: Job) -> None:
        """Raise ChatError if no job was done within the endpoint's patience."""
        patience = self._sender.endpoint.patience
        if time.monotonic() - self._moved > patience:
            owner = self._store.owner_of(job.key)
            reason = (
                f"{owner} has claimed this request"
                if owner
                else "another process holds the rest of the budget or the store's lock"
            )
            raise ChatError(f"{job.row}: {reason}; no reply arrived for {patience:g} s")


def over_budget(job: Job, store: Store, budget: Budget) -> ChatError:
    """Return the error for a request that the budget may not cover."""
    left = budget.left_text(store.spent())
    return ChatError(
        f"{job.row}: this request may cost more than the budget has left ({left}); raise"
        " `budget` in params.yaml"
    )


@asynccontextmanager
async def tended(sender: Sender, store: Store, show: Show) -> AsyncIterator[None]:
    """While the block runs, show the figures and sync the store at intervals."""

    async def tend() -> None:
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(_TICK)
            show(sender.status())
            if time.monotonic() - renewed > _RENEWAL:
                renewed = time.monotonic()
                try:
                    store.flush()
                    store.renew()
                except ChatError as error:
                    sender.stop(error)

    tending = asyncio.create_task(tend())
    try:
        yield
    finally:
        tending.cancel()
        await asyncio.gather(tending, return_exceptions=True)
        show(sender.status())
