"""The Batch API as Lion uses it: its files, and calls that never make a batch twice."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any, Literal, TypeVar

import openai
from openai.types import Batch
from pydantic import BaseModel, ValidationError

from lion.chat.reading import Failure, UnusableBody, error_message, status_of
from lion.chat.sender import Sender
from lion.chat.wire import Job
from lion.support.errors import ChatError

_PATH: Literal["/v1/chat/completions"] = "/v1/chat/completions"
_MOST_REQUESTS = 50_000  # the API's limits for one file
_MOST_BYTES = 190_000_000
_PAGE = 100  # batches per page of a list
_OVER = {"completed", "failed", "expired", "cancelled"}
_LATE = 20  # polls for the results' file of a batch that is over
_UNFINISHED = 503  # status of a request that a batch left without a response
T = TypeVar("T")


class Response(BaseModel):
    """The response to one request; `body` may be anything, since errors come in any form."""

    status_code: int
    body: Any = None


class Line(BaseModel):
    """One line of a result file; it has no response if the request was not answered."""

    custom_id: str
    response: Response | None = None
    error: Any = None  # of a request without a response, or of any, in vLLM

    def key(self) -> bytes:
        """Return the request's key; empty if the request is not one of Lion's."""
        try:
            return bytes.fromhex(self.custom_id)
        except ValueError:
            return b""

    def completion(self) -> Any:
        """Return the body of a response with status 200; Failure if there is none."""
        status = self.response.status_code if self.response else None
        body = self.response.body if self.response else None
        if status == 200:
            return body
        inner = body.get("error") if isinstance(body, dict) else body
        error = inner or self.error or body
        fields = error if isinstance(error, dict) else {"message": str(error)} if error else {}
        code = fields.get("code")
        if status is None:
            status = status_of([code], str(fields.get("message"))) if fields else _UNFINISHED
        message = error_message(fields or "no response before the batch ended")
        raise Failure(message, status, code, param=fields.get("param"))


def chunks(jobs: list[Job]) -> Iterator[list[Job]]:
    """Split `jobs` into files within the API's limits."""
    chunk: list[Job] = []
    size = 0
    for job in jobs:
        length = len(_line_of(job))
        if chunk and (len(chunk) == _MOST_REQUESTS or size + length > _MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(job)
        size += length
    if chunk:
        yield chunk


class BatchApi:
    """Calls with retries. A batch's metadata holds a hash of its requests, so it can be found."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._client = sender.client.with_options(timeout=sender.endpoint.timeout)

    async def submit(self, jobs: list[Job], *, used: set[str]) -> str:
        """Return the id of the batch of `jobs`, which a killed run may have made already.

        The batches `used` have no more replies.
        """
        mark = hashlib.blake2b(b"".join(job.key for job in jobs), digest_size=16).hexdigest()
        content = b"".join(map(_line_of, jobs))

        async def find_or_create() -> Batch:
            # The response to an earlier try may have been lost; a second batch would cost again.
            return await self._found(mark, used) or await self._created(mark, content)

        return (await self._sender.persist(find_or_create, row=jobs[0].row)).id

    async def finish(self, number: str) -> Batch:
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

    async def results(self, batch: Batch) -> list[Line]:
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

    async def _found(self, mark: str, used: set[str]) -> Batch | None:
        async for batch in self._listed():
            is_own = (batch.metadata or {}).get("lion") == mark
            # A finished batch without replies will never have any; an expired one may have some.
            lost = batch.status in _OVER and not batch.output_file_id
            if is_own and not lost and batch.id not in used:
                return batch
        return None

    async def _created(self, mark: str, content: bytes) -> Batch:
        made = await self._client.files.create(file=("lion.jsonl", content), purpose="batch")
        batch = await self._client.batches.create(
            input_file_id=_checked(made, id=str).id,
            endpoint=_PATH,
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


def _line_of(job: Job) -> bytes:
    """Write `job` as a line of a request file."""
    line = {"custom_id": job.key.hex(), "method": "POST", "url": _PATH, "body": job.body}
    return json.dumps(line).encode() + b"\n"


def _checked(parsed: T, **fields: type) -> T:
    """Return `parsed`; UnusableBody if it lacks a field, which the client does not check."""
    for name, kind in fields.items():
        if not isinstance(getattr(parsed, name, None), kind):
            raise UnusableBody(f"no {name} in {parsed}")
    return parsed
