"""Compare the CPU time per request of several clients and transports in one run.

    python -m benchmarks.transports --requests 2000

Each sends the same requests, 64 at a time, to the server of benchmarks.rehearsal, which answers
without delay. Prints one JSON line for each: the best of its repeats. `lion` also commits every
reply to the store.
"""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import aiohttp
import click
import httpx2
import openai

from benchmarks.chat import CONCURRENCY, empty_home, params_at
from benchmarks.rehearsal_data import SEEDS
from benchmarks.rehearsal_stages import serving
from lion.chat import Request, connect
from lion.prompts import render

_LIMITS = httpx2.Limits(max_connections=CONCURRENCY, max_keepalive_connections=CONCURRENCY)
_ANSWER = "It depends on the soil, the season and how much water the plants get. " * 6
Send = Callable[[dict[str, Any]], Awaitable[Any]]


def requests(count: int) -> list[Request]:
    """Return `count` different referee requests of about 2,000 characters each."""
    return [
        Request(
            id=str(row),
            messages=render("referee.txt", task=f"Task {row}", answer_1=_ANSWER, answer_2="No."),
            temperature=0.2,
            max_tokens=512,
            seed=row,
        )
        for row in range(count)
    ]


async def _send_all(bodies: list[dict[str, Any]], send: Send) -> None:
    waiting = iter(bodies)

    async def work() -> None:
        for body in waiting:
            await send(body)

    await asyncio.gather(*(work() for _ in range(CONCURRENCY)))


async def openai_client(url: str, bodies: list[dict[str, Any]], **options: Any) -> None:
    """Send `bodies` with the openai client; `options` go to its constructor."""
    async with openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0, **options) as client:
        await _send_all(bodies, lambda body: client.chat.completions.create(**body))


async def openai_over_aiohttp(url: str, bodies: list[dict[str, Any]]) -> None:
    """Send `bodies` with the openai client over its aiohttp transport."""
    transport = openai.DefaultAioHttpClient(limits=_LIMITS, timeout=None)
    await openai_client(url, bodies, http_client=transport)


async def plain_httpx2(url: str, bodies: list[dict[str, Any]]) -> None:
    """Post `bodies` with httpx2 alone, and parse the responses."""
    async with httpx2.AsyncClient(limits=_LIMITS, timeout=None) as client:

        async def send(body: dict[str, Any]) -> None:
            (await client.post(f"{url}/chat/completions", json=body)).json()

        await _send_all(bodies, send)


async def plain_aiohttp(url: str, bodies: list[dict[str, Any]]) -> None:
    """Post `bodies` with aiohttp alone, and parse the responses."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY)) as client:

        async def send(body: dict[str, Any]) -> None:
            async with client.post(f"{url}/chat/completions", json=body) as response:
                json.loads(await response.read())

        await _send_all(bodies, send)


def lion(url: str, asked: list[Request]) -> None:
    """Send `asked` with lion.chat, to an empty store."""
    with (
        redirect_stderr(StringIO()),
        empty_home(),
        connect(params_at(url), "referee", stage="referee", round="r1") as chat,
    ):
        assert len(chat.ask(asked, label="bench")) == len(asked)


@click.command()
@click.option("--requests", "count", default=2000, show_default=True)
@click.option("--repeats", default=3, show_default=True)
def main(count: int, repeats: int) -> None:
    """Measure each client and transport in turn."""
    asked = requests(count)
    bodies = [
        {"model": "m", "messages": list(request.messages), "seed": request.seed}
        | {"temperature": request.temperature, "max_tokens": request.max_tokens}
        for request in asked
    ]
    ways: dict[str, Callable[[str], object]] = {
        "openai": lambda url: asyncio.run(openai_client(url, bodies)),
        "openai over aiohttp": lambda url: asyncio.run(openai_over_aiohttp(url, bodies)),
        "plain httpx2": lambda url: asyncio.run(plain_httpx2(url, bodies)),
        "plain aiohttp": lambda url: asyncio.run(plain_aiohttp(url, bodies)),
        "lion": lambda url: lion(url, asked),
    }
    os.environ.pop("OPENAI_BASE_URL", None)
    with tempfile.TemporaryDirectory() as folder:
        seeds = Path(folder) / SEEDS
        seeds.parent.mkdir(parents=True)
        seeds.write_text(json.dumps([{"instruction": "a b", "output": _ANSWER}]))
        with serving(
            Path(folder) / "server", Path(folder), ["--errors", "0", "--unreadable", "0"]
        ) as server:
            best = {name: min(measured(way, server.url, repeats)) for name, way in ways.items()}
    for name, seconds in best.items():
        line = {"transport": name, "cpu_ms_per_request": round(1000 * seconds / count, 3)}
        print(json.dumps(line | {"times_openai": round(best["openai"] / seconds, 2)}))


def measured(way: Callable[[str], object], url: str, repeats: int) -> list[float]:
    """Return this process's CPU seconds for each repeat, after a warm-up run for the imports."""
    way(url)
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        way(url)
        times.append(time.process_time() - begun)
    return times


if __name__ == "__main__":
    main()
