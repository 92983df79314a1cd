"""The contents of the page for one run: figures, tables and charts, placed by the template."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from lion.evaluate.quality import ALL
from lion.params import Params
from lion.report import glance
from lion.report.charts import (
    length_chart,
    loss_chart,
    origin_chart,
    outcome_chart,
    quality_chart,
    trend_chart,
)
from lion.report.cost import cost_rows, role_costs
from lion.report.drawing import Chart, page_svg
from lion.report.gaps import gap_rows, hard_map
from lion.report.heat import heat_chart, matrix_chart
from lion.report.marks import Marks
from lion.runs.closing import next_step
from lion.runs.composition import (
    EVERY,
    LABEL,
    category_shares,
    hard_shares,
    lengths,
    most_drawn,
    outcome_rows,
    outcomes,
    pool_by_origin,
    rejects,
    unreadable,
)
from lion.runs.figures import examined_text, loss_table, quality_table, round_rows
from lion.runs.gain import floor_of, gains_of, loss_change
from lion.runs.identity import Identity
from lion.runs.run import Tables, round_numbers
from lion.runs.trust import score_matrix, shared_model, trust_rows
from lion.support.text import brief, visible

Row = dict[str, Any]
_LOSS_POINTS = 300  # per round, on the chart
_CATEGORIES = 20  # of questions, on the chart


@dataclass(frozen=True)
class Contents:
    """One run as the page shows it. `charts` are SVG by name; a chart without data is missing."""

    label: str
    tau: float
    rounds: list[Row]
    identity: Identity
    headline: glance.Headline
    warnings: list[str]
    examined: str  # which part of the cache pool, if not all of it
    answers: list[Row]
    costs: list[Row]
    trust: list[Row]
    shared_model: str  # the model that is teacher, referee and judge at once; else empty
    training: list[Row]
    charts: dict[str, str]
    more_categories: int  # of questions, beyond those on the chart
    hard_map: Row  # cells behind the chart of hard shares, and the share of its darkest colour
    gaps: list[Row]  # by round: round, svg, counts ([gap in hundredths, rows])
    outcomes: list[Row]
    most_drawn: list[Row]
    rejects: list[Row]
    unreadable: list[Row]
    marks: Row  # a person's: agreement, marks, wrong

    @property
    def figures(self) -> dict[str, str]:
        """Return the SVG of every chart by file name, without a suffix."""
        every = self.charts | {f"gap {row['round']}": row["svg"] for row in self.gaps}
        return {name.replace(" ", "-"): svg for name, svg in every.items()}

    @property
    def linked(self) -> list[str]:
        """Return the ids of the instructions that the page's tables link to."""
        ids = [row["id"] for row in (*self.marks["wrong"], *self.unreadable, *self.marks["marks"])]
        return [row["parent"] for row in self.most_drawn] + ids


def contents(
    tables: Tables,
    params: Params,
    identity: Identity,
    *,
    label: str,
    control: pl.DataFrame | None = None,
    marks: Marks | None = None,
) -> Contents:
    """Compute the contents; `control` is another run's quality, to draw beside this one's."""
    rows = round_rows(tables)
    costs = role_costs(tables, params)
    trust = trust_rows(tables, params.tau)
    gains = gains_of(tables)
    floor = floor_of(tables.evaluated)
    hard = hard_shares(tables)
    shared = visible(shared_model(tables) or "")
    by_category = quality_table(tables)
    quality = by_category.filter(pl.col("category") != ALL)
    return Contents(
        label=label,
        tau=params.tau,
        rounds=rows,
        identity=identity,
        headline=glance.headline(rows, gains),
        warnings=glance.warnings(rows, floor),
        examined=examined_text(rows),
        answers=[
            glance.better(rows, gains, loss_change(tables)),
            glance.cost(costs, params),
            glance.on_what(quality, gains),
            glance.trusted(trust, is_shared=bool(shared)),
            glance.what_next(next_step(tables, params.tau)),
        ],
        costs=cost_rows(costs, params),
        trust=trust,
        shared_model=shared,
        training=_training(tables),
        charts=_drawn(tables, rows, by_category, (control, floor))
        | _named({"hard by category": _shares(_counted(hard))}),
        more_categories=max(0, quality["category"].n_unique() - _CATEGORIES),
        hard_map=hard_map(hard),
        gaps=gap_rows(tables, params.tau),
        outcomes=outcome_rows(tables.draws),
        most_drawn=most_drawn(tables, 8),
        rejects=rejects(tables, 3),
        unreadable=unreadable(tables.reviews, 4),
        marks=marks.written(tables) if marks else {"agreement": [], "marks": [], "wrong": []},
    )


def _drawn(
    tables: Tables,
    rows: list[Row],
    by_category: pl.DataFrame,
    beside: tuple[pl.DataFrame | None, float | None],
) -> dict[str, str]:
    """Draw every chart that has data, as SVG; `beside` is the control's quality and the floor."""
    numbers = pl.DataFrame(rows, infer_schema_length=None).with_columns(round=round_numbers())
    charts = {
        "quality": quality_chart(numbers, *beside),
        "hard share": trend_chart(numbers, "hard_share", ".0%", most=1.1),
        "mean gap": trend_chart(numbers, "mean_gap", ".2f"),
        "quality by category": _quality_heat(_labelled(by_category)),
        "pools": origin_chart(pool_by_origin(tables)),
        "lengths": length_chart(lengths(tables.pool)),
        "categories": _shares(category_shares(tables.pool)),
        "draws": outcome_chart(outcomes(tables.draws)),
        "referee orders": matrix_chart(score_matrix(tables.reviews)),
        "loss": loss_chart(_thinned(loss_table(tables))),
    }
    return _named(charts)


def _named(charts: dict[str, Chart | None]) -> dict[str, str]:
    return {name: page_svg(chart, name) for name, chart in charts.items() if chart is not None}


def _quality_heat(categories: pl.DataFrame) -> Chart | None:
    if categories["category"].n_unique() < 2:  # all questions alone: a chart above shows them
        return None
    lowest: Any = categories["quality"].min()
    return heat_chart(categories, "quality", ".0f", low=min(40.0, lowest or 0.0), high=100.0)


def _labelled(categories: pl.DataFrame) -> pl.DataFrame:
    """Return all questions, then categories by distinct short names, the weakest now first."""
    labels = {ALL: EVERY}
    named = categories.filter(pl.col("category") != ALL)
    latest = named.sort("round", -pl.col("quality"), maintain_order=True)["category"].reverse()
    for name in latest.unique(maintain_order=True).head(_CATEGORIES):
        label = brief(name, LABEL)
        labels[name] = f"{label} {len(labels) + 1}" if label in labels.values() else label
    order = pl.DataFrame({"category": list(labels), "label": list(labels.values())})
    return (
        order.join(categories, on="category", maintain_order="left_right")
        .with_columns(category="label", round=pl.format("r{}", "round"))
        .drop("label")
    )


def _counted(hard: pl.DataFrame) -> pl.DataFrame:
    """Return the map's cells; a category's label has its judged rows in its last round."""
    label = pl.format("{} · {}", "category", pl.col("judged").last().over("category"))
    return hard.select("round", label.alias("category"), "share", "judged")


def _shares(cells: pl.DataFrame) -> Chart | None:
    most: Any = cells["share"].max()
    return heat_chart(cells, "share", ".0%", low=0.0, high=most or 1.0)


def _training(tables: Tables) -> list[Row]:
    """Return the training of each round: steps, tokens and replayed rows of imitation.

    `first` and `last` are the mean loss of the first and last tenth of the steps. With contrast,
    `pairs_steps` are its steps and `right` its accuracy in the last tenth.
    """
    tenth = pl.len() // 10 + 1
    replayed = tables.replays.group_by("round").agg(replayed=pl.len())
    on_pairs = tables.losses.drop_nulls("accuracy")
    contrast = on_pairs.group_by("round").agg(
        pairs_steps=pl.len(), right=pl.col("accuracy").tail(tenth).mean()
    )
    return (
        tables.losses.filter(pl.col("accuracy").is_null())
        .group_by("round", maintain_order=True)
        .agg(
            steps=pl.len(),
            tokens=pl.col("tokens").sum(),
            first=pl.col("loss").head(tenth).mean(),
            last=pl.col("loss").tail(tenth).mean(),
        )
        .join(replayed, on="round", how="left", maintain_order="left")
        .join(contrast, on="round", how="left", maintain_order="left")
        .to_dicts()
    )


def _thinned(losses: pl.DataFrame) -> pl.DataFrame:
    """Return losses with steps counted over all rounds, averaged to the chart's resolution."""
    counted = losses.with_columns(step=pl.int_range(1, pl.len() + 1))
    every = pl.len().over("round") // _LOSS_POINTS + 1
    return counted.group_by(
        "round", (pl.int_range(pl.len()).over("round") // every).alias("part"), maintain_order=True
    ).agg(pl.col("step").first(), pl.col("loss").mean().round(4))
