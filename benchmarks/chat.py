"""Benchmark the chat client on loopback: rate, CPU time, rate limits, replay, store look-ups.

    python -m benchmarks.chat [--distilabel-python PATH]

Prints one JSON line per figure. Measures distilabel only if you name its interpreter.
"""

import asyncio
import hashlib
import json
import multiprocessing
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import openai

from lion.chat import Reply, Request, connect
from lion.chat.store import Store
from lion.chat.types import Caller
from lion.params import Params, load_params
from tests.chat.server import Answer, Answering, Asked, Server, completion, refusal

ROOT = Path(__file__).parents[1]
LATENCY = 0.2  # seconds
CONCURRENCY = 64
RATE = 50  # requests per second that the limited server allows
TEXT = " ".join(["Forty words of an answer, as a teacher gives."] * 5)


def steady(asked: Asked) -> Answer:
    """Return the same answer to every request, after the latency."""
    return Answer(completion(TEXT), delay=LATENCY)


def instant(asked: Asked) -> Answer:
    """Return the same answer to every request, without a delay."""
    return Answer(completion(TEXT))


class Limited:
    """A server that allows `rate` requests per second (burst: one second), then answers 429."""

    def __init__(self, rate: float) -> None:
        self._rate = self._left = rate
        self._then = time.monotonic()

    def __call__(self, asked: Asked) -> Answer:
        now = time.monotonic()
        self._left = min(self._rate, self._left + (now - self._then) * self._rate)
        self._then = now
        if self._left < 1:
            return refusal(429, "slow down", retry_after="1")
        self._left -= 1
        return Answer(completion(TEXT), delay=0.05)


@contextmanager
def serving(kind: str) -> Iterator[str]:
    """Run a server in its own process and yield its URL."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(kind, theirs))
    process.start()
    yield ours.recv()
    ours.send("end")
    process.join()


def _serve(kind: str, pipe: Any) -> None:
    kinds: dict[str, Answering] = {"steady": steady, "instant": instant, "limited": Limited(RATE)}
    with Server(kinds[kind]) as server:
        pipe.send(server.url)
        pipe.recv()


def params_at(url: str, **endpoint: Any) -> Params:
    """Return the default parameters with this server as the endpoint."""
    raw = load_params(ROOT / "params.yaml").model_dump()
    raw["model"] = "m"
    raw["endpoints"] = {"default": {"base_url": url, "concurrency": CONCURRENCY, **endpoint}}
    return Params.model_validate(raw)


def requests(count: int) -> list[Request]:
    """Return `count` distinct requests of typical length."""
    return [
        Request(
            id=str(row),
            messages=({"role": "user", "content": f"Question {row}. {TEXT}"},),
            temperature=0.7,
            max_tokens=256,
            seed=row,
        )
        for row in range(count)
    ]


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall-clock and CPU seconds of `work` in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def ask_bare(url: str, count: int) -> None:
    """Send the requests with the openai client under a semaphore, without a store."""

    async def run() -> None:
        turn = asyncio.Semaphore(CONCURRENCY)
        client = openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0)

        async def send(request: Request) -> None:
            async with turn:
                await client.chat.completions.create(
                    model="m",
                    messages=list(request.messages),  # type: ignore[arg-type]
                    temperature=request.temperature,
                    max_tokens=request.max_tokens,
                    seed=request.seed,
                )

        await asyncio.gather(*map(send, requests(count)))
        await client.close()

    asyncio.run(run())


def ask_lion(url: str, count: int, **endpoint: Any) -> None:
    """Send the requests with lion.chat, which commits every reply to the store."""
    with connect(params_at(url, **endpoint), "teacher", stage="teach", round="r0") as chat:
        assert len(chat.ask(requests(count), label="bench")) == count


@contextmanager
def empty_home() -> Iterator[Path]:
    """Use a temporary LION_HOME."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LION_HOME"] = folder
        yield Path(folder)
        del os.environ["LION_HOME"]


def emit(figure: str, **values: Any) -> None:
    """Print one JSON line."""
    rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in values.items()}
    print(json.dumps({"figure": figure, **rounded}), flush=True)


def bench_rate(count: int, repeats: int, distilabel: str | None) -> None:
    """Compare rate and CPU time with the bare client and distilabel; best run of each."""
    bare, lion = [], []
    with serving("steady") as url:
        ask_bare(url, CONCURRENCY)  # imports and connections
        for _ in range(repeats):
            bare.append(measure(lambda: ask_bare(url, count)))
            with empty_home():
                lion.append(measure(lambda: ask_lion(url, count)))
        other = distilabel_rate(distilabel, url, count) if distilabel else None
    bare_rate, lion_rate = (count / min(wall for wall, _ in runs) for runs in (bare, lion))
    bare_cpu, lion_cpu = (1000 * min(cpu for _, cpu in runs) / count for runs in (bare, lion))
    emit(
        "rate at 200 ms and 64 at a time",
        requests=count,
        bare_per_s=bare_rate,
        lion_per_s=lion_rate,
        distilabel_per_s=other,
        share_of_bare=lion_rate / bare_rate,
        times_distilabel=lion_rate / other if other else None,
    )
    emit("CPU per request", bare_ms=bare_cpu, lion_ms=lion_cpu, times_bare=lion_cpu / bare_cpu)


def distilabel_rate(python: str, url: str, count: int) -> float:
    """Return distilabel's requests per second, excluding its pipeline's start and end."""
    script = str(Path(__file__).with_name("chat_distilabel.py"))
    seconds: list[float] = []
    for rows in (CONCURRENCY, CONCURRENCY + count):
        command = [python, script, url, str(rows), str(CONCURRENCY), TEXT]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        result = json.loads(done.stdout.splitlines()[-1])
        assert result["answered"] == rows
        seconds.append(result["seconds"])
    return count / (seconds[1] - seconds[0])


def bench_limits(count: int) -> None:
    """Measure a server that allows 3,000 requests per minute, with and without a set limit."""
    for limit in (None, 3000):
        with serving("limited") as url, empty_home() as home:
            wall, _ = measure(partial(ask_lion, url, count, requests_per_minute=limit))
            with Store(home / "replies.sqlite") as store:
                (entry,) = store.entries()
        # The first second's burst passes before the rate limit applies.
        emit(
            "3,000 requests per minute, then 429 with Retry-After",
            requests_per_minute_set=limit,
            requests=count,
            share_of_allowed=(count - RATE) / wall / RATE,
            rows_lost=count - entry.requests,
            refused=entry.retries,
        )


def bench_replay(count: int) -> None:
    """Measure a second run of the same requests, which the store answers."""
    with serving("instant") as url, empty_home():
        ask_lion(url, count)
        wall, _ = measure(lambda: ask_lion(url, count))
    emit("replay", requests=count, seconds=wall)


def bench_store(count: int) -> None:
    """Measure look-ups in a store with as many replies as the paper's run, and its size on disk."""
    text = " ".join([TEXT] * 3)  # 690 characters
    with empty_home() as home, Store(home / "replies.sqlite") as store:
        entry = store.entry(
            Caller("referee", "referee", "r1", "https://llm.example/v1", "m", "live")
        )
        keys = [hashlib.blake2b(str(row).encode(), digest_size=16).digest() for row in range(count)]
        reply = Reply(
            text=text, finish_reason="stop", model="m", prompt_tokens=500, completion_tokens=120
        )

        def fill() -> None:
            for key in keys:
                store.keep(key, entry, reply, 1.0)

        kept, _ = measure(fill)
        drawn = random.Random(1).sample(keys, 5000)
        singles, _ = measure(lambda: [store.find([key]) for key in drawn])
        many, _ = measure(lambda: store.find(keys[:50_000]))
        size = sum(path.stat().st_size for path in home.glob("replies.sqlite*"))
    emit(
        "store",
        replies=count,
        characters_each=len(text),
        ms_per_commit=1000 * kept / count,
        ms_per_look_up=1000 * singles / len(drawn),
        ms_per_look_up_of_many=1000 * many / 50_000,
        megabytes=size / 1e6,
    )


@click.command()
@click.option("--requests", "count", default=2000, show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--only", type=click.Choice(["rate", "limits", "replay", "store"]))
@click.option("--distilabel-python", help="Python interpreter that has distilabel[openai].")
def main(count: int, repeats: int, only: str | None, distilabel_python: str | None) -> None:
    """Run all benchmarks; takes about five minutes."""
    benches: dict[str, Callable[[], None]] = {
        "rate": lambda: bench_rate(count, repeats, distilabel_python),
        "limits": lambda: bench_limits(count),
        "replay": lambda: bench_replay(5 * count),
        "store": lambda: bench_store(218 * count),
    }
    for name, bench in benches.items():
        if only in (None, name):
            bench()


if __name__ == "__main__":
    main()
