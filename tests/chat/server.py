"""An OpenAI-compatible server on loopback whose answers and faults the caller chooses."""

import asyncio
import hashlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

Body = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """A response, sent after `delay` seconds; the connection ends after `cut` bytes of the body."""

    body: Body | bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: int | None = None
    pieces: int = 1  # in which the body is sent, 20 ms apart
    reset: bool = False  # a cut connection is reset, not closed


@dataclass(frozen=True)
class Asked:
    """A request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes
    query: str = ""

    @property
    def body(self) -> Body:
        parsed: Body = json.loads(self.content)
        return parsed


Answering = Callable[[Asked], Answer]


@dataclass
class Exchange:
    """A request and its answer, with their times in monotonic seconds."""

    asked: Asked
    arrived: float
    answer: Answer | None = None
    answered: float | None = None  # when the last byte was sent


def completion(text: str, *, finish: str = "stop", **message: Any) -> Body:
    """Return the body of a chat completion: 10 prompt tokens, one answer token per word."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "served-model",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": text, **message},
            }
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": len(text.split())},
    }


def echo(asked: Asked) -> Answer:
    """Return an answer that depends only on messages and seed."""
    asked_for = json.dumps([asked.body["messages"], asked.body.get("seed")])
    return Answer(completion(f"reply {hashlib.sha256(asked_for.encode()).hexdigest()[:12]}"))


def refusal(status: int, message: str, *, code: str = "", **headers: str) -> Answer:
    """Return an error in OpenAI's form."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer({"error": {"message": message, "code": code}}, status=status, headers=named)


class Server:
    """Runs in a thread of this process; `asked` has every request, `exchanges` also the times."""

    def __init__(self, answering: Answering = echo) -> None:
        self.answering = answering
        self.asked: list[Asked] = []
        self.exchanges: list[Exchange] = []
        self.flying = self.most_flying = 0
        self.connections = 0  # opened so far
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._handlers: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        start = asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        try:
            while (asked := await _read(reader)) is not None:
                self.asked.append(asked)
                exchange = Exchange(asked, time.monotonic())
                self.exchanges.append(exchange)
                self.flying += 1
                self.most_flying = max(self.most_flying, self.flying)
                try:
                    answer = exchange.answer = self.answering(asked)
                    await asyncio.sleep(answer.delay)
                finally:
                    self.flying -= 1
                await _send(writer, answer)
                exchange.answered = time.monotonic()
                if answer.cut is not None:
                    if answer.reset:
                        linger = struct.pack("ii", 1, 0)
                        writer.get_extra_info("socket").setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, linger
                        )
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client disconnected, or the test is over
        finally:
            self._handlers.discard(task)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    line = (await reader.readline()).decode()
    if not line:
        return None
    method, path, _ = line.split(" ", 2)
    headers = {}
    while (line := (await reader.readline()).decode().strip()) != "":
        name, value = line.split(":", 1)
        headers[name.lower()] = value.strip()
    content = await reader.readexactly(int(headers.get("content-length", "0")))
    path, _, query = path.partition("?")
    return Asked(method, path, headers, content, query)


async def _send(writer: asyncio.StreamWriter, answer: Answer) -> None:
    content = _bytes_of(answer)
    size = -(-len(content) // answer.pieces)
    for start in range(0, len(content), size):
        await asyncio.sleep(0.02 if start else 0)
        writer.write(content[start : start + size])
        await writer.drain()


def _bytes_of(answer: Answer) -> bytes:
    body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
    headers = {
        "content-type": "application/json",
        **answer.headers,
        "content-length": str(len(body)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    sent = body if answer.cut is None else body[: answer.cut]
    return f"HTTP/1.1 {answer.status} Status\r\n{head}\r\n".encode() + sent
