"""Requests through the Batch API: half the price, within a day.

A batch outlives this process. Its claims in the store name the batch, and its metadata holds a hash
of its requests, so that the next run collects it instead of paying again.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from openai.types import Batch, BatchError

from lion.chat.batch_api import BatchApi, Line, chunks
from lion.chat.dialect import shortened, spoken
from lion.chat.failures import is_transient
from lion.chat.fetcher import Fetcher
from lion.chat.notices import say_once
from lion.chat.reading import Failure, UnusableBody, reply_in
from lion.chat.redaction import without_key
from lion.chat.sender import AdaptedError
from lion.chat.store import BATCH
from lion.chat.types import Reply
from lion.chat.wire import Job, most_tokens
from lion.support.errors import ChatError

_CLAIMS = 2_000  # per transaction
_ENQUEUED = re.compile(r"token_limit_exceeded|enqueued[ _-]?tokens?", re.IGNORECASE)
_NUMBER = re.compile(r"limit:?\s*(?:is\s*)?(\d[\d,._]*\d)", re.IGNORECASE)
_BYTES_A_TOKEN = 4


class EnqueuedLimit:
    """The provider's limit on enqueued prompt tokens, learnt from the batches that it refuses.

    A batch above the limit fails as a whole and costs nothing. Its requests then go into smaller
    batches, one after the other.
    """

    def __init__(self) -> None:
        self._most: int | None = None  # estimated prompt tokens
        self._sizes: list[int] = []  # of the jobs that `fitting` last returned
        self.held_back = False  # whether the last `fitting` held jobs back
        self.refused = False  # whether the provider refused the jobs of the last `fitting`

    def fitting(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the leading `jobs` that fit into the limit together, at least one."""
        self.refused = False
        sizes = [most_tokens(job.body)[0] // _BYTES_A_TOKEN for job in jobs]
        if self._most is not None:
            count = sum(total <= self._most for total in accumulate(sizes))
            sizes = sizes[: max(1, count)]
        self._sizes, self.held_back = sizes, len(sizes) < len(jobs)
        return list(jobs[: len(sizes)])

    def is_exceeded(self, errors: Sequence[BatchError]) -> bool:
        """Whether a batch failed because of too many enqueued tokens; if so, lower the limit."""
        words = " ".join(f"{error.code} {error.message}" for error in errors)
        if not _ENQUEUED.search(words) or len(self._sizes) <= 1:
            return False
        numbers = [int(re.sub(r"\D", "", number)) for number in _NUMBER.findall(words)]
        half = sum(self._sizes) // 2
        self._most = max(1, min([half, *filter(None, numbers)]))
        self.refused = True
        say_once(
            "this stage exceeds the provider's limit of enqueued batch tokens; Lion sends smaller"
            " batches, one after the other"
        )
        return True


@dataclass
class Batches(Fetcher):
    """Sends jobs in batches and collects batches, including those of earlier runs."""

    def __post_init__(self) -> None:
        self._api = BatchApi(self.sender)
        self._limit = EnqueuedLimit()
        self._put_by = self.sender.endpoint  # the endpoint whose dialect the batch was sent in
        self._reason = ""  # why the latest request without a reply got none
        self._emptied: set[str] = set()  # batches whose replies are all in the store

    async def ask(self, jobs: list[Job]) -> None:
        """Store the replies to all jobs; ChatError if one is missing in the end.

        Requests that a batch leaves unanswered go into the next one, up to `retries` times. A split
        to fit the provider's limit on enqueued tokens does not count as a retry.
        """
        endpoint = self.sender.endpoint
        rounds, waited = 0, 0.0
        while jobs and rounds <= endpoint.retries and waited <= endpoint.patience:
            was_sent, before = await self._round(jobs), len(jobs)
            if not was_sent:
                waited += endpoint.poll
                await self.sender.rest(endpoint.poll)
            stored = self.store.find([job.key for job in jobs])
            jobs = [job for job in jobs if job.key not in stored]
            split = self._limit.refused or (self._limit.held_back and len(jobs) < before)
            rounds += was_sent and not split
        if jobs:
            why = self._reason or "another process claimed it and received nothing"
            raise ChatError(f"{jobs[0].row}: {why}; tried {rounds} times")

    async def _round(self, jobs: list[Job]) -> bool:
        """Send unclaimed jobs and collect replies; False if other processes claimed all jobs."""
        batches = self._open_batches(jobs)
        fitting = self._limit.fitting(sorted(jobs, key=lambda job: job.key))
        claimed = self._claimed(fitting, alone=not batches)
        dialect = self.sender.dialect.endpoint
        put = [replace(job, body=spoken(job.body, dialect)) for job in claimed]
        for chunk in chunks(put):
            batches.append(await self._submitted(chunk))
        faults = [await self._collected(number, jobs) for number in batches]
        for fault in faults:
            if fault is not None:
                raise fault
        return bool(batches)

    def _open_batches(self, jobs: list[Job]) -> list[str]:
        """Return the batches of earlier runs that contain some of `jobs`."""
        keys = {job.key for job in jobs}
        with self.store.reading() as db:
            rows = db.execute("SELECT key, owner FROM claims WHERE until IS NULL ORDER BY owner")
            owners = dict.fromkeys(owner for key, owner in rows if key in keys)
        return [owner.removeprefix(BATCH) for owner in owners]

    def _claimed(self, jobs: list[Job], *, alone: bool) -> list[Job]:
        """Claim the jobs that are free, in order, until the budget covers no more.

        `alone` says that no batch is open; a first job over the budget then raises ChatError.
        """
        claimed: list[Job] = []
        for start in range(0, len(jobs), _CLAIMS):
            part = jobs[start : start + _CLAIMS]
            wanted = [(job.key, most_tokens(job.body)) for job in part]
            claims = self.store.claim_many(wanted, self.entry, self.budget)
            claimed += [job for job, claim in zip(part, claims, strict=False) if claim == "mine"]
            if claims[-1] == "over budget":
                if alone and not claimed:
                    raise self.over_budget(part[len(claims) - 1])
                break
        return claimed

    async def _submitted(self, jobs: list[Job]) -> str:
        """Submit `jobs` as a batch, and hand this process's claims over to it."""
        keys = [job.key for job in jobs]
        try:
            number = await self._api.submit(jobs, used=self._emptied)
        except BaseException:
            self.store.release(keys)
            raise
        with self.store.writing() as db:
            db.executemany(
                "UPDATE claims SET owner = ?, until = NULL WHERE key = ?",
                ((BATCH + number, key) for key in keys),
            )
        return number

    async def _collected(self, number: str, jobs: list[Job]) -> ChatError | None:
        """Wait for a batch, store its replies, end its claims; return any permanent error."""
        try:
            batch = await self._api.finish(number)
            lines = await self._api.results(batch)
        except ChatError as error:
            if not (isinstance(error.__cause__, Failure) and error.__cause__.status == 404):
                raise
            hint = f"if the batch is lost, `lion store forget {number}` lets Lion send it again"
            raise ChatError(f"{error.message}; {hint}") from error
        wanted = {job.key: job for job in jobs}
        fault = self._failure(batch)
        self._put_by = self.sender.dialect.endpoint
        with self.store.reading() as db:
            query = "SELECT key, entry FROM claims WHERE owner = ?"
            entries = dict(db.execute(query, (BATCH + number,)).fetchall())
        for line in lines:
            key = line.key()
            if key in entries:  # neither another run's nor a duplicate
                try:
                    self._take(line, key, entries.pop(key), wanted.get(key))
                except ChatError as error:
                    fault = fault or error
        if self.refusals.are_all:
            fault = fault or self.refusals.error()
            self.refusals.drop()
        self.refusals.keep()
        self.store.forget(number)
        self._emptied.add(batch.id)
        return fault

    def _failure(self, batch: Batch) -> ChatError | None:
        """Return the error of a whole batch; None if its requests may go into another one."""
        name = self.sender.safe(batch.id)
        if batch.status == "cancelled":
            return ChatError(f"batch {name} was cancelled; run again to send the rest")
        errors = (batch.errors.data if batch.errors else None) or []
        if batch.status != "failed" or self._limit.is_exceeded(errors):
            return None
        reasons = "; ".join(error.message or error.code or "" for error in errors)
        return ChatError(
            f"batch {name} failed: {self.sender.safe(reasons) or 'no reason given':.700}"
        )

    def _take(self, line: Line, key: bytes, entry: int, job: Job | None) -> None:
        """Store the reply in `line`; ChatError if it holds a permanent error."""
        reply = self._reply_in(line, job)
        if reply is None:
            self.sender.retries += 1
            return
        self.receive(without_key(reply, self.sender.client.api_key), job, key=key, entry=entry)

    def _reply_in(self, line: Line, job: Job | None) -> Reply | None:
        """Return the reply in `line`, None if the request may be retried; else raise ChatError.

        `job` is None if another run asked for it; that run then retries it or reports its error.
        """
        try:
            sent = shortened(job.body, self._put_by) if job else None
            return reply_in(line.completion(), sent, safe=self.sender.safe)
        except UnusableBody as unusable:
            self._reason = f"{self.sender.safe(str(unusable)):.700}"
            if job:
                self.sender.unanswered(job.body)
            return None
        except Failure as failure:
            self._reason = f"{self.sender.safe(str(failure)):.700}"
            if job is None:
                return None
            try:
                recorded = self.sender.settle(failure, job.body, self._put_by)
            except AdaptedError:
                return None
            if recorded or is_transient(failure):
                return recorded
            raise ChatError(f"{job.row}: {self._reason}") from failure
