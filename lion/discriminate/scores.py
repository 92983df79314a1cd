"""Discrimination, second half: from the referee's replies to scores, gap and verdict."""

from typing import Literal

import polars as pl

Order = Literal["teacher_first", "student_first"]
ORDERS: tuple[Order, ...] = ("teacher_first", "student_first")


def score(reviews: pl.DataFrame, orders: tuple[Order, ...] = ORDERS) -> pl.DataFrame:
    """Scores of a pair (SCORE), in the order of `reviews`: a side's is the mean over its orders.

    A pair that lacks a readable reply in any of `orders` is unjudged, all null: one order alone
    would let the referee's position bias decide.
    """
    by_order = reviews.group_by("id", "order", maintain_order=True).agg(
        pl.col("teacher", "student").mean()
    )
    means = by_order.group_by("id", maintain_order=True).agg(
        pl.col("student").count().alias("orders"), pl.col("teacher", "student").mean()
    )
    judged = pl.col("orders") == len(orders)
    teacher, student = (pl.when(judged).then(pl.col(side)) for side in ("teacher", "student"))
    return means.select(
        "id",
        teacher.round(6),
        student.round(6),
        gap=(teacher - student).round(6),
    )


def discriminate(scores: pl.DataFrame, *, tau: float) -> pl.DataFrame:
    """Scores with their verdict (VERDICT): hard if gap >= tau, else easy; unjudged without gap."""
    gap = pl.col("gap")
    verdict = pl.when(gap.is_null()).then(pl.lit("unjudged")).when(gap >= tau).then(pl.lit("hard"))
    return scores.with_columns(verdict=verdict.otherwise(pl.lit("easy")))
