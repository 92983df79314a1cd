"""Replay: train again on rows of earlier rounds, along with the new ones.

The paper *replaces* the train pool in every round, and the student forgets what it no longer sees.
The cache pool has the earlier rows with their answers, so replay costs only training steps.
"""

import random

import polars as pl

from lion.pools.cache import usable, with_rewrites
from lion.pools.tables import ANSWER, from_rows


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
