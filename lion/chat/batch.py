"""Requests through the Batch API: half the price, within a day.

A batch outlives this process. Its claims in the store name the batch, and its metadata holds a hash
of its requests, so that the next run collects it instead of paying again.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TypeVar

import openai
from openai.types import Batch
from pydantic import ValidationError

from lion.chat.batch_file import PATH, Line, chunks, line_of
from lion.chat.batch_limit import EnqueuedLimit
from lion.chat.budget import Budget
from lion.chat.dialect import shortened, spoken
from lion.chat.failures import is_transient, withheld
from lion.chat.live import Arrived, over_budget
from lion.chat.reading import ErrorBody, UnusableBody, error_message, reply_in
from lion.chat.refusals import Refusals, reason_of, refused
from lion.chat.sender import Sender
from lion.chat.store import BATCH, Store
from lion.chat.types import Reply
from lion.chat.wire import Job, most_tokens
from lion.support.errors import ChatError

_CLAIMS = 2_000  # per transaction
_PAGE = 100  # batches per page of a list
_OVER = {"completed", "failed", "expired", "cancelled"}
_LATE = 20  # polls for the results' file of a batch that is over
T = TypeVar("T")


class Batches:
    """Sends jobs in batches and collects batches, including those of earlier runs."""

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
        self._client = sender.client.with_options(timeout=sender.endpoint.timeout)
        self._arrived, self._refusals = arrived, refusals
        self._put_by = sender.endpoint  # the endpoint whose dialect the batch was sent in
        self._reason = ""  # why the latest request without a reply got none
        self._emptied: set[str] = set()  # batches whose replies are all in the store
        self._limit = EnqueuedLimit()

    async def ask(self, jobs: list[Job]) -> None:
        """Store the replies to all jobs; ChatError if one is missing in the end.

        Requests that a batch leaves unanswered go into the next one, up to `retries` times. A split
        to fit the provider's limit on enqueued tokens does not count as a retry.
        """
        endpoint = self._sender.endpoint
        rounds, waited = 0, 0.0
        while jobs and rounds <= endpoint.retries and waited <= endpoint.patience:
            was_sent, before = await self._round(jobs), len(jobs)
            if not was_sent:
                waited += endpoint.poll
                await self._sender.rest(endpoint.poll)
            stored = self._store.find([job.key for job in jobs])
            jobs = [job for job in jobs if job.key not in stored]
            split = self._limit.refused or (self._limit.held_back and len(jobs) < before)
            rounds += was_sent and not split
        if jobs:
            why = self._reason or "another process claimed it and received nothing"
            raise ChatError(f"{jobs[0].row}: {why}; tried {rounds} times")

    async def _round(self, jobs: list[Job]) -> bool:
        """Send unclaimed jobs and collect replies; False if other processes claimed all jobs."""
        names = self._open_batches(jobs)
        fitting = self._limit.fitting(sorted(jobs, key=lambda job: job.key))
        claimed = self._claimed(fitting, alone=not names)
        dialect = self._sender.dialect.endpoint
        put = [replace(job, body=spoken(job.body, dialect)) for job in claimed]
        for chunk in chunks(put):
            names.append(await self._submitted(chunk))
        faults = [await self._collected(name, jobs) for name in names]
        for fault in faults:
            if fault is not None:
                raise fault
        return bool(names)

    def _open_batches(self, jobs: list[Job]) -> list[str]:
        """Return the batches of earlier runs that contain some of `jobs`."""
        keys = {job.key for job in jobs}
        with self._store.reading() as db:
            rows = db.execute("SELECT key, owner FROM claims WHERE until IS NULL ORDER BY owner")
            return list(dict.fromkeys(owner for key, owner in rows if key in keys))

    def _claimed(self, jobs: list[Job], *, alone: bool) -> list[Job]:
        """Claim the jobs that are free, in order, until the budget covers no more.

        `alone` says that no batch is open; a first job over the budget then raises ChatError.
        """
        claimed: list[Job] = []
        for start in range(0, len(jobs), _CLAIMS):
            part = jobs[start : start + _CLAIMS]
            wanted = [(job.key, most_tokens(job.body)) for job in part]
            claims = self._store.claim_many(wanted, self._entry, self._budget)
            claimed += [job for job, claim in zip(part, claims, strict=False) if claim == "mine"]
            if claims[-1] == "over budget":
                if alone and not claimed:
                    raise over_budget(part[len(claims) - 1], self._store, self._budget)
                break
        return claimed

    async def _submitted(self, jobs: list[Job]) -> str:
        """Submit `jobs` as a batch, unless a killed run has already done so."""
        keys = [job.key for job in jobs]
        mark = hashlib.blake2b(b"".join(keys), digest_size=16).hexdigest()
        with ExitStack() as unless_made:
            unless_made.callback(self._store.release, keys)
            batch = await self._sender.persist(
                lambda: self._find_or_create(jobs, mark), row=jobs[0].row
            )
            unless_made.pop_all()
        name = BATCH + batch.id
        with self._store.writing() as db:
            db.executemany(
                "UPDATE claims SET owner = ?, until = NULL WHERE key = ?",
                ((name, key) for key in keys),
            )
        return name

    async def _find_or_create(self, jobs: list[Job], mark: str) -> Batch:
        """Return the batch of these jobs, created if there is none.

        Look before each try: the response to an earlier creation may have been lost, and a second
        batch would cost again.
        """
        async for batch in self._listed():
            is_own = (batch.metadata or {}).get("lion") == mark
            # A finished batch without replies will never have any; an expired one may have some.
            lost = batch.status in _OVER and not batch.output_file_id
            if is_own and not lost and batch.id not in self._emptied:
                return batch
        content = b"".join(map(line_of, jobs))
        made = await self._client.files.create(file=("lion.jsonl", content), purpose="batch")
        batch = await self._client.batches.create(
            input_file_id=_checked(made, id=str).id,
            endpoint=PATH,
            completion_window="24h",
            metadata={"lion": mark},
        )
        return _checked(batch, id=str)

    async def _listed(self) -> AsyncIterator[Batch]:
        """Yield all batches of this account, newest first; stop if the server ignores `after`."""
        seen: set[str] = set()
        after: str | openai.Omit = openai.omit
        while True:
            try:
                page = await self._client.batches.list(limit=_PAGE, after=after)
            except AttributeError as error:  # the client's own, for a page that is not JSON
                raise UnusableBody(f"not a list of batches: {error}") from error
            new = [batch for batch in _checked(page, data=list).data if batch.id not in seen]
            for batch in new:
                yield batch
            has_more = len(page.data) >= _PAGE if page.has_more is None else page.has_more
            if not new or not has_more:
                return
            seen.update(batch.id for batch in new)
            after = new[-1].id

    async def _collected(self, name: str, jobs: list[Job]) -> ChatError | None:
        """Wait for a batch, store its replies, end its claims; return any permanent error."""
        number = name.removeprefix(BATCH)
        try:
            batch = await self._over(number)
            lines = await self._results(batch)
        except ChatError as error:
            if not isinstance(error.__cause__, openai.NotFoundError):
                raise
            hint = f"if the batch is lost, `lion store forget {number}` lets Lion send it again"
            raise ChatError(f"{error.message}; {hint}") from error
        wanted = {job.key: job for job in jobs}
        fault = None if self._limit.is_exceeded(batch) else self._failure(batch)
        self._put_by = self._sender.dialect.endpoint
        with self._store.reading() as db:
            query = "SELECT key, entry FROM claims WHERE owner = ?"
            open_keys = dict(db.execute(query, (name,)).fetchall())
        for line in lines:
            key = line.key()
            if key in open_keys:  # neither another run's nor a duplicate
                try:
                    self._take(line, key, open_keys.pop(key), wanted.get(key))
                except ChatError as error:
                    fault = fault or error
        if self._refusals.are_all:
            fault = fault or self._refusals.error()
            self._refusals.drop()
        self._refusals.keep()
        with self._store.writing() as db:
            db.execute("DELETE FROM claims WHERE owner = ?", (name,))
        self._emptied.add(batch.id)
        return fault

    async def _over(self, number: str) -> Batch:
        """Wait until the batch has ended; the server ends it within its completion window."""

        async def look() -> Batch:
            return _checked(await self._client.batches.retrieve(number), id=str, status=str)

        late = 0
        while True:
            batch = await self._sender.persist(look, row=f"batch {number}")
            counts = batch.request_counts
            done = f", {counts.completed:,} of {counts.total:,} done" if counts else ""
            self._sender.doing = self._sender.safe(f"batch {number} is {batch.status}{done}")
            is_late = bool(counts and counts.completed) and not batch.output_file_id
            if batch.status in _OVER and not is_late:
                return batch
            if batch.status in _OVER and (late := late + 1) > _LATE:
                raise ChatError(
                    f"batch {number} is {batch.status}, but its server names no file of results; "
                    f"run again to look for it, or `lion store forget {number}` to send it again"
                )
            await self._sender.rest(self._sender.endpoint.poll)

    async def _results(self, batch: Batch) -> list[Line]:
        """Download all result lines; a file with a broken line is downloaded again."""

        async def read(file: str) -> list[Line]:
            content = (await self._client.files.content(file)).content
            try:
                return [Line.model_validate_json(line) for line in content.splitlines() if line]
            except ValidationError as error:
                raise UnusableBody(f"a line is not a result: {error.errors()[0]['msg']}") from error

        lines = []
        for file in (batch.output_file_id, batch.error_file_id):
            if file:
                row = f"batch {batch.id}, file {file}"
                lines += await self._sender.persist(partial(read, file), row=row)
        return lines

    def _failure(self, batch: Batch) -> ChatError | None:
        if batch.status == "cancelled":
            name = self._sender.safe(batch.id)
            return ChatError(f"batch {name} was cancelled; run again to send the rest")
        if batch.status != "failed":
            return None
        errors = (batch.errors.data if batch.errors else None) or []
        reasons = "; ".join(error.message or error.code or "" for error in errors)
        reason = self._sender.safe(reasons) or "no reason given"
        return ChatError(f"batch {self._sender.safe(batch.id)} failed: {reason:.700}")

    def _take(self, line: Line, key: bytes, entry: int, job: Job | None) -> None:
        """Store the reply in `line`; ChatError if it holds a permanent error."""
        reply = self._reply_in(line, job)
        if reply is not None:
            reply = self._sender.safe_reply(reply)
            keep = partial(self._keep, key, entry, reply, job)
            self._refusals.add(key, reply, keep, job.row if job else "")

    def _keep(self, key: bytes, entry: int, reply: Reply, job: Job | None) -> None:
        self._store.keep(key, entry, reply, 0.0)
        if job is not None:
            self._arrived(job, reply)

    def _reply_in(self, line: Line, job: Job | None) -> Reply | None:
        """Return the reply in `line`, None if the request may be retried; else raise ChatError."""
        error = line.error()
        status, code = line.status(), error.get("code")
        message = error_message(error or "no response before the batch ended")
        if status == 200 and line.response is not None:
            try:
                sent = shortened(job.body, self._put_by) if job else None
                return reply_in(line.response.body, sent, safe=self._sender.safe)
            except UnusableBody as unusable:
                message = str(unusable)
                if job:
                    self._sender.unanswered(job.body)
            except ErrorBody as failed:
                status, code, message = failed.status, failed.code, str(failed)
        self._reason = f"{self._sender.safe(message):.700}"
        param = error.get("param") or ""
        body = job.body if job else None
        words = f"{param} {message}"
        if body and self._sender.dialect.shorten(status, words, body, self._put_by):
            return None
        if reason := reason_of(status, code, message):
            return refused(reason, self._reason[:500], job.body["model"] if job else "")
        if body and (reply := withheld(status, code, message, body)):
            return reply
        if body and self._sender.dialect.learn(status, words, body, self._put_by):
            return None
        if status and status != 200 and not is_transient(status, code):
            row = job.row if job else self._sender.safe(line.custom_id)
            raise ChatError(f"{row}: {self._reason}")
        self._sender.retries += 1
        return None


def _checked(parsed: T, **fields: type) -> T:
    """Return `parsed`; UnusableBody if it lacks a field, which the client does not check."""
    for name, kind in fields.items():
        if not isinstance(getattr(parsed, name, None), kind):
            raise UnusableBody(f"no {name} in {parsed}")
    return parsed
