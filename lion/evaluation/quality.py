"""Relative response quality: what the student scores of what the teacher scores."""

import polars as pl

from lion.errors import EmptyError


def relative_quality(scores: pl.DataFrame) -> float:
    """Sum of the student's scores over the sum of the teacher's, in percent, of judged rows."""
    judged = scores.drop_nulls("gap")
    total = judged["teacher"].sum()
    if not total:
        raise EmptyError("evaluate: no judged answer, so there is no relative quality")
    return round(100 * float(judged["student"].sum()) / float(total), 2)


def quality_by_category(scores: pl.DataFrame, questions: pl.DataFrame) -> pl.DataFrame:
    """Columns category, quality (percent), judged and asked (rows), in the questions' order."""
    rows = questions.join(scores, on="id", how="left", maintain_order="left")
    judged = pl.col("gap").is_not_null()
    sums = [pl.col(side).filter(judged).sum() for side in ("student", "teacher")]
    return rows.group_by("category", maintain_order=True).agg(
        (100 * sums[0] / sums[1]).round(2).alias("quality"),
        judged.sum().cast(pl.Int64).alias("judged"),
        pl.len().cast(pl.Int64).alias("asked"),
    )
