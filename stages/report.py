"""Report: the figures of all rounds, for `dvc metrics`, `dvc plots` and people."""

import json
from pathlib import Path

import click
import polars as pl

import stages
from lion.files import replacing_folder
from lion.params import load_params
from lion.report.figures import (
    Run,
    gap_plot,
    loss_plot,
    metrics,
    quality_plot,
    round_rows,
    told,
)


@click.command()
@stages.path("--pools", help="Train pools.")
@stages.path("--losses", help="Training losses.")
@stages.path("--reviews", help="The referee's replies.")
@stages.path("--scores", help="Verdicts.")
@stages.path("--draws", help="What generation drew.")
@stages.path("--evaluation", help="Evaluations.")
@stages.path("--questions", help="The questions.")
@stages.path("--metrics", "metrics_path", help="Out: the metrics file.")
@stages.path("--out", help="Out: folder with the table of rounds and the plots' tables.")
@stages.params
def main(metrics_path: Path, out: Path, params_path: Path, **paths: Path) -> None:
    """Gather the figures of the rounds named in the parameters, and print the table."""
    params = load_params(params_path)
    names = params.round_names
    run = Run(**paths)
    rows = round_rows(run, names)
    with replacing_folder(out) as folder:
        pl.DataFrame(rows, infer_schema_length=None).write_csv(folder / "rounds.csv")
        quality_plot(run, names).write_csv(folder / "quality.csv")
        gap_plot(run, names).write_csv(folder / "gaps.csv")
        loss_plot(run, names).write_csv(folder / "losses.csv")
    metrics_path.parent.mkdir(parents=True, exist_ok=True)
    metrics_path.write_text(json.dumps(metrics(rows), indent=2) + "\n", encoding="utf-8")
    click.echo(told(rows))


if __name__ == "__main__":
    main()
