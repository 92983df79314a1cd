"""Replay: rows of earlier rounds are learnt again beside the new ones.

The paper's train pool is *replaced* in every round, and what a student no longer sees it forgets.
The rows are in the cache pool with the answers that were paid for, so this costs steps alone.
"""

import random

import polars as pl

from lion.pools import usable
from lion.tables import ANSWERED


def with_replay(
    lessons: pl.DataFrame, cache: pl.DataFrame, *, share: float, seed: int, round: str
) -> pl.DataFrame:
    """`lessons` (ANSWERED), and `share` times as many rows of `cache`, the pool before this round.

    Drawn at random, no row twice; a pool that has fewer whole answers gives all of them.
    """
    old = usable(cache)
    count = min(old.height, int(share * lessons.height + 0.5))
    rng = random.Random(f"{seed} {round} replay")
    again = old[sorted(rng.sample(range(old.height), count))]
    return pl.concat([lessons.select(*ANSWERED), again])
