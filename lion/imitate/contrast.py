"""Contrast, first half: a round's pairs of the teacher's answer and the student's wrong one."""

import random

import polars as pl

from lion.params import Contrast
from lion.pools.cache import usable

_OF_STUDENT = ("response", "response_ending", "response_thoughts")


def pairs_of(
    cache: pl.DataFrame,
    responses: pl.DataFrame,
    scores: pl.DataFrame,
    settings: Contrast,
    *,
    seed: int,
    round: str,
) -> pl.DataFrame:
    """Return the hard rows of `scores` (VERDICT) with both answers, in the order of `cache`.

    The columns are those of ANSWERED and the student's `response`, `response_thoughts` and
    `response_ending`. Rows whose response is empty, or equal to the teacher's answer, are left out.
    """
    hard = scores.filter(pl.col("gap").is_finite(), verdict="hard").select("id")
    answers = responses.select(
        "id", response="answer", response_ending="finish_reason", response_thoughts="thoughts"
    ).filter(pl.col("response").str.strip_chars() != "")
    rows = usable(cache).join(hard, on="id", how="semi", maintain_order="left")
    rows = rows.join(answers, on="id", how="inner", maintain_order="left")
    if settings.wrong == "other":
        rows = _exchanged(rows, random.Random(f"{seed} {round} contrast"))
    return rows.filter(pl.col("response").str.strip_chars() != pl.col("answer").str.strip_chars())


def _exchanged(rows: pl.DataFrame, rng: random.Random) -> pl.DataFrame:
    """Give each row the student's answer to another row; a single row is dropped."""
    if rows.height < 2:
        return rows.clear()
    ring = rng.sample(range(rows.height), rows.height)
    giver = dict(zip(ring, [*ring[1:], ring[0]], strict=True))
    given = rows.select(_OF_STUDENT)[[giver[row] for row in range(rows.height)]]
    return rows.drop(_OF_STUDENT).hstack(given)
