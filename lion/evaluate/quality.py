"""The figures of a candidate: relative quality, win rate, flips, lengths, each with its count.

In the tables, the reference takes the teacher's columns and the candidate the student's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import polars as pl

from lion.discriminate.scores import ORDERS, Order, gaps_by_order, score
from lion.evaluate.statistics import Array, Interval, draws, length_controlled, mean, ratio
from lion.support.errors import EmptyError

ALL = "all"


@dataclass(frozen=True)
class Quality:
    """Relative quality in one category or in all. Shares are percentages of judged questions."""

    category: str
    asked: int
    judged: int
    scores: tuple[float, float]  # the candidate's sum, the reference's
    quality: Interval
    win: float
    tie: float
    lose: float


@dataclass(frozen=True)
class Summary:
    """All figures of a candidate against its reference.

    Rates are in percent; a tie counts half a win. `flip_rate` and `position_bias` (points that the
    answer shown first gains) are None if the judge saw only one order; `length` (characters) and
    `length_controlled` are None if the answers are unknown.
    """

    total: Quality
    categories: list[Quality]
    win_rate: Interval
    length_controlled: Interval | None
    flip_rate: float | None
    position_bias: float | None
    length: tuple[float, float] | None  # the candidate's, the reference's


def quality_by_category(scores: pl.DataFrame, questions: pl.DataFrame) -> pl.DataFrame:
    """Return columns category, quality (percent; null if none is judged), judged and asked."""
    rows = questions.join(scores, on="id", how="left", maintain_order="left")
    judged = pl.col("gap").is_not_null()
    sums = [pl.col(side).filter(judged).sum() for side in ("student", "teacher")]
    return rows.group_by("category", maintain_order=True).agg(
        (100 * sums[0] / sums[1]).fill_nan(None).round(2).alias("quality"),  # 0 / 0: none is judged
        judged.sum().cast(pl.Int64).alias("judged"),
        pl.len().cast(pl.Int64).alias("asked"),
    )


def summarise(
    questions: pl.DataFrame,
    reviews: pl.DataFrame,
    *,
    orders: Sequence[Order] = ORDERS,
    lengths: pl.DataFrame | None = None,
) -> Summary:
    """Return the figures of `reviews` (REVIEW) on `questions`, answered or not.

    `lengths` has id, student and teacher, in characters. EmptyError if the reference has no points.
    """
    scores = score(reviews, tuple(orders))
    rows = questions.select("category", "id").join(scores, on="id", how="left")
    judged = rows.drop_nulls("gap")
    if not judged["teacher"].sum():
        raise EmptyError(
            f"evaluate: {judged.height} of {questions.height} questions are judged, and the "
            f"reference scores {judged['teacher'].sum()} in all: no relative quality. Look at the "
            "judge's replies, and use another judge or reference"
        )
    leads = leads_by_order(reviews) if len(orders) == len(ORDERS) else None
    names = rows["category"].unique(maintain_order=True)
    at_equal_length, length = _by_length(judged, lengths)
    return Summary(
        total=_quality(ALL, rows),
        categories=[_quality(name, rows.filter(category=name)) for name in names],
        win_rate=mean(draws(judged.height), _wins(judged)).scaled(100),
        length_controlled=at_equal_length,
        flip_rate=None if leads is None else flip_rate(leads),
        position_bias=None if leads is None else position_bias(leads),
        length=length,
    )


def _wins(rows: pl.DataFrame) -> Array:
    """Return 1 for a win of the student, 0 for one of the teacher, 0.5 for a tie."""
    wins: Array = (1 - np.sign(rows["gap"].to_numpy())) / 2
    return wins


def leads_by_order(reviews: pl.DataFrame) -> pl.DataFrame:
    """Return the student's lead over the teacher in each order, of pairs read in both.

    Columns are id, teacher_first, student_first, and gained, the points that the answer shown first
    gains. Identical answers tie, since their scores differ only by the position bias.
    """
    gaps = gaps_by_order(reviews).drop_nulls()
    first, second = (-pl.col(order) for order in ORDERS)
    leads = gaps.select("id", first, second, gained=(second - first) / 2)
    if "identical" not in reviews.columns:
        return leads
    same = pl.col("id").is_in(reviews.filter("identical")["id"].unique().implode())
    return leads.with_columns(
        pl.when(same).then(0.0).otherwise(order).alias(order) for order in ORDERS
    )


def flip_rate(leads: pl.DataFrame) -> float | None:
    """Return the percentage of pairs whose winner changes when the answers change places."""
    first, second = (pl.col(order).sign() for order in ORDERS)
    return _percent(leads.select((first * second < 0).mean()).item())


def position_bias(leads: pl.DataFrame) -> float | None:
    """Return the points that an answer gains by being shown first."""
    bias = leads["gained"].mean()
    return None if bias is None else round(float(bias), 3)  # type: ignore[arg-type]


def _quality(category: str, rows: pl.DataFrame) -> Quality:
    judged = rows.drop_nulls("gap")
    candidate, reference = (judged[side].to_numpy() for side in ("student", "teacher"))
    sums = round(float(candidate.sum()), 2), round(float(reference.sum()), 2)
    if not sums[1]:
        unknown = Interval(nan, nan, nan)
        return Quality(category, rows.height, judged.height, sums, unknown, nan, nan, nan)
    quality = ratio(draws(judged.height), candidate, reference).scaled(100)
    signs = judged["gap"].sign()
    win, tie, lose = (_percent((signs == sign).mean()) or 0.0 for sign in (-1, 0, 1))
    return Quality(category, rows.height, judged.height, sums, quality, win, tie, lose)


def _by_length(
    judged: pl.DataFrame, lengths: pl.DataFrame | None
) -> tuple[Interval | None, tuple[float, float] | None]:
    """Return the win rate at equal length and both mean lengths; None without a known length."""
    if lengths is None:
        return None, None
    rows = judged.select("id", "gap").join(lengths.drop_nulls(), on="id", maintain_order="left")
    if rows.is_empty():
        return None, None
    longer = (rows["student"] - rows["teacher"]).cast(pl.Float64).to_numpy()
    rate = length_controlled(draws(rows.height), _wins(rows), longer).scaled(100)
    student, teacher = rows.select(pl.col("student", "teacher").mean().round(1)).row(0)
    return rate, (student, teacher)


def _percent(share: object) -> float | None:
    return None if share is None else round(100 * float(share), 2)  # type: ignore[arg-type]
