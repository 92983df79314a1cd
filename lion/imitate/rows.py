"""The rows that a round learns from beside the new ones: replayed, rewritten and contrasted ones.

The paper *replaces* the train pool in every round, and the student forgets what it no longer sees.
The cache pool has the earlier rows with their answers, so replay costs only training steps.
"""

import random

import polars as pl

from lion.params import Contrast, Rewrite
from lion.pools.cache import usable, with_rewrites
from lion.pools.tables import ANSWER, from_rows

_OF_STUDENT = ("response", "response_ending", "response_thoughts")


def replayed(
    cache: pl.DataFrame,
    count: float,
    *,
    seed: int,
    round: str,
    rewrites: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Draw `count` (rounded) distinct rows of `cache` (ANSWERED), the pool before this round.

    They keep the pool's order. A pool with fewer complete answers gives all of them. Rows with a
    new answer in `rewrites` (ANSWER) are always included, since it was paid for.
    """
    new = usable(from_rows([], ANSWER) if rewrites is None else rewrites)
    old = usable(with_rewrites(cache, new))
    paid = old["id"].is_in(new["id"].to_list())
    first, others = paid.arg_true().to_list(), (~paid).arg_true().to_list()
    wanted = max(0, int(count + 0.5) - len(first))
    rng = random.Random(f"{seed} {round} replay")
    drawn = rng.sample(others, min(len(others), wanted))
    return old[sorted([*first, *drawn])]


def rows_to_rewrite(
    cache: pl.DataFrame,
    responses: pl.DataFrame,
    reviews: pl.DataFrame,
    scores: pl.DataFrame,
    settings: Rewrite,
    *,
    seed: int,
    round: str,
) -> pl.DataFrame:
    """Draw `settings.share` of the round's hard rows, in the order of `cache` (ANSWERED).

    They have the student's `response`, a readable `review` of it, and its `number` in the review.
    """
    first = pl.col("order") == "teacher_first"
    readable = reviews.drop_nulls(["teacher", "student"]).sort(~first, maintain_order=True)
    evidence = readable.unique("id", keep="first", maintain_order=True).select(
        "id", review="reply", number=pl.when(first).then(pl.lit("2")).otherwise(pl.lit("1"))
    )
    rows = _hard(cache, scores, responses.select("id", response="answer"), evidence)
    count = int(settings.share * rows.height + 0.5)
    rng = random.Random(f"{seed} {round} rewrite")
    return rows[sorted(rng.sample(range(rows.height), count))]


def pairs_of(
    cache: pl.DataFrame,
    responses: pl.DataFrame,
    scores: pl.DataFrame,
    settings: Contrast,
    *,
    seed: int,
    round: str,
) -> pl.DataFrame:
    """Return the round's hard rows with both answers, in the order of `cache` (ANSWERED).

    The columns are those of ANSWERED and the student's `response`, `response_thoughts` and
    `response_ending`. Rows whose response is empty, or equal to the teacher's answer, are left out.
    """
    answers = responses.select(
        "id", response="answer", response_ending="finish_reason", response_thoughts="thoughts"
    ).filter(pl.col("response").str.strip_chars() != "")
    rows = _hard(cache, scores, answers)
    if settings.wrong == "other":
        rows = _exchanged(rows, random.Random(f"{seed} {round} contrast"))
    return rows.filter(pl.col("response").str.strip_chars() != pl.col("answer").str.strip_chars())


def _hard(cache: pl.DataFrame, scores: pl.DataFrame, *more: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with a hard verdict in `scores` (VERDICT) and the columns of `more`."""
    hard = scores.filter(pl.col("gap").is_finite(), verdict="hard").select("id")
    rows = usable(cache)
    for frame in (hard, *more):
        rows = rows.join(frame, on="id", how="inner", maintain_order="left")
    return rows


def _exchanged(rows: pl.DataFrame, rng: random.Random) -> pl.DataFrame:
    """Give each row the student's answer to another row; a single row is dropped."""
    if rows.height < 2:
        return rows.clear()
    ring = rng.sample(range(rows.height), rows.height)
    giver = dict(zip(ring, [*ring[1:], ring[0]], strict=True))
    given = rows.select(_OF_STUDENT)[[giver[row] for row in range(rows.height)]]
    return rows.drop(_OF_STUDENT).hstack(given)
