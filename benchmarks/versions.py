"""Time versions and the cache pool on 70,000 rows: `python -m benchmarks.versions`.

Builds a synthetic project of the paper's size (52,000 seeds, three rounds of 6,000) under git and
DVC in a temporary folder, with three revisions: `second` is complete, `first` has one round fewer,
`other` has different rows. Prints one JSON line per figure: seconds of the work alone (reading
included), then of the whole commands with start-up. The last line has the peak memory of the
largest process.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from lion.pools.cache import grow_cache, read_cache, start_cache, with_answers
from lion.runs.revision import open_revisions
from lion.runs.rounds import rounds_of
from lion.runs.run import Tables
from lion.versions.diff import pool_diff
from lion.versions.trace import trace
from tests.report.synthetic import Size, make_run
from tests.repository import begin, commit_tables, environment

ROUNDS = {"r1": "r0", "r2": "r1", "r3": "r2"}


@click.command()
@click.option("--seeds", default=52_000, show_default=True)
@click.option("--new", default=6_000, show_default=True, help="New instructions a round.")
def main(seeds: int, new: int) -> None:
    """Measure `lion pool diff`, `lion trace` and their like on four rounds."""
    size = Size(seeds=seeds, new=new, questions=80)
    with tempfile.TemporaryDirectory(prefix="lion-versions-") as folder:
        root = Path(folder) / "project"
        root.mkdir()
        _prepare(root, Path(folder) / "site", size)
        os.chdir(root)
        with open_revisions("first", "second", "other") as (first, second, other):
            _show("pool diff, one round more", lambda: pool_diff(first, second))
            _show("pool diff, every shard differs", lambda: pool_diff(second, other))
            id = str(second.tables.pool["id"][-1])
            _show("trace, tables read", lambda: trace(second.tables, id))
            _show("rounds, tables read", lambda: rounds_of(second.tables))
            _time_cache(second.tables, Path(folder))
        for command in (
            ["pool", "diff", "first", "second"],
            ["trace", id],
            ["rounds"],
            ["estimate"],
            ["--help"],
        ):
            _show(f"lion {' '.join(command)}".replace(id, "ID"), lambda: _lion(command))  # noqa: B023
    print(json.dumps({"name": "peak memory", "mb": _peak()}))


def _time_cache(tables: Tables, folder: Path) -> None:
    """Time the cache pool of each round, and reading the last."""
    before = folder / "cache-base"
    start_cache(before)
    for name in ("r0", *ROUNDS):
        shard = with_answers(tables.pool.filter(round=name), tables.last_answers)
        out = folder / f"cache-{name}"
        _show(f"cache pool grown by {name}", partial(grow_cache, before, shard, name, out))
        before = out
    _show("cache pool read", partial(read_cache, before))


def _peak() -> int:
    """Return the largest memory of this process or of one that it started, in MB."""
    both = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return max(resource.getrusage(who).ru_maxrss for who in both) // 1024


def _show(name: str, work: Callable[[], object]) -> None:
    started = time.perf_counter()
    work()
    print(json.dumps({"name": name, "seconds": round(time.perf_counter() - started, 2)}))


def _lion(command: list[str]) -> None:
    lion = str(Path(sys.executable).with_name("lion"))
    subprocess.run([lion, *command], check=True, stdout=subprocess.DEVNULL)


def _prepare(root: Path, site: Path, size: Size) -> None:
    os.environ |= environment(site)
    begin(root)
    make_run(root, size, seed=2)
    commit_tables(root, ROUNDS, "other")
    make_run(root, size)
    commit_tables(root, {"r1": "r0", "r2": "r1"}, "first")
    commit_tables(root, ROUNDS, "second")


if __name__ == "__main__":
    main()
