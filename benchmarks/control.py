"""Measure what the referee's choice contributes: the control that the paper lacks, and ablations.

`python -m benchmarks.control --seeds 1-10 --rows RESULTS.jsonl referee-rows chance-rows`

Runs the loop in one process with the functions that the stages call, so that the variants of a
seed share round 0. Appends the figures to RESULTS.jsonl and skips runs that the file already has.
A single variant is one DVC experiment: `--list` prints its command.
`python -m benchmarks.control_table RESULTS.jsonl` prints the tables.
"""

import json
import os
import platform
import re
import time
from pathlib import Path

import click

from benchmarks.control_data import MIXES, DirectChat, questions_of, seeds_of
from benchmarks.control_rounds import (
    Bench,
    Row,
    State,
    begin,
    changed,
    evaluate,
    rounds,
    seeds_only,
)
from benchmarks.control_variants import SEEDS_ONLY, START, VARIANTS, command
from lion.params import load_params
from lion.student.launch import set_up_cpu
from lion.student.models import model_digest, write_base


@click.command()
@click.argument("variants", nargs=-1)
@click.option("--seeds", default="1-10", show_default=True, help="Such as 3, or 1-10.")
@click.option("--mix", type=click.Choice(MIXES), default="zipf", show_default=True)
@click.option("--rows", type=click.Path(path_type=Path), help="File to append the figures to.")
@click.option("--params", "params_path", type=click.Path(path_type=Path), default="params.yaml")
@click.option("--threads", default=1, show_default=True, help="Threads of torch.")
@click.option("--list", "listed", is_flag=True, help="Print each variant as a DVC experiment.")
def main(
    variants: tuple[str, ...],
    seeds: str,
    mix: str,
    rows: Path | None,
    params_path: Path,
    threads: int,
    listed: bool,
) -> None:
    """Run VARIANTS (default: all) for each seed."""
    chosen = variants or tuple(VARIANTS)
    if unknown := set(chosen) - set(VARIANTS):
        raise click.UsageError(f"unknown: {', '.join(unknown)}; known: {', '.join(VARIANTS)}")
    if listed:
        click.echo("\n".join(f"{name}: {command(name)}" for name in chosen))
        return
    if not rows:
        raise click.UsageError("--rows is missing: name the file for the figures")
    params = load_params(params_path)
    set_up_cpu(params.compute.model_copy(update={"threads": threads}))
    base = rows.parent / f".base-{os.getpid()}"
    write_base(base, base=params.student.base, revision=params.student.revision)
    first, _, last = seeds.partition("-")
    bench = Bench(
        params,
        mix,
        DirectChat(params.oracle),
        seeds_of(mix, params.seeds),
        questions_of(),
        base,
        (model_digest(params.student.base) or params.student.base)[:8],
    )
    for seed in range(int(first), int(last or first) + 1):
        run_seed(bench, seed, chosen, rows)


def run_seed(bench: Bench, seed: int, variants: tuple[str, ...], out: Path) -> None:
    """Run all `variants` of one seed from a shared round 0, except those already in `out`."""
    done = _done(out)
    todo = [name for name in variants if (bench.mix, name, seed) not in done]
    params = changed(bench.params, seed, {})
    shared: State | None = None
    for name in todo:
        begun = time.process_time()
        own = changed(bench.params, seed, VARIANTS[name])
        if name in SEEDS_ONLY:
            bench.chat.reset()
            _append(out, bench, name, seed, seeds_only(bench, own), begun)
            continue
        if shared is None:
            bench.chat.reset()
            shared = begin(bench, seed)
            if (bench.mix, START, seed) not in done:
                _append(
                    out, bench, START, seed, {"round": 0, **evaluate(bench, shared, params)}, begun
                )
            begun = time.process_time()
        bench.chat.reset()
        _append(out, bench, name, seed, rounds(bench, shared, own), begun)


def _append(out: Path, bench: Bench, name: str, seed: int, figures: Row, begun: float) -> None:
    """Append the figures of a run to `out`, with its spending and CPU seconds."""
    row = {"mix": bench.mix, "variant": name, "seed": seed, **figures}
    seconds = round(time.process_time() - begun)
    context = {
        "base": bench.digest,
        "processor": _processor(),
        "seconds": seconds,
        "spent": dict(bench.chat.spent),
    }
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row | context) + "\n")
    click.echo(f"{json.dumps(row)} {seconds} s", err=True)


def _processor() -> str:
    """Return the processor's name: another one rounds differently, so its runs make no pair."""
    info = Path("/proc/cpuinfo")  # Linux only
    line = re.search(r"^model name\s*: (.*)$", info.read_text() if info.exists() else "", re.M)
    return line[1] if line else platform.machine()


def _done(path: Path) -> set[tuple[str, str, int]]:
    if not path.exists():
        return set()
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {(row["mix"], row["variant"], row["seed"]) for row in rows}


if __name__ == "__main__":
    main()
