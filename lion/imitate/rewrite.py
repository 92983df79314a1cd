"""Rewrite: the teacher answers hard instructions again, given the student's answer and its review.

The new answer must not mention either, since the student trains on it without them. The control is
the same number of plain second answers (`blind`).
"""

import random

import polars as pl

from lion.chat import Asks
from lion.imitate.teacher import Row, answers_to, in_context, question_of, request_for
from lion.params import Rewrite, Teacher
from lion.pools.cache import usable
from lion.pools.instructions import task_text
from lion.prompts import Message, render


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
    hard = scores.filter(pl.col("gap").is_finite(), verdict="hard").select("id")
    rows = usable(cache).join(hard, on="id", how="semi", maintain_order="left")
    for more in (responses.select("id", response="answer"), evidence):
        rows = rows.join(more, on="id", how="inner", maintain_order="left")
    count = int(settings.share * rows.height + 0.5)
    rng = random.Random(f"{seed} {round} rewrite")
    return rows[sorted(rng.sample(range(rows.height), count))]


def rewrite(
    rows: pl.DataFrame, chat: Asks, settings: Teacher, *, blind: bool, label: str, round: str
) -> pl.DataFrame:
    """Return a new answer (ANSWER) to each of `rows`; its finish_reason marks a cut or refused one.

    Thoughts are kept only if `blind`: others are about an answer that the student never sees.
    """
    ask = question_of if blind else _correction
    requests = [
        request_for(row, ask(row), settings, "rewrite", round) for row in rows.iter_rows(named=True)
    ]
    learns = blind and settings.thoughts == "learn"
    return answers_to(requests, chat, settings, label=label, learns=learns)


def _correction(row: Row) -> tuple[Message, ...]:
    """Return a row's conversation; the last message shows the task, the answer and its review."""
    prompt = render(
        "rewrite.txt",
        task=task_text(row["instruction"], row["input"]),
        answer=row["response"],
        review=row["review"],
        number=row["number"],
    )
    return in_context(row, prompt)
