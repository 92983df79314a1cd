"""Tables and plot of benchmarks.control: `python -m benchmarks.control_table ROWS [--plot]`.

Figures are paired by seed and processor, since the variants of a seed share round 0 on each
processor. Intervals are 95% confidence intervals by Student's t.
"""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import click
import polars as pl
from scipy.stats import sem
from scipy.stats import t as student

from benchmarks.control_variants import CONTRASTS, PLOTTED

QUESTION_SETS = ("even", "zipf")
PAIR = ("seed", "processor")  # what two runs must have in common
EVALUATION = ("questions", "judge")  # labels of the evaluation, which is no part of the loop
INPUT, OUTPUT = 0.40, 1.60  # prices per million tokens


class Mean(NamedTuple):
    """Mean over `n` seeds; `half` is half the width of its 95% interval, NaN for a single seed."""

    n: int
    value: float
    half: float

    def level(self) -> str:
        """Format a figure that is not a difference."""
        return f"{self.value:.1f}" + ("" if math.isnan(self.half) else f" ± {self.half:.1f}")

    def __str__(self) -> str:
        if math.isnan(self.half):
            return f"{self.value:+.1f} (one seed)"
        return f"{self.value:+.1f} [{self.value - self.half:+.1f}, {self.value + self.half:+.1f}]"


@click.command()
@click.argument("rows", type=click.Path(path_type=Path, exists=True))
@click.option("--plot", type=click.Path(path_type=Path), help="File for an SVG plot.")
def main(rows: Path, plot: Path | None) -> None:
    """Print the tables of ROWS in Markdown."""
    played = read(rows)
    tables = [variant_table(played), contrast_table(played)]
    click.echo("\n\n".join("\n".join(table) for table in tables))
    if plot:
        draw(played, plot)


def read(path: Path) -> pl.DataFrame:
    """Read one row per run: its figures, and the requests and money that its rounds spent."""
    runs = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [run | _spending(run.pop("spent", {})) for run in runs]
    return pl.DataFrame(rows, infer_schema_length=None).sort("mix", "variant", "seed")


def _spending(spent: dict[str, list[int]]) -> dict[str, float]:
    """Sum the loop's spending; that of the evaluation is the same for all variants."""
    loop = [counts for role, counts in spent.items() if role not in EVALUATION]
    requests, prompt, completion = (sum(part) for part in zip((0, 0, 0), *loop, strict=True))
    return {"requests": requests, "money": (prompt * INPUT + completion * OUTPUT) / 1e6}


def mean(values: Iterable[float]) -> Mean:
    """Return the mean of `values` with its 95% interval."""
    sample = pl.Series(list(values), dtype=pl.Float64).to_numpy()
    if sample.size < 2:
        return Mean(sample.size, float(sample.mean()), math.nan)
    half = float(sem(sample)) * float(student.ppf(0.975, sample.size - 1))
    return Mean(sample.size, float(sample.mean()), half)


def paired(played: pl.DataFrame, mix: str, left: str, right: str, figure: str) -> Mean | None:
    """Return the mean of `left` minus `right` over the seeds; None if no seed has both variants."""
    sides = [played.filter(mix=mix, variant=name).select(*PAIR, figure) for name in (left, right)]
    both = sides[0].join(sides[1], on=PAIR)
    return mean(both[figure] - both[f"{figure}_right"]) if both.height else None


def variant_table(played: pl.DataFrame) -> list[str]:
    """Format each variant's relative quality after its last round, requests and money."""
    lines = [
        "| seeds spread | variant | seeds | quality, even questions | quality, like the seeds |"
        " requests | money |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (mix, variant), rows in played.group_by("mix", "variant", maintain_order=True):
        cells = [mean(rows[f"quality_{name}"]) for name in QUESTION_SETS]
        levels = " | ".join(cell.level() for cell in cells)
        spending = f"{mean(rows['requests']).value:,.0f} | {mean(rows['money']).value:.2f}"
        lines.append(f"| {mix} | {variant} | {cells[0].n} | {levels} | {spending} |")
    return lines


def contrast_table(played: pl.DataFrame) -> list[str]:
    """Format differences in points of relative quality, paired by seed."""
    lines = [
        "| seeds spread | comparison | seeds | even questions | questions like the seeds |",
        "| --- | --- | --- | --- | --- |",
    ]
    for mix in played["mix"].unique(maintain_order=True):
        for contrast, sides in CONTRASTS.items():
            cells = [paired(played, mix, *sides, f"quality_{name}") for name in QUESTION_SETS]
            if cells[0] and cells[1]:
                lines.append(f"| {mix} | {contrast} | {cells[0].n} | {cells[0]} | {cells[1]} |")
    return lines


def draw(played: pl.DataFrame, path: Path) -> None:
    """Plot the main differences with their intervals as SVG."""
    import altair as alt

    rows = [
        {"comparison": contrast, "seeds spread": mix, "questions": name, "points": cell.value}
        | {"low": cell.value - cell.half, "high": cell.value + cell.half}
        for mix in played["mix"].unique(maintain_order=True)
        for contrast in PLOTTED
        for name in QUESTION_SETS
        if (cell := paired(played, mix, *CONTRASTS[contrast], f"quality_{name}"))
        and cell.n > 2  # the interval of two seeds is as wide as the plot
    ]
    base = alt.Chart().encode(
        y=alt.Y("comparison:N", sort=list(PLOTTED), title=None, axis=alt.Axis(labelLimit=380)),
        yOffset="questions:N",
        color=alt.Color("questions:N", scale=alt.Scale(range=["#0072B2", "#D55E00"])),
    )
    intervals = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", title="points of relative quality, paired by seed"),
        x2="high:Q",
    )
    dots = base.mark_point(filled=True, size=50).encode(x="points:Q")
    layers = alt.layer(intervals, dots, data=pl.DataFrame(rows)).properties(width=300)
    chart = layers.facet(column="seeds spread:N")
    path.parent.mkdir(parents=True, exist_ok=True)
    chart.save(path)


if __name__ == "__main__":
    main()
