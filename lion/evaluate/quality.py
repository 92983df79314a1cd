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

    Shares and rates are in percent. A win counts 1, a tie one half. `flip_rate` and
    `position_bias` (points that the answer shown first gains) are None if the judge saw only one
    order; `length` (characters) and `length_controlled` are None if the answers are unknown.
    """

    total: Quality
    categories: list[Quality]
    win_rate: Interval
    length_controlled: Interval | None
    flip_rate: float | None
    position_bias: float | None
    length: tuple[float, float] | None  # the candidate's, the reference's


def quality_by_category(scores: pl.DataFrame, questions: pl.DataFrame) -> pl.DataFrame:
    """Return columns category, quality (percent), judged and asked, in the questions' order.

    The quality of a category without a judged question is null.
    """
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

    `lengths` has id, student and teacher, in characters. EmptyError if nothing was judged, or if
    the reference's scores sum to 0.
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
    measured = _measured(judged, lengths)
    leads = leads_by_order(reviews)
    both = len(orders) == len(ORDERS)
    names = rows["category"].unique(maintain_order=True)
    return Summary(
        total=_quality(ALL, rows),
        categories=[_quality(name, rows.filter(category=name)) for name in names],
        win_rate=mean(draws(judged.height), wins_of(judged)).scaled(100),
        length_controlled=None if measured is None else _controlled(measured),
        flip_rate=flip_rate(leads) if both else None,
        position_bias=position_bias(leads) if both else None,
        length=None if measured is None else _mean_lengths(measured),
    )


def wins_of(rows: pl.DataFrame) -> Array:
    """Return 1 for a win of the student, 0 for one of the teacher, 0.5 for a tie."""
    wins: Array = (1 - np.sign(rows["gap"].to_numpy())) / 2
    return wins


def leads_by_order(reviews: pl.DataFrame) -> pl.DataFrame:
    """Return the student's lead (its score minus the teacher's) in each order.

    Only pairs with readable replies in both orders count. The columns are id, teacher_first,
    student_first, and gained, the points that the answer shown first gains. Identical answers tie,
    since their scores differ only by the position bias.
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


def _measured(judged: pl.DataFrame, lengths: pl.DataFrame | None) -> pl.DataFrame | None:
    """Return the judged rows with known lengths (gap, student, teacher), or None without any."""
    if lengths is None:
        return None
    both = judged.select("id", "gap").join(lengths.drop_nulls(), on="id", how="inner")
    return both if both.height else None


def _controlled(rows: pl.DataFrame) -> Interval:
    longer = (rows["student"] - rows["teacher"]).cast(pl.Float64).to_numpy()
    return length_controlled(draws(rows.height), wins_of(rows), longer).scaled(100)


def _mean_lengths(rows: pl.DataFrame) -> tuple[float, float]:
    student, teacher = rows.select(pl.col("student", "teacher").mean().round(1)).row(0)
    return student, teacher


def _percent(share: object) -> float | None:
    return None if share is None else round(100 * float(share), 2)  # type: ignore[arg-type]
