"""Everything that the page shows of one run, computed; the template only places it."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from lion.evaluate.quality import ALL
from lion.params import Params
from lion.report.charts import (
    gap_chart,
    length_chart,
    loss_chart,
    makeup_chart,
    outcome_chart,
    quality_chart,
    trend_chart,
)
from lion.report.drawing import Chart, page_svg
from lion.report.heat import heat_chart, matrix_chart
from lion.report.story import headline, warnings
from lion.report.tiles import cost_rows, tiles
from lion.runs.cost import costs
from lion.runs.figures import loss_table, quality_table, round_rows
from lion.runs.makeup import (
    category_shares,
    hard_shares,
    lengths,
    makeup,
    most_drawn,
    outcomes,
    rejects,
    unreadable,
)
from lion.runs.run import Tables
from lion.runs.topics import LABEL
from lion.runs.trust import score_matrix, trust_of
from lion.support.text import brief

Row = dict[str, Any]
_LOSS_POINTS = 300  # a round, on the chart
_CATEGORIES = 20  # of questions, on the chart


@dataclass(frozen=True)
class Contents:
    """One run as the page shows it. `charts` are SVG by name; what is missing is not in it."""

    label: str
    tau: float
    rounds: list[Row]
    headline: str
    finding: str  # how far the referee can still tell student from teacher
    warnings: list[str]
    tiles: list[Row]
    costs: list[Row]
    trust: list[Row]
    training: list[Row]
    charts: dict[str, str]
    gaps: list[Row]  # by round: round, svg, counts ([gap in hundredths, rows])
    most_drawn: list[Row]
    rejects: list[Row]
    unreadable: list[Row]

    @property
    def figures(self) -> dict[str, str]:
        """Every chart by a name that suits a file."""
        every = self.charts | {f"gap {row['round']}": row["svg"] for row in self.gaps}
        return {name.replace(" ", "-"): svg for name, svg in every.items()}

    @property
    def linked(self) -> list[str]:
        """The instructions that tables of the page lead to."""
        return [row["parent"] for row in self.most_drawn] + [row["id"] for row in self.unreadable]


def contents(
    tables: Tables,
    params: Params,
    *,
    label: str,
    control: pl.DataFrame | None = None,
) -> Contents:
    """Compute and draw; `control` is another run's quality, to be drawn beside this one's."""
    rows = round_rows(tables)
    spent = costs(tables, params)
    trust = _trust(tables)
    return Contents(
        label=label,
        tau=params.tau,
        rounds=rows,
        headline=headline(rows),
        finding=next((row["finding"] for row in reversed(rows) if row["finding"]), ""),
        warnings=warnings(rows),
        tiles=tiles(rows, trust, spent, params),
        costs=cost_rows(spent, params),
        trust=trust,
        training=_training(tables),
        charts=_drawn(tables, rows, control),
        gaps=_gaps(tables, params.tau),
        most_drawn=most_drawn(tables, 8),
        rejects=rejects(tables, 3),
        unreadable=unreadable(tables.reviews, 4),
    )


def _trust(tables: Tables) -> list[Row]:
    """The referee of every round and the judge of the questions; those that were asked."""
    both = [
        ("referee", tables.reviews, tables.scores),
        ("judge", tables.judged, tables.evaluated),
    ]
    rows = [
        {
            "role": role,
            "round": name,
            **trust_of(reviews.filter(round=name), scores.filter(round=name)),
        }
        for role, reviews, scores in both
        for name in tables.rounds
    ]
    return [row for row in rows if row["replies"]]


def _drawn(tables: Tables, rows: list[Row], control: pl.DataFrame | None) -> dict[str, str]:
    """Every chart there is data for, as SVG."""
    numbers = pl.DataFrame(rows, infer_schema_length=None).with_columns(
        round=pl.col("round").str.slice(1).cast(pl.Int64)
    )
    categories = _labelled(quality_table(tables).filter(pl.col("category") != ALL))
    lowest: Any = categories["quality"].min()
    drawn = {
        "quality": quality_chart(numbers, control),
        "hard share": trend_chart(numbers, "hard_share", ".0%", most=1.1),
        "mean gap": trend_chart(numbers, "mean_gap", ".2f"),
        "quality by category": heat_chart(
            categories,
            x="round",
            y="category",
            value="quality",
            form=".0f",
            low=min(40.0, lowest or 0.0),
            high=100.0,
        ),
        "pools": makeup_chart(makeup(tables)),
        "lengths": length_chart(lengths(tables.pool)),
        "categories": _shares(category_shares(tables.pool)),
        "draws": outcome_chart(outcomes(tables.draws)),
        "hard by category": _shares(hard_shares(tables)),
        "referee orders": matrix_chart(score_matrix(tables.reviews)),
        "loss": loss_chart(_thinned(loss_table(tables))),
    }
    return {name: page_svg(chart, name) for name, chart in drawn.items() if chart is not None}


def _labelled(categories: pl.DataFrame) -> pl.DataFrame:
    """The first categories with short names, all different, and rounds by their names."""
    labels: dict[str, str] = {}
    for name in categories["category"].unique(maintain_order=True).head(_CATEGORIES):
        label = brief(name, LABEL)
        labels[name] = f"{label} {len(labels) + 1}" if label in labels.values() else label
    return categories.filter(pl.col("category").is_in(list(labels))).with_columns(
        pl.col("category").replace_strict(labels, return_dtype=pl.String),
        round=pl.format("r{}", "round"),
    )


def _shares(cells: pl.DataFrame) -> Chart | None:
    most = cells["share"].max() or 1.0
    return heat_chart(
        cells,
        x="round",
        y="category",
        value="share",
        form=".0%",
        low=0.0,
        high=float(most),  # type: ignore[arg-type]
    )


def _training(tables: Tables) -> list[Row]:
    """Rows learnt again, steps and tokens of each round, and the mean loss of its first and its
    last tenth."""
    tenth = pl.len() // 10 + 1
    again = tables.replays.group_by("round").agg(again=pl.len())  # none where nothing is replayed
    return (
        tables.losses.group_by("round", maintain_order=True)
        .agg(
            steps=pl.len(),
            tokens=pl.col("tokens").sum(),
            first=pl.col("loss").head(tenth).mean(),
            last=pl.col("loss").tail(tenth).mean(),
        )
        .join(again, on="round", how="left", maintain_order="left")
        .to_dicts()
    )


def _thinned(losses: pl.DataFrame) -> pl.DataFrame:
    """Losses with steps counted over all rounds, thinned to what a chart can show (means)."""
    counted = losses.with_columns(step=pl.int_range(1, pl.len() + 1))
    every = pl.len().over("round") // _LOSS_POINTS + 1
    return counted.group_by(
        "round", (pl.int_range(pl.len()).over("round") // every).alias("part"), maintain_order=True
    ).agg(pl.col("step").first(), pl.col("loss").mean().round(4))


def _gaps(tables: Tables, tau: float) -> list[Row]:
    """Histogram and counts by round. Counts are kept by hundredths of a point, rounded down, so
    that `gap >= tau` can be counted exactly for any tau in hundredths."""
    rows = []
    for name in tables.rounds:
        gaps = tables.scores.filter(round=name).drop_nulls("gap")["gap"]
        frame = pl.DataFrame({"gap": gaps})
        bins = frame.group_by((pl.col("gap") * 2).floor() / 2).agg(pl.len().alias("rows"))
        chart = gap_chart(bins.sort("gap"), tau)
        if chart is None:
            continue
        hundredths = (pl.col("gap") * 100 + 1e-4).floor().cast(pl.Int64)
        counts = frame.group_by(hundredths).agg(pl.len().alias("rows")).sort("gap")
        rows.append(
            {
                "round": name,
                "total": tables.scores.filter(round=name).height,
                "svg": page_svg(chart, f"gap in {name}"),
                "counts": [list(row) for row in counts.iter_rows()],
            }
        )
    return rows


def differences(one: list[Row], other: list[Row]) -> list[Row]:
    """What `other` has more than `one`, for the rounds of both; None where either is unknown."""
    names = ("quality", "hard_share", "mean_gap", "flip_share", "acceptance")
    pairs = [(a, b) for a in one for b in other if a["round"] == b["round"]]
    return [
        {"round": a["round"]}
        | {name: None if None in (a[name], b[name]) else b[name] - a[name] for name in names}
        for a, b in pairs
    ]
