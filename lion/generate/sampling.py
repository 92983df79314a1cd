"""Sampling of parents: which instructions generation draws from.

The paper's rule is the default: hard and easy as judged by the referee, every row equally likely.
docs/RESULTS.md compares the other settings with it.
"""

from collections.abc import Sequence
from typing import Literal

import polars as pl

from lion.params import Sampling
from lion.pools.cache import usable
from lion.pools.instructions import task_texts
from lion.pools.tables import INSTRUCTION, with_optional
from lion.pools.tokens import opening, pieces

Origin = Literal["hard", "easy"]

OPENING = 3  # words that open an instruction


def sides_of(
    cache: pl.DataFrame, scores: pl.DataFrame, settings: Sampling, *, seed: int
) -> dict[Origin, pl.DataFrame]:
    """Split the rows that can be parents into the hard and the easy side.

    The columns are id, instruction, input, system, turns and group.

    `scores` are this round's verdicts (VERDICT). Neither side has unjudged rows, nor hard rows on
    which the teacher scores below its floor. `by: chance` needs no verdicts: both sides have every
    row that the teacher answered whole.
    """
    rows = with_optional(cache, INSTRUCTION)
    if settings.by == "chance":
        rows = usable(rows)
    else:
        rows = rows.join(scores.drop_nulls("gap"), on="id", maintain_order="left")
    groups = [0] * rows.height
    if settings.over == "clusters":
        groups = clusters(task_texts(rows), settings.clusters, seed=seed)
    rows = rows.with_columns(group=pl.Series(groups, dtype=pl.Int32))
    if settings.by == "chance":
        hard = easy = rows
    else:
        hard, easy = (rows.filter(verdict=verdict) for verdict in ("hard", "easy"))
    if settings.teacher_floor is not None:
        hard = hard.filter(pl.col("teacher") >= settings.teacher_floor)
    columns = "id", "instruction", "input", "system", "turns", "group"
    return {"hard": hard.select(columns), "easy": easy.select(columns)}


def clusters(texts: Sequence[str], count: int, *, seed: int) -> list[int]:
    """Cluster texts by their words with k-means, into at most `count` clusters.

    The opening words name the task and count double. There is no inverse document frequency: it
    would rank rare words, which are the topic, above common ones.
    """
    from sklearn.cluster import KMeans
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

    distinct = len(set(texts))
    if distinct < 2:
        return [0] * len(texts)
    words = {"use_idf": False, "sublinear_tf": True}
    vectors = FeatureUnion(
        [
            ("opening", TfidfVectorizer(analyzer=lambda text: opening(text, OPENING), **words)),
            ("whole", TfidfVectorizer(analyzer=lambda text: pieces(text.lower()), **words)),
        ],
        transformer_weights={"opening": 2, "whole": 1},
    )
    means = KMeans(n_clusters=min(count, distinct), n_init=1, random_state=seed)
    return [int(label) for label in means.fit_predict(vectors.fit_transform(texts))]
