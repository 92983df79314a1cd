"""What live requests and batches share: how a reply gets into the store, and upkeep meanwhile."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lion.chat.budget import Budget
from lion.chat.refusals import Refusals
from lion.chat.sender import Sender
from lion.chat.store import Store
from lion.chat.types import Reply
from lion.chat.wire import Job
from lion.support.errors import ChatError

_TICK = 1.0  # seconds between two updates of the figures
_RENEWAL = 15.0  # seconds between two syncs of the store


@dataclass
class Fetcher(ABC):
    """Fetches replies into the store; `arrived` is called for each one."""

    sender: Sender
    store: Store
    budget: Budget
    refusals: Refusals
    entry: int  # of the ledger
    arrived: Callable[[Job, Reply], None]

    @abstractmethod
    async def ask(self, jobs: list[Job]) -> None:
        """Store the replies to all jobs; ChatError if one fails."""

    def receive(
        self, reply: Reply, job: Job | None, *, key: bytes, entry: int, seconds: float = 0.0
    ) -> None:
        """Store `reply`, or hold it back if it is a refusal; another run's reply has no `job`."""

        def keep() -> None:
            self.store.keep(key, entry, reply, seconds)
            if job is not None:
                self.arrived(job, reply)

        self.refusals.add(key, reply, keep, job.row if job else "")

    def over_budget(self, job: Job) -> ChatError:
        """Return the error for a request that the budget may not cover."""
        left = self.budget.left_text(self.store.spent())
        return ChatError(
            f"{job.row}: this request may cost more than the budget has left ({left}); raise"
            " `budget` in params.yaml"
        )

    @asynccontextmanager
    async def tended(self, show: Callable[[list[str]], None]) -> AsyncIterator[None]:
        """While the block runs, show the figures and sync the store at intervals."""

        async def tend() -> None:
            renewed = time.monotonic()
            while True:
                await asyncio.sleep(_TICK)
                show(self.sender.status())
                if time.monotonic() - renewed > _RENEWAL:
                    renewed = time.monotonic()
                    try:
                        self.store.flush()
                        self.store.renew()
                    except ChatError as error:
                        self.sender.stop(error)

        tending = asyncio.create_task(tend())
        try:
            yield
        finally:
            tending.cancel()
            await asyncio.gather(tending, return_exceptions=True)
            show(self.sender.status())
