"""Replay: train on rows of earlier rounds again, beside the new ones.

The paper *replaces* the train pool in every round, and the student forgets what it no longer sees.
The cache pool has these rows with their paid answers, so replay costs only training steps.
"""

import random

import polars as pl

from lion.pools.cache import usable


def replayed(cache: pl.DataFrame, count: float, *, seed: int, round: str) -> pl.DataFrame:
    """Draw `count` (rounded) distinct rows of `cache` (ANSWERED), the pool before this round.

    They keep the pool's order. A pool with fewer complete answers gives all of them.
    """
    old = usable(cache)
    rng = random.Random(f"{seed} {round} replay")
    return old[sorted(rng.sample(range(old.height), min(old.height, int(count + 0.5))))]
