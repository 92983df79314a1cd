"""The contents of the page for one run: figures, tables and charts, placed by the template."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from lion.evaluate.quality import ALL
from lion.params import Params
from lion.report import charts, glance
from lion.report.cost import cost_rows, role_costs
from lion.report.drawing import Chart, page_svg
from lion.report.marks import Marks
from lion.runs import composition
from lion.runs.closing import next_step
from lion.runs.figures import examined_text, gap_table, loss_table, quality_table, round_rows
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
    def data(self) -> Row:
        """Return the part of the run that the page's script uses."""
        return {
            "label": self.label,
            "tau": self.tau,
            "rounds": [row["round"] for row in self.rounds],
            "gaps": {row["round"]: row["counts"] for row in self.gaps},
            "map": self.hard_map,
            "marks": self.marks["marks"],
        }

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
    hard = composition.hard_shares(tables)
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
        charts=_charts(tables, rows, hard, by_category, (control, floor)),
        more_categories=max(0, quality["category"].n_unique() - _CATEGORIES),
        hard_map=_hard_map(hard),
        gaps=_gaps(tables, params.tau),
        outcomes=composition.outcome_rows(tables.draws),
        most_drawn=composition.most_drawn(tables, 8),
        rejects=composition.rejects(tables, 3),
        unreadable=composition.unreadable(tables.reviews, 4),
        marks=marks.written(tables) if marks else {"agreement": [], "marks": [], "wrong": []},
    )


def _charts(
    tables: Tables,
    rows: list[Row],
    hard: pl.DataFrame,
    by_category: pl.DataFrame,
    beside: tuple[pl.DataFrame | None, float | None],
) -> dict[str, str]:
    """Draw every chart whose table has rows, as SVG; `beside` is the control and the floor."""
    numbers = pl.DataFrame(rows, infer_schema_length=None).with_columns(round=round_numbers())
    quality, hard_share, mean_gap = (
        numbers.drop_nulls(name) for name in ("quality", "hard_share", "mean_gap")
    )
    trend = charts.trend_chart
    drawn: dict[str, tuple[pl.DataFrame, Callable[[pl.DataFrame], Chart]]] = {
        "quality": (quality, lambda known: charts.quality_chart(known, *beside)),
        "hard share": (hard_share, partial(trend, column="hard_share", form=".0%", most=1.1)),
        "mean gap": (mean_gap, partial(trend, column="mean_gap", form=".2f")),
        "quality by category": (_labelled(by_category).drop_nulls("quality"), _quality_heat),
        "hard by category": (_counted(hard), _share_heat),
        "pools": (composition.pool_by_origin(tables), charts.origin_chart),
        "lengths": (composition.lengths(tables.pool), charts.length_chart),
        "categories": (composition.category_shares(tables.pool), _share_heat),
        "draws": (composition.outcomes(tables.draws), charts.outcome_chart),
        "referee orders": (score_matrix(tables.reviews), charts.matrix_chart),
        "loss": (_thinned(loss_table(tables)), charts.loss_chart),
    }
    return {
        name: page_svg(draw(table), name) for name, (table, draw) in drawn.items() if table.height
    }


def _quality_heat(cells: pl.DataFrame) -> Chart:
    lowest: Any = cells["quality"].min()
    return charts.heat_chart(cells, "quality", ".0f", low=min(40.0, lowest), high=100.0)


def _share_heat(cells: pl.DataFrame) -> Chart:
    most: Any = cells["share"].max()
    return charts.heat_chart(cells, "share", ".0%", low=0.0, high=most or 1.0)


def _labelled(categories: pl.DataFrame) -> pl.DataFrame:
    """Return all questions, then categories by distinct short names, the weakest now first."""
    labels = {ALL: composition.EVERY}
    named = categories.filter(pl.col("category") != ALL)
    latest = named.sort("round", -pl.col("quality"), maintain_order=True)["category"].reverse()
    for name in latest.unique(maintain_order=True).head(_CATEGORIES):
        label = brief(name, composition.LABEL)
        labels[name] = f"{label} {len(labels) + 1}" if label in labels.values() else label
    if len(labels) == 1:  # no categories: another chart shows all questions
        return categories.clear()
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


def _hard_map(cells: pl.DataFrame) -> Row:
    """Return each cell of the map with its counts of gaps, and the share of the darkest cell."""
    listed = [
        {
            "round": row["round"],
            "category": visible(row["category"]),
            "counts": _counts(pl.Series("gap", row["gaps"])),
        }
        for row in cells.iter_rows(named=True)
    ]
    return {"cells": listed, "top": cells["share"].max() or 1.0}


def _gaps(tables: Tables, tau: float) -> list[Row]:
    """Return the histogram and the counts of gaps of each round that has any."""
    rows, bins = [], gap_table(tables)
    for name in tables.rounds:
        own, scores = bins.filter(round=name).drop("round"), tables.scores.filter(round=name)
        if own.height:
            svg = page_svg(charts.gap_chart(own, tau), f"gap in {name}")
            counts = _counts(scores["gap"].drop_nulls())
            rows.append({"round": name, "total": scores.height, "svg": svg, "counts": counts})
    return rows


def _counts(gaps: pl.Series) -> list[list[int]]:
    """Count gaps by hundredths of a point, rounded down, which is exact for a tau in hundredths."""
    hundredths = (gaps.cast(pl.Float64) * 100 + 1e-4).floor().cast(pl.Int64)
    return [list(row) for row in hundredths.value_counts(name="rows").sort("gap").iter_rows()]


def _training(tables: Tables) -> list[Row]:
    """Return each round's steps, tokens, replayed rows, and loss in the first and last tenth.

    With contrast, `pairs_steps` are its steps and `right` its accuracy in the last tenth.
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
