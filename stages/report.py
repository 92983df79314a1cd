"""Report: the figures of all rounds, for `dvc metrics`, `dvc plots` and people."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import polars as pl

import stages
from lion.evaluate.quality import ALL
from lion.params import Params
from lion.report.contents import Contents
from lion.report.drawing import file_svg, plots_page
from lion.report.marks import Marks
from lion.report.static import static_page
from lion.report.track import track
from lion.runs.closing import next_step
from lion.runs.figures import gap_table, loss_table, metrics, quality_table, read_control
from lion.runs.rounds import as_text, rounds_of
from lion.runs.run import PLACES, Tables, read_run
from lion.support.files import replacing, replacing_folder


def _tables(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each place of a run's tables."""
    for name in reversed(PLACES):
        option = stages.path(f"--{name}", help=f"The run's {name.replace('_', ' ')}.")
        command = option(command)
    return command


@click.command()
@_tables
@stages.path("--marks", help="A person's marks of verdicts.")
@stages.path("--metrics", "metrics_path", help="Out: the metrics file.")
@stages.path("--out", help="Out: folder of the rounds table and the tables behind the plots.")
@stages.path("--page", help="Out: the page.")
@stages.path("--figures", help="Out: folder of the page's charts as SVG.")
@stages.path("--plots-page", "plots_path", help="Out: offline template for `dvc plots`.")
@stages.params
def main(
    marks: Path,
    metrics_path: Path,
    out: Path,
    page: Path,
    figures: Path,
    plots_path: Path,
    params: Params,
    **places: Path,
) -> None:
    """Compute the figures of the rounds named in the parameters, and print the table of rounds."""
    tables = read_run(places, params.round_names, light=True)
    control = read_control(params.report.control)
    run, text = static_page(tables, params, places, control=control, marks=Marks(marks))
    _write_tables(out, tables, run)
    with replacing_folder(figures) as folder:
        for name, svg in run.figures.items():
            (folder / f"{name}.svg").write_text(file_svg(svg), encoding="utf-8")
    with replacing(page) as file:
        file.write_text(text, encoding="utf-8")
    with replacing(plots_path) as file:
        file.write_text(plots_page(), encoding="utf-8")
    with replacing(metrics_path) as file:
        file.write_text(json.dumps(metrics(run.rounds), indent=2) + "\n", encoding="utf-8")
    track(params, run.identity.title, run.rounds, [page, out])
    click.echo(as_text({"": rounds_of(tables)}))
    if finding := run.rounds[-1]["finding"]:
        click.echo(f"{run.rounds[-1]['round']}: {finding}")
    if advice := next_step(tables, params.tau):
        click.echo(advice)


def _write_tables(out: Path, tables: Tables, run: Contents) -> None:
    quality = quality_table(tables)
    with replacing_folder(out) as folder:
        pl.DataFrame(run.rounds, infer_schema_length=None).write_csv(folder / "rounds.csv")
        quality.filter(category=ALL).drop("category").write_csv(folder / "quality.csv")
        categories = quality.filter(pl.col("category") != ALL)
        categories.drop("quality_low", "quality_high").write_csv(folder / "categories.csv")
        gap_table(tables).write_csv(folder / "gaps.csv")
        loss_table(tables).write_csv(folder / "losses.csv")


if __name__ == "__main__":
    main()
