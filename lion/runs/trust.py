"""Can the referee be trusted? What swapping the two answers' places does to its scores."""

from typing import Any

import polars as pl

from lion.evaluate.quality import flip_rate, leads_by_order, position_bias

Row = dict[str, Any]


def trust_of(reviews: pl.DataFrame, scores: pl.DataFrame) -> Row:
    """Figures of one referee in one round, from its replies and the scores made of them.

    asked, judged: pairs; replies, unreadable: replies; flip_share (0 to 1): pairs whose winner
    changes with the order; position_bias: points that an answer gains by being shown first. The
    last two are None where no pair was read in both orders.
    """
    leads = leads_by_order(reviews)
    flips = flip_rate(leads)
    return {
        "asked": scores.height,
        "judged": scores["gap"].count(),
        "replies": reviews.height,
        "unreadable": reviews["student"].null_count(),
        "flip_share": None if flips is None else round(flips / 100, 4),
        "position_bias": position_bias(leads),
    }


def score_matrix(reviews: pl.DataFrame) -> pl.DataFrame:
    """How often one answer got `first` points shown first and `second` shown second; and `rows`.

    Scores are rounded to whole points. A referee that does not mind the place fills the diagonal.
    """
    readable = reviews.drop_nulls(["teacher", "student"]).group_by("round", "id", "order")
    sides = readable.agg(pl.col("teacher", "student").mean()).unpivot(
        on=["teacher", "student"], index=["round", "id", "order"], variable_name="side"
    )
    is_first = pl.col("order").str.starts_with(pl.col("side"))
    points = pl.col("value").round().cast(pl.Int64)
    places = sides.group_by("round", "id", "side").agg(
        first=points.filter(is_first).first(), second=points.filter(~is_first).first()
    )
    counts = places.drop_nulls().group_by("first", "second").agg(pl.len().alias("rows"))
    return counts.sort("first", "second")
