"""Sampling of parents: which instructions generation draws from.

The default is the paper's rule: hard and easy as judged by the referee, every row equally likely.
docs/examination.md explains the rules that pay for fewer verdicts, or for none.
docs/RESULTS.md compares them with the default.
"""

from collections.abc import Sequence
from math import ceil
from typing import Literal

import polars as pl

from lion.params import Sampling
from lion.pools.cache import usable
from lion.pools.instructions import task_texts
from lion.pools.tables import ANSWER_LOSS, INSTRUCTION, from_rows, with_optional
from lion.pools.tokens import opening, pieces

Origin = Literal["hard", "easy"]

OPENING = 3  # words that open an instruction


def sides_of(
    cache: pl.DataFrame,
    scores: pl.DataFrame,
    settings: Sampling,
    *,
    seed: int,
    difficulty: pl.DataFrame | None = None,
) -> dict[Origin, pl.DataFrame]:
    """Split the rows that can be parents into the hard and the easy side.

    The columns are id, instruction, input, system, turns and group.

    `scores` are this round's verdicts (VERDICT). By referee, neither side has unjudged rows; a row
    that was not examined is on the easy side, so that parents stay diverse if few are examined. By
    chance, both sides have every row with a complete answer of the teacher. By loss, the hard side
    is the `settings.top` share of rows with the highest loss in `difficulty` (ANSWER_LOSS; among
    equal losses the lowest ids), and rows without a loss are on neither side. No row is hard if the
    teacher's score is below `settings.teacher_floor`.
    """
    rows = with_optional(cache, INSTRUCTION)
    if settings.by == "chance":
        rows = usable(rows).with_columns(verdict=pl.lit("both"))
    elif settings.by == "loss":
        known = from_rows([], ANSWER_LOSS) if difficulty is None else difficulty
        rows = rows.join(known.drop_nulls("loss"), on="id", maintain_order="left")
        ordered = rows.sort("loss", "id", descending=[True, False])
        top = ordered["id"].head(ceil(round(settings.top * rows.height, 6))).to_list()
        is_hard = pl.when(pl.col("id").is_in(top))
        rows = rows.with_columns(verdict=is_hard.then(pl.lit("hard")).otherwise(pl.lit("easy")))
    else:
        rest = usable(rows).join(scores, on="id", how="anti").select("id", verdict=pl.lit("easy"))
        judged = scores.drop_nulls("gap").select("id", "verdict")
        rows = rows.join(pl.concat([judged, rest]), on="id", maintain_order="left")
    groups = [0] * rows.height
    if settings.over == "clusters":
        groups = clusters(task_texts(rows), settings.clusters, seed=seed)
    rows = rows.with_columns(group=pl.Series(groups, dtype=pl.Int32))
    hard, easy = (rows.filter(pl.col("verdict").is_in([side, "both"])) for side in ("hard", "easy"))
    if settings.teacher_floor is not None:
        low = scores.filter(pl.col("teacher") < settings.teacher_floor)
        hard = hard.join(low, on="id", how="anti", maintain_order="left")
    columns = "id", "instruction", "input", "system", "turns", "group"
    return {"hard": hard.select(columns), "easy": easy.select(columns)}


def clusters(texts: Sequence[str], count: int, *, seed: int) -> list[int]:
    """Cluster texts by their words with k-means, into at most `count` clusters.

    The opening words name the task and count double. Inverse document frequency is left out: it
    would rank rare words, which name the topic, above common ones.
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
