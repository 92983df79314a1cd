"""Discrimination, second half: from the referee's replies to scores, gap and verdict."""

from typing import Literal, NamedTuple

import polars as pl

Order = Literal["teacher_first", "student_first"]
ORDERS: tuple[Order, ...] = ("teacher_first", "student_first")
# Why a pair is judged in the second order where that is optional: to measure the position bias,
# because its gap is close to the threshold, or to check the rule.
Purpose = Literal["measure", "close", "check"]
_FEWEST = 30  # pairs needed to measure a position bias


class PositionBias(NamedTuple):
    """Points that an answer gains by being shown first: mean and standard deviation over pairs."""

    points: float
    spread: float


def score(reviews: pl.DataFrame, orders: tuple[Order, ...] = ORDERS) -> pl.DataFrame:
    """Return each pair's scores (SCORE), in the order of `reviews`: a side's mean over the orders.

    A pair that lacks a readable reply in any of `orders` is unjudged, all null: one order alone
    would let the referee's position bias decide. Where the second order was optional (`reviews`
    has a purpose), a pair may have a gap from one order, as VERDICT says.
    """
    by_order = reviews.group_by("id", "order", maintain_order=True).agg(
        pl.col("teacher", "student").mean()
    )
    means = by_order.group_by("id", maintain_order=True).agg(
        pl.col("student").count().alias("orders"), pl.col("teacher", "student").mean()
    )
    judged = pl.col("orders") == len(orders)
    teacher, student = (pl.when(judged).then(pl.col(side)) for side in ("teacher", "student"))
    gap = (teacher - student).round(6)
    scores = means.select("id", teacher.round(6), student.round(6), gap=gap)
    return _with_single_orders(scores, reviews) if has_optional_second_order(reviews) else scores


def has_optional_second_order(reviews: pl.DataFrame) -> bool:
    """Whether the second order of `reviews` was optional."""
    return "purpose" in reviews.columns and bool(reviews["purpose"].is_not_null().any())


def unselected(reviews: pl.DataFrame) -> pl.DataFrame:
    """Return the replies on pairs that were judged in both orders regardless of their gap.

    Position bias, flips and win rates of the other pairs would be those of close pairs.
    """
    if not has_optional_second_order(reviews):
        return reviews
    measured = reviews.filter(purpose="measure").select("id").unique()
    return reviews.join(measured, on="id", how="semi")


def gaps_by_order(reviews: pl.DataFrame) -> pl.DataFrame:
    """Return each pair's gap in each order: columns id and ORDERS, null without readable scores."""
    gap = pl.col("teacher") - pl.col("student")
    return reviews.group_by("id", maintain_order=True).agg(
        gap.filter(pl.col("order") == order).mean().alias(order) for order in ORDERS
    )


def bias_of(reviews: pl.DataFrame) -> PositionBias | None:
    """Measure the position bias on the pairs that were drawn for it; None if too few are readable.

    Pairs that were judged again because they were close would distort it.
    """
    gaps = gaps_by_order(unselected(reviews)).drop_nulls()
    if gaps.height < _FEWEST:
        return None
    first, second = (gaps[order] for order in ORDERS)
    gains = (first - second) / 2
    return PositionBias(round(float(gains.mean()), 6), round(float(gains.std()), 6))  # type: ignore[arg-type]


def _with_single_orders(scores: pl.DataFrame, reviews: pl.DataFrame) -> pl.DataFrame:
    """Fill in the pairs judged in one order, and the first gap of those that were checked."""
    asked = reviews.group_by("id").agg(
        asked=pl.col("order").n_unique(),
        checked=(pl.col("purpose") == "check").any(),
        **{f"one_{side}": pl.col(side).mean() for side in ("teacher", "student")},
    )
    bias = bias_of(reviews)
    corrected = pl.lit(None, pl.Float64) if bias is None else pl.col(ORDERS[0]) - bias.points
    rows = scores.join(asked, on="id", maintain_order="left").join(
        gaps_by_order(reviews).select("id", first=corrected.round(6)),
        on="id",
        maintain_order="left",
    )
    single = (pl.col("asked") == 1) & pl.col("first").is_not_null()
    return rows.select(
        "id",
        *(
            pl.when(single).then(f"one_{side}").otherwise(side).round(6).alias(side)
            for side in ("teacher", "student")
        ),
        gap=pl.when(single).then("first").otherwise("gap"),
        orders=pl.when(single).then(pl.lit(1, pl.Int64)),
        first_gap=pl.when("checked").then("first"),
    )


def discriminate(scores: pl.DataFrame, *, tau: float) -> pl.DataFrame:
    """Add verdicts to `scores` (VERDICT): hard if gap >= tau, else easy; unjudged without a gap."""
    verdicts = scores.with_columns(verdict=_verdict(pl.col("gap"), tau))
    if "first_gap" not in scores.columns:
        return verdicts
    first = pl.when(pl.col("first_gap").is_not_null()).then(_verdict(pl.col("first_gap"), tau))
    return verdicts.with_columns(first_verdict=first).drop("first_gap")


def changed_verdicts(verdicts: pl.DataFrame) -> tuple[int, int]:
    """Return how many verdicts (VERDICT) the second order changed, and how many it checked."""
    checked = verdicts.drop_nulls(["gap", "first_verdict"])
    changed = checked.filter(pl.col("first_verdict") != pl.col("verdict"))
    return changed.height, checked.height


def _verdict(gap: pl.Expr, tau: float) -> pl.Expr:
    verdict = pl.when(gap.is_null()).then(pl.lit("unjudged")).when(gap >= tau).then(pl.lit("hard"))
    return verdict.otherwise(pl.lit("easy"))
