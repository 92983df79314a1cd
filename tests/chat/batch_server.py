"""The file and batch endpoints of an OpenAI-compatible server, in memory."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests.chat.server import Answer, Asked, Body, echo, refusal

Result = Callable[[Body], tuple[int, Body | None] | None]


def echoed(line: Body) -> tuple[int, Body]:
    """Return the live server's answer to the request in `line`, with its status."""
    asked = Asked("POST", line["url"], {}, json.dumps(line["body"]).encode())
    answer = echo(asked)
    assert isinstance(answer.body, dict)
    return 200, answer.body


@dataclass
class BatchServer:
    """Ends a batch when it is polled the third time; `result` answers each line, or None if not."""

    result: Result = echoed
    end: str = "completed"  # the status in which a batch ends
    looks: int = 3
    requests: int = 0  # lines in batches that were created
    most_waiting: int = 10**9  # limit on enqueued tokens, counted in bytes for simplicity
    says_limit: bool = True
    waiting: dict[str, int] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, Body] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Answer:
        path = asked.path.removeprefix("/v1")
        if path == "/files":
            return self._upload(asked)
        if found := re.fullmatch(r"/files/(.+)/content", path):
            return Answer(self.files[found[1]], headers={"content-type": "application/jsonl"})
        if path == "/batches":
            return self._list(asked.query) if asked.method == "GET" else self._create(asked.body)
        if found := re.fullmatch(r"/batches/(.+)", path):
            return self._look(found[1])
        return refusal(404, f"no {path} here")

    def _upload(self, asked: Asked) -> Answer:
        boundary = asked.headers["content-type"].split("boundary=")[1].encode()
        parts = asked.content.split(b"--" + boundary)
        content = next(part for part in parts if b'name="file"' in part)
        number = f"file-{len(self.files)}"
        self.files[number] = content.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
        return Answer({"id": number, "object": "file"})

    def _create(self, body: Body) -> Answer:
        number = f"batch-{len(self.batches)}"
        lines = self.files[body["input_file_id"]].splitlines()
        self.requests += len(lines)
        self.waiting[number] = sum(map(len, lines))
        self.batches[number] = {
            **body,
            "id": number,
            "object": "batch",
            "created_at": 0,
            "status": "validating",
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
        }
        return Answer(self.batches[number])

    def _list(self, query: str) -> Answer:
        """Return a page of batches, newest first."""
        newest = list(self.batches.values())[::-1]
        fields = parse_qs(query)
        if after := fields.get("after"):
            newest = newest[[batch["id"] for batch in newest].index(after[0]) + 1 :]
        page = newest[: int(fields["limit"][0])]
        return Answer({"object": "list", "data": page, "has_more": len(page) < len(newest)})

    def _look(self, number: str) -> Answer:
        if (batch := self.batches.get(number)) is None:
            return refusal(404, f"no {number}")
        self.seen[number] = self.seen.get(number, 0) + 1
        if self.seen[number] >= self.looks and batch["status"] in ("validating", "in_progress"):
            self._end(batch)
        elif batch["status"] == "validating" and self._waiting() > self.most_waiting:
            words = (
                f"Enqueued token limit reached for m. Limit: {self.most_waiting:,} enqueued tokens."
            )
            error = {"code": "token_limit_exceeded", "message": words if self.says_limit else ""}
            batch |= {"status": "failed", "errors": {"object": "list", "data": [error]}}
        elif batch["status"] == "validating":
            batch["status"] = "in_progress"
        return Answer(batch)

    def _waiting(self) -> int:
        going = {"validating", "in_progress"}
        return sum(
            size for number, size in self.waiting.items() if self.batches[number]["status"] in going
        )

    def _end(self, batch: Body) -> None:
        batch["status"] = self.end
        if self.end == "failed":
            batch["errors"] = {"object": "list", "data": [{"message": "line 1 is wrong"}]}
            return
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        good: list[Body] = []
        bad: list[Body] = []
        for line in reversed(lines):  # results come in any order
            result = self.result(line)
            (good if result and result[0] == 200 else bad).append(_result_of(line, result))
        for name, results in (("output_file_id", good), ("error_file_id", bad)):
            if results:
                batch[name] = f"file-{len(self.files)}"
                self.files[batch[name]] = b"".join(
                    json.dumps(result).encode() + b"\n" for result in results
                )


def _result_of(line: Body, result: tuple[int, Body | None] | None) -> dict[str, Any]:
    if result is None:
        error = {"code": "batch_expired", "message": "expired before it was processed"}
        return {"custom_id": line["custom_id"], "response": None, "error": error}
    status, body = result
    return {
        "custom_id": line["custom_id"],
        "response": {"status_code": status, "body": body},
        "error": None,
    }
