"""The lines of the Batch API's files: requests that go up, results that come down."""

import json
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel

from lion.chat.wire import Job

PATH: Literal["/v1/chat/completions"] = "/v1/chat/completions"
_MOST_REQUESTS = 50_000  # the API's limits for one file
_MOST_BYTES = 190_000_000


class Response(BaseModel):
    """A server's answer to one request; any body, since errors come in any form."""

    status_code: int
    body: Any = None


class Line(BaseModel):
    """A line of a result file; without a response the request was never answered."""

    custom_id: str
    response: Response | None = None

    def key(self) -> bytes:
        """The request's key; nothing if the line is no answer to one of ours."""
        try:
            return bytes.fromhex(self.custom_id)
        except ValueError:
            return b""

    def error(self) -> dict[str, Any]:
        """What the server says went wrong with this request, empty if nothing did."""
        body = self.response.body if self.response else None
        said = body.get("error") if isinstance(body, dict) else None
        return said if isinstance(said, dict) else {}


def line_of(job: Job) -> bytes:
    """`job` as a line of a request file."""
    line = {"custom_id": job.key.hex(), "method": "POST", "url": PATH, "body": job.body}
    return json.dumps(line).encode() + b"\n"


def chunks(jobs: list[Job]) -> Iterator[list[Job]]:
    """`jobs` in files that the API takes."""
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
