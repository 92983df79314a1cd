"""Concurrent requests; each reply is committed when it arrives."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from lion.chat.fetcher import Fetcher
from lion.chat.wire import Job, most_tokens
from lion.support.errors import ChatError

_DRAIN = 0.5  # seconds that replies in flight still get after Ctrl-C
_LOOK = 0.1  # seconds between two checks of a request that another process has claimed


@dataclass
class Live(Fetcher):
    """Workers that share a queue of jobs; after the first error they finish what they began."""

    def __post_init__(self) -> None:
        self._flying = 0
        self._queue: deque[Job] = deque()
        self._moved = time.monotonic()

    async def ask(self, jobs: list[Job]) -> None:
        self._queue.extend(jobs)
        count = min(self.sender.endpoint.concurrency, len(jobs))
        workers = [asyncio.create_task(self._work()) for _ in range(count)]
        try:
            await asyncio.wait(workers)  # unlike gather, does not cancel them when it is cancelled
        except asyncio.CancelledError:
            self.sender.stop(ChatError("stopped"))
            await asyncio.wait(workers, timeout=_DRAIN)
            raise
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            self._end_refusals()
        if self.sender.fault is not None:
            raise self.sender.fault
        for worker in workers:
            worker.result()

    def _end_refusals(self) -> None:
        """Keep refusals that were held back, or drop them if the stage ends in an error."""
        if self.refusals.are_all:
            self.sender.stop(self.refusals.error())
        if self.sender.fault is None:
            self.refusals.keep()
        self.store.release(self.refusals.drop())

    async def _work(self) -> None:
        while self._queue and self.sender.fault is None:
            if self.refusals.are_all:  # one in flight may still bring an answer
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
                self.sender.stop(error)

    async def _do(self, job: Job) -> bool:
        """Get the reply to `job`; False if it must wait for another process."""
        claim = self.store.claim(job.key, self.entry, most_tokens(job.body), self.budget)
        if claim == "over budget":
            raise self.over_budget(job)
        if claim == "later":
            self._check_patience(job)
            return False
        if claim == "mine":
            await self._send(job)
        else:
            reply = self.store.find([job.key]).get(job.key)
            if reply is None:  # it was damaged meanwhile
                self._check_patience(job)
                return False
            self.refusals.note_answers([reply])
            self.arrived(job, reply)
        self._moved = time.monotonic()
        return True

    async def _send(self, job: Job) -> None:
        begun = time.monotonic()
        self._flying += 1
        try:
            reply = await self.sender.send(job.body, row=job.row)
        except BaseException:
            self.store.release([job.key])
            raise
        finally:
            self._flying -= 1
        seconds = time.monotonic() - begun
        self.receive(reply, job, key=job.key, entry=self.entry, seconds=seconds)

    def _check_patience(self, job: Job) -> None:
        """Raise ChatError if no job was done within the endpoint's patience."""
        patience = self.sender.endpoint.patience
        if time.monotonic() - self._moved > patience:
            owner = self.store.owner_of(job.key)
            reason = (
                f"{owner} has claimed this request"
                if owner
                else "another process holds the rest of the budget or the store's lock"
            )
            raise ChatError(f"{job.row}: {reason}; no reply arrived for {patience:g} s")
