"""Time `lion view` at the paper's size: 70,000 synthetic instructions.

Run it from the root: python -m benchmarks.view. Every query goes over HTTP to a real server; times
are in milliseconds, the slowest of several. Prints one JSON line.
"""

import json
import resource
import shutil
import tempfile
import time
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode
from urllib.request import urlopen

import click

from lion.params import load_params
from lion.report.serve import Server
from lion.report.site import site_of
from lion.report.static import static_page
from lion.runs.run import places_of, read_run
from tests.report.synthetic import Size, make_run

ROOT = Path(__file__).parents[1]
QUESTIONS = {
    "first_page": {},
    "last_page": {"offset": "69975"},
    "filtered": {"verdict": "hard", "origin": "easy", "exam": "r3", "low": "1", "high": "5"},
    "searched": {"text": "river stone lamp"},
    "by_text": {"sort": "text", "down": "0"},
    "by_change": {"sort": "change", "exam": "r2"},
}


@click.command()
@click.option("--seeds", default=52_000, show_default=True)
@click.option("--new", default=6_000, show_default=True, help="New instructions a round.")
@click.option("--words", default=120, show_default=True, help="Words an answer, at most.")
@click.option("--repeats", default=10, show_default=True)
def main(seeds: int, new: int, words: int, repeats: int) -> None:
    """Measure the page and the server on a run of four rounds."""
    with tempfile.TemporaryDirectory() as scratch:
        root = make_run(Path(scratch), Size(seeds=seeds, new=new, words=words, questions=400))
        for name in ("dvc.yaml", "params.yaml"):
            shutil.copyfile(ROOT / name, root / name)
        control = root / str(load_params(root / "params.yaml").report.control)
        control.parent.mkdir(parents=True)
        shutil.copyfile(ROOT / control.relative_to(root), control)
        size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
        page_seconds, page_bytes = timed_page(root)
        begun = time.perf_counter()
        site = site_of([("workspace", root)])
        ready = time.perf_counter() - begun
        figures = {
            "benchmark": "view",
            "instructions": site.indexes[0].pool.height,
            "tables_mb": round(size / 1e6),
            "static_page_seconds": round(page_seconds, 2),
            "static_page_mb": round(page_bytes / 1e6, 2),
            "ready_seconds": round(ready, 2),
            "slowest_ms": asked(Server(site, 0), repeats),
            "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }
    click.echo(json.dumps(figures))


def timed_page(root: Path) -> tuple[float, int]:
    """Return the seconds to read the tables and make the page, and the page's size in bytes."""
    begun = time.perf_counter()
    params = load_params(root / "params.yaml")
    places = places_of(root)
    _, page = static_page(read_run(places, params.round_names), params, places)
    return time.perf_counter() - begun, len(page.encode())


def asked(server: Server, repeats: int) -> dict[str, float]:
    """Return the slowest of `repeats` responses to each query, in milliseconds."""
    Thread(target=server.serve_forever, daemon=True).start()
    slowest = {
        name: max(milliseconds(f"{server.address}api/instructions?{urlencode(fields)}", repeats))
        for name, fields in QUESTIONS.items()
    }
    index = server.site.indexes[0]
    opened = [
        milliseconds(f"{server.address}api/instruction?id={id}", 1)[0]
        for id in index.pool["id"].sample(repeats, seed=1)
    ]
    server.shutdown()
    return slowest | {"opened": max(opened)}


def milliseconds(address: str, repeats: int) -> list[float]:
    """Return the milliseconds that each of `repeats` requests to `address` took."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        with urlopen(address) as answer:
            answer.read()
        times.append(round(1000 * (time.perf_counter() - begun), 1))
    return times


if __name__ == "__main__":
    main()
