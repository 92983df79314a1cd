"""The lines of the Batch API's files: uploaded requests and downloaded results."""

import json
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, Field

from lion.chat.reading import status_of
from lion.chat.wire import Job

PATH: Literal["/v1/chat/completions"] = "/v1/chat/completions"
_MOST_REQUESTS = 50_000  # the API's limits for one file
_MOST_BYTES = 190_000_000


class Response(BaseModel):
    """The response to one request; `body` may be anything, since errors come in any form."""

    status_code: int
    body: Any = None


class Line(BaseModel):
    """One line of a result file; it has no response if the request was not answered."""

    custom_id: str
    response: Response | None = None
    failure: Any = Field(None, alias="error")  # of a request without a response, or of any, in vLLM

    def key(self) -> bytes:
        """Return the request's key; empty if the request is not one of Lion's."""
        try:
            return bytes.fromhex(self.custom_id)
        except ValueError:
            return b""

    def error(self) -> dict[str, Any]:
        """Return the server's error for this request; empty if there is none."""
        body = self.response.body if self.response else None
        inner = body.get("error") if isinstance(body, dict) else body
        bare = body if self.response and self.response.status_code != 200 else None
        error = inner or self.failure or bare
        return error if isinstance(error, dict) else {"message": str(error)} if error else {}

    def status(self) -> int:
        """Return the HTTP status; without a response that of the error, 0 if there is neither."""
        if self.response:
            return self.response.status_code
        error = self.error()
        return status_of([error.get("code")], str(error.get("message"))) if error else 0


def line_of(job: Job) -> bytes:
    """Write `job` as a line of a request file."""
    line = {"custom_id": job.key.hex(), "method": "POST", "url": PATH, "body": job.body}
    return json.dumps(line).encode() + b"\n"


def chunks(jobs: list[Job]) -> Iterator[list[Job]]:
    """Split `jobs` into files within the API's limits."""
    chunk: list[Job] = []
    size = 0
    for job in jobs:
        length = len(line_of(job))
        if chunk and (len(chunk) == _MOST_REQUESTS or size + length > _MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(job)
        size += length
    if chunk:
        yield chunk
