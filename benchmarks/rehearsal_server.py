"""A fast fake provider for benchmarks.rehearsal: HTTP on loopback, in several processes.

    python -m benchmarks.rehearsal_server --texts SEEDS.json --folder DIR --port N --number 0

A reply depends only on the request, so a repeated run gets the same replies. Errors (500, 503) come
at random, and 429 above a rate. Each process appends to two files in DIR: 16 bytes for each request
that it answered, one byte for each that it refused. It ends when its standard input closes.
"""

import asyncio
import json
import os
import random
import socket
import sys
import time
from hashlib import blake2b
from pathlib import Path
from typing import Any

import click

from benchmarks.rehearsal_replies import Replies

_ERROR = b'{"error": {"message": "the server is overloaded", "code": "server_error"}}'
_LIMITED = b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}'
_PHRASES = {200: "OK", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}
_PHRASES[503] = "Service Unavailable"


class Provider:
    """The state that all connections of a process share: replies, errors, rate limit and files."""

    def __init__(
        self, replies: Replies, folder: Path, number: int, *, errors: float, rate: float
    ) -> None:
        """`errors` is a share of requests; `rate` bounds requests per second (0: unbounded)."""
        self._replies, self._errors = replies, errors
        self._rate, self._left, self._then = rate, rate, time.monotonic()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._paid = os.open(folder / f"paid-{number}.bin", flags)
        self._refused = os.open(folder / f"refused-{number}.bin", flags)

    def answer(self, body: bytes) -> bytes:
        """Return the whole HTTP response to a request with this body, and log it."""
        if self._is_limited():
            os.write(self._refused, b"4")
            return _response(429, _LIMITED, "Retry-After: 1\r\n")
        if random.random() < self._errors:
            os.write(self._refused, b"5")
            return _response(random.choice((500, 503)), _ERROR)
        asked = json.loads(body)
        texts = [message["content"] for message in asked["messages"]]
        whole = "\0".join((*texts, str(asked.get("seed"))))
        digest = blake2b(whole.encode(), digest_size=16).digest()
        os.write(self._paid, digest)
        return _response(200, json.dumps(self._completion(asked, texts, digest)).encode())

    def _is_limited(self) -> bool:
        if not self._rate:
            return False
        now = time.monotonic()
        self._left = min(self._rate, self._left + (now - self._then) * self._rate) - 1
        self._then = now
        if self._left >= 0:
            return False
        self._left += 1
        return True

    def _completion(self, asked: dict[str, Any], texts: list[str], digest: bytes) -> dict[str, Any]:
        text = self._replies.text(texts[0], texts[-1], digest)
        most = 4 * int(asked.get("max_tokens") or 4096)  # characters
        prompt, completion = sum(map(len, texts)) // 4, min(len(text), most) // 4 + 1
        ending = "length" if len(text) > most else "stop"
        message = {"role": "assistant", "content": text[:most]}
        return {
            "id": f"chatcmpl-{digest.hex()}",
            "object": "chat.completion",
            "created": 0,
            "model": asked["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": ending}],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            },
        }


def _response(status: int, body: bytes, headers: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status} {_PHRASES[status]}\r\nContent-Type: application/json\r\n"
        f"{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One keep-alive connection: reads requests by Content-Length, answers after the latency."""

    def __init__(self, provider: Provider, latency: float) -> None:
        self._provider, self._latency = provider, latency
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            _, _, rest = head.partition(b"\r\ncontent-length:")
            size = int(rest.split(b"\r\n", 1)[0] or 0)
            if len(self._data) < end + 4 + size:
                return
            body, self._data = self._data[end + 4 : end + 4 + size], self._data[end + 4 + size :]
            is_chat = head.startswith(b"post /v1/chat/completions ")
            self._send(self._provider.answer(body) if is_chat else _response(404, b"{}"))

    def _send(self, response: bytes) -> None:
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._write, response)
        else:
            self._write(response)

    def _write(self, response: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(response)


def reserve() -> socket.socket:
    """Return a socket that reserves a free loopback port, which several processes can share."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("127.0.0.1", 0))
    return held


async def _serve(provider: Provider, port: int, latency: float) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    # The parent never writes to stdin, so it turns readable when the parent ends, even by SIGKILL.
    loop.add_reader(sys.stdin.fileno(), ended.set)
    server = await loop.create_server(
        lambda: Connection(provider, latency), "127.0.0.1", port, reuse_port=True, backlog=512
    )
    print("ready", flush=True)
    await ended.wait()
    server.close()


@click.command()
@click.option("--texts", type=click.Path(path_type=Path), required=True, help="The seeds.")
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="For the files.")
@click.option("--port", type=int, required=True)
@click.option("--number", type=int, required=True, help="Of this process.")
@click.option("--latency", default=0.0, show_default=True, help="Seconds before each reply.")
@click.option("--errors", default=0.01, show_default=True, help="Share of requests.")
@click.option("--unreadable", default=0.02, show_default=True, help="Share of replies.")
@click.option("--rate", default=0.0, show_default=True, help="Requests a second; 0: no limit.")
def main(
    texts: Path,
    folder: Path,
    port: int,
    number: int,
    latency: float,
    errors: float,
    unreadable: float,
    rate: float,
) -> None:
    """Serve until standard input ends."""
    rows = json.loads(texts.read_text(encoding="utf-8"))
    replies = Replies(rows, unreadable=unreadable)
    asyncio.run(_serve(Provider(replies, folder, number, errors=errors, rate=rate), port, latency))


if __name__ == "__main__":
    main()
