"""Rehearse a run of the paper's size: `dvc repro` against a fast server, with a miniature student.

    python -m benchmarks.rehearsal --alpaca alpaca.json --folder DIR --seeds 5000 --seeds 20000

Creates a project of each size in DIR, runs it, and prints one JSON line per stage, one per check of
the finished run, and a table of how each stage grows with size. Run the command again to continue
an interrupted rehearsal. A stage that was interrupted has several lines.
"""

import json
import random
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from benchmarks.rehearsal_checks import checks, estimated
from benchmarks.rehearsal_data import make_project
from benchmarks.rehearsal_stages import Measured, Provider, Repro, serving, variables
from benchmarks.rehearsal_table import growth

PAPER = 52_000, 6_000  # seeds, new instructions per round


@click.command()
@click.option(
    "--alpaca", type=click.Path(path_type=Path, exists=True), required=True, help="Seeds to vary."
)
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="For the projects.")
@click.option("--seeds", "sizes", type=int, multiple=True, default=[PAPER[0]], show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--count", type=int, help="New instructions a round  [default: as in the paper]")
@click.option("--latency", default=0.0, show_default=True, help="Seconds before each reply.")
@click.option("--rate", default=1000.0, show_default=True, help="Requests a second, then 429.")
@click.option("--kills", default=0, show_default=True, help="Kill the run at random moments.")
def main(
    alpaca: Path,
    folder: Path,
    sizes: tuple[int, ...],
    rounds: int,
    count: int | None,
    latency: float,
    rate: float,
    kills: int,
) -> None:
    """Rehearse one run for each number of seeds."""
    server = ["--latency", str(latency), "--rate", str(rate / 2)]
    for seeds in sizes:
        new = count or round(seeds * PAPER[1] / PAPER[0])
        settings = {"seeds": seeds, "rounds": rounds, "count": new}
        rehearse(folder / str(seeds), alpaca, settings, server, kills=kills)
    click.echo(growth({seeds: read_lines(folder / str(seeds)) for seeds in sizes}))


def rehearse(
    folder: Path, alpaca: Path, settings: dict[str, int], server: list[str], *, kills: int = 0
) -> None:
    """Run one project to its end, print the line of each stage, and check the finished run."""
    project = begun(folder, alpaca, settings)
    with serving(folder / "server", project, server) as provider:
        if not (folder / "estimate.json").exists():
            estimated(folder, project, provider)
        for kill_at in [*moments(provider, settings, kills), None]:
            for stage in Repro(project, provider, folder / "log.txt").stages(kill_at=kill_at):
                note(folder, stage)
            if kill_at is not None:
                repair(project, provider)
        for line in checks(folder, project, provider, kills=kills):
            click.echo(json.dumps(line))


def begun(folder: Path, alpaca: Path, settings: dict[str, int]) -> Path:
    """Return the project in `folder`, or create it; UsageError if its settings differ."""
    project, mark = folder / "project", folder / "settings.json"
    if mark.exists():
        known = json.loads(mark.read_text(encoding="utf-8"))
        if known != settings:
            raise click.UsageError(f"{folder} holds a rehearsal of {known}; name another folder")
    else:
        make_project(project, alpaca, **settings)
        mark.write_text(json.dumps(settings), encoding="utf-8")
    return project


def moments(provider: Provider, settings: dict[str, int], kills: int) -> list[int]:
    """Draw `kills` total numbers of replies at which to kill the run, anew on each call."""
    seeds, rounds, count = settings["seeds"], settings["rounds"], settings["count"]
    judged = sum(seeds + earlier * count for earlier in range(rounds))
    total = seeds + rounds * count + 2 * judged
    return sorted(random.sample(range(provider.answered(), total), kills)) if kills else []


def repair(project: Path, provider: Provider) -> None:
    """Repair DVC files that a kill left empty or truncated, as `make repro` does first."""
    command = ["lion", "doctor", "--fix", "--quick"]
    subprocess.run(command, cwd=project, env=variables(project, provider), check=True)


def note(folder: Path, stage: Measured) -> None:
    """Print the line of a stage, and append it to stages.jsonl for the table."""
    click.echo(stage.line())
    with (folder / "stages.jsonl").open("a", encoding="utf-8") as file:
        file.write(stage.line() + "\n")


def read_lines(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of all stages of a rehearsal so far."""
    with suppress(FileNotFoundError):
        lines = (folder / "stages.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]
    return []


if __name__ == "__main__":
    main()
