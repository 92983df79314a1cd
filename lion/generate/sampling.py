"""Which instructions generation draws its parents from, and how likely each of them is.

The paper's rule: hard and easy as the referee judged, every row as likely as another. The other
settings are there to be measured against it; docs/RESULTS.md tells what came out.
"""

from collections.abc import Sequence
from typing import Literal

import polars as pl

from lion.params import Sampling
from lion.pools.instructions import task_texts

Origin = Literal["hard", "easy"]

# A row never weighs nothing: what looks hopeless in one round may be learnt in the next.
_FLOOR = 0.1
OPENING = 3  # words that open an instruction


def sides_of(
    cache: pl.DataFrame,
    scores: pl.DataFrame,
    before: pl.DataFrame,
    settings: Sampling,
    *,
    seed: int,
) -> dict[Origin, pl.DataFrame]:
    """The hard and the easy side: columns id, instruction, input, group, weight.

    `scores` and `before` are the verdicts (VERDICT) of this round and of the one before, the
    latter empty in the first. The unjudged are on neither side, and so is what would be hard but
    for a teacher below its floor; `by: chance` puts all that were judged on both.
    """
    judged = cache.join(scores.drop_nulls("gap"), on="id", maintain_order="left").with_columns(
        group=pl.lit(0), weight=pl.lit(1.0)
    )
    if settings.over == "clusters" or settings.weight in _BY_CLUSTER:
        texts = task_texts(judged)
        labels = clusters(texts, settings.clusters, seed=seed)
        judged = judged.with_columns(group=pl.Series(labels, dtype=pl.Int32))
    if settings.weight != "none":
        judged = judged.join(
            before.select("id", gap_before="gap"), on="id", how="left", maintain_order="left"
        ).with_columns(weight=_WEIGHTS[settings.weight]().clip(_FLOOR))
    if settings.over == "rows":
        judged = judged.with_columns(group=pl.lit(0))
    return _parted(judged, settings)


def clusters(texts: Sequence[str], count: int, *, seed: int) -> list[int]:
    """A cluster for each text, from its words alone: k-means, at most `count` clusters.

    The words that open an instruction say what is asked and count double. No inverse document
    frequency: it would raise the rare words, which are the topic, above the common ones.
    """
    from sklearn.cluster import KMeans
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

    distinct = len(set(texts))
    if distinct < 2:
        return [0] * len(texts)
    words = {"use_idf": False, "sublinear_tf": True, "token_pattern": r"\S+"}
    vectors = FeatureUnion(
        [
            ("opening", TfidfVectorizer(preprocessor=_opening, **words)),
            ("whole", TfidfVectorizer(**words)),
        ],
        transformer_weights={"opening": 2, "whole": 1},
    )
    means = KMeans(n_clusters=min(count, distinct), n_init=1, random_state=seed)
    return [int(label) for label in means.fit_predict(vectors.fit_transform(texts))]


def _opening(text: str) -> str:
    return " ".join(text.lower().split()[:OPENING])


def _parted(judged: pl.DataFrame, settings: Sampling) -> dict[Origin, pl.DataFrame]:
    rows = judged.select("id", "instruction", "input", "group", "weight", "verdict", "teacher")
    if settings.by == "chance":
        return {"hard": rows, "easy": rows}
    hard = rows.filter(verdict="hard")
    if settings.teacher_floor is not None:
        hard = hard.filter(pl.col("teacher") >= settings.teacher_floor)
    easy = rows.filter(verdict="easy").with_columns(weight=pl.lit(1.0))
    return {"hard": hard, "easy": easy}


def _gap() -> pl.Expr:
    """A row weighs its gap."""
    return pl.col("gap")


def _learnable() -> pl.Expr:
    """A row weighs what the gap of rows like it shrank by since the round before.

    Single rows move by luck, their cluster's mean does not. Without a round before, all weigh 1.
    """
    shrunk = (pl.col("gap_before") - pl.col("gap")).mean().over("group")
    return pl.when(pl.col("gap_before").is_null().all()).then(1.0).otherwise(shrunk.fill_null(0))


def _frontier() -> pl.Expr:
    """A row weighs 4 p (1 - p), p being how many of the rows like it are hard.

    That is most where the student is right half of the time, and nothing where it always is or
    never: where it could learn, by the verdicts of this round alone.
    """
    p = (pl.col("verdict") == "hard").mean().over("group")
    return 4 * p * (1 - p)


_WEIGHTS = {"gap": _gap, "learnable": _learnable, "frontier": _frontier}
_BY_CLUSTER = {"learnable", "frontier"}  # these look at rows of like text
