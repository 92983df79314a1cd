"""Checks of a finished run for benchmarks.rehearsal: no-op, estimate, page, view, paid twice."""

import hashlib
import json
import resource
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from benchmarks.rehearsal_stages import MB, Provider, variables
from benchmarks.view import QUESTIONS, milliseconds

_CONCURRENCY = 64  # requests in flight when a run is killed
_REPEATS = 5
Line = dict[str, Any]


def estimated(folder: Path, project: Path, provider: Provider) -> None:
    """Save the requests that `lion estimate` predicts before the run, and how long it took."""
    text, took = _run(["lion", "estimate", "--json"], project, provider)
    line = took | {"requests": json.loads(text)["total"]["requests"]}
    (folder / "estimate.json").write_text(json.dumps(line), encoding="utf-8")


def checks(folder: Path, project: Path, provider: Provider, *, kills: int) -> Iterator[Line]:
    """Yield a line for each check; each of the `kills` may pay for the requests in flight twice."""
    text, took = _run(["dvc", "repro"], project, provider)
    yield {"check": "no-op dvc repro", **took, "ran": text.count("Running stage")}
    before = json.loads((folder / "estimate.json").read_text(encoding="utf-8"))
    asked = provider.answered()
    share = round(before["requests"] / asked - 1, 4)
    yield {"check": "estimate", **before, "asked": asked, "difference": share}
    page = project / "reports/index.html"
    yield {"check": "page", "mb": round(page.stat().st_size / MB, 2)}
    yield {"check": "view", **_viewed(project, provider)}
    twice = provider.paid_twice()
    yield {
        "check": "paid twice",
        "requests": twice,
        "allowed": kills * _CONCURRENCY,
        "lock": hashlib.sha256((project / "dvc.lock").read_bytes()).hexdigest()[:16],
    }


def _viewed(project: Path, provider: Provider) -> dict[str, float]:
    """Return the seconds until `lion view` is ready, and its slowest responses in milliseconds."""
    begun = time.monotonic()
    process = subprocess.Popen(
        ["lion", "view", "--port", "0"],
        cwd=project,
        env=variables(project, provider),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        address = process.stdout.readline().split()[0]
        ready = round(time.monotonic() - begun, 2)
        slowest = {
            name: max(milliseconds(f"{address}api/instructions?{urlencode(fields)}", _REPEATS))
            for name, fields in QUESTIONS.items()
        }
        with urlopen(f"{address}api/instructions?limit=1") as answer:
            id = json.loads(answer.read())["rows"][0]["id"]
        opened = max(milliseconds(f"{address}api/instruction?id={id}", _REPEATS))
    finally:
        process.terminate()
        process.communicate()
    return {"ready_seconds": ready, **slowest, "opened": opened}


def _run(command: list[str], project: Path, provider: Provider) -> tuple[str, Line]:
    """Return a command's standard output, and the seconds and CPU seconds that it took."""
    begun, before = time.monotonic(), _children_cpu()
    done = subprocess.run(
        command,
        cwd=project,
        env=variables(project, provider),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    seconds = {"seconds": time.monotonic() - begun, "cpu": _children_cpu() - before}
    return done.stdout, {name: round(value, 2) for name, value in seconds.items()}


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
