"""Parameters that point at a test's server, and plain requests."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lion.chat import Request, connect
from lion.params import Params, load_params
from tests.chat.server import Server

ROOT = Path(__file__).parents[2]
PRICES = {
    "currency": "USD",
    "date": "2026-11-01",
    "models": {"m": {"input": 1000.0, "output": 10_000.0}},
}


@pytest.fixture
def home(own_store: None) -> Path:
    """Return this test's LION_HOME."""
    return Path(os.environ["LION_HOME"])


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


ParamsOf = Callable[..., Params]


@pytest.fixture
def params_at() -> ParamsOf:
    """Return a function that makes parameters for model `m` at a URL, with other values set."""

    def made(url: str | None, *, model: str = "m", top: Any = None, **endpoint: Any) -> Params:
        raw = load_params(ROOT / "params.yaml").model_dump()
        raw["model"] = model
        # Servers of a test differ only in their ports.
        settings = {"base_url": url, "identity": url, "timeout": 5.0, **endpoint}
        raw["endpoints"] = {"default": settings}
        return Params.model_validate({**raw, **(top or {})})

    return made


def unanswered() -> int:
    """Return the requests of this test's ledger that were sent and brought no reply."""
    with closing(sqlite3.connect(Path(os.environ["LION_HOME"]) / "replies.sqlite")) as db:
        rows = db.execute("SELECT requests FROM ledger WHERE mode = 'unanswered'").fetchall()
    return sum(count for (count,) in rows)


def requests(count: int, *, start: int = 0, **fields: Any) -> list[Request]:
    """Return `count` different requests."""
    return [
        Request(
            **{
                "id": str(row),
                "messages": ({"role": "user", "content": f"question {row}"},),
                "temperature": 0.7,
                "max_tokens": 20,
                "seed": row,
                **fields,
            }
        )
        for row in range(start, start + count)
    ]


def ask(params: Params, count: int) -> list[str]:
    """Return the texts of `count` replies."""
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        return [reply.text for reply in chat.ask(requests(count), label="teach")]


def started(server: Server, count: int, settings: str, **options: object) -> subprocess.Popen[str]:
    """Start a process that requests `count` replies."""
    command = [sys.executable, "-m", "tests.chat.asking", server.url, str(count), "0", settings]
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    )


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def in_container(command: str) -> list[str]:
    """Return a command line with its own mounts; skip the test where the system forbids them."""
    line = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
    if not shutil.which("unshare") or subprocess.run([*line, "true"], check=False).returncode:
        pytest.skip("no namespaces here")
    return [*line, command]
