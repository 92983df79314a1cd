"""Replay: rows of earlier rounds are learnt again beside the new ones.

The paper's train pool is *replaced* in every round, and what a student no longer sees it forgets.
The rows are in the cache pool with the answers that were paid for, so this costs steps alone.
"""

import random

import polars as pl

from lion.pools.cache import usable


def replayed(cache: pl.DataFrame, count: float, *, seed: int, round: str) -> pl.DataFrame:
    """`count` rows (rounded) of `cache` (ANSWERED), the pool before this round, in its order.

    Drawn at random, no row twice; a pool that has fewer whole answers gives all of them.
    """
    old = usable(cache)
    rng = random.Random(f"{seed} {round} replay")
    return old[sorted(rng.sample(range(old.height), min(old.height, int(count + 0.5))))]
