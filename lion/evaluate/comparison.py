"""A candidate against a reference: pairs, reviews, summary; and the same from recorded reviews."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from lion.chat import Asks
from lion.discriminate.scores import Order
from lion.evaluate.judging import judge_answers, orders_of
from lion.evaluate.quality import Summary, summarise
from lion.evaluate.recorded import RecordedReview
from lion.params import Judge
from lion.pools.tables import REVIEW, from_rows
from lion.support.errors import InputError


@dataclass(frozen=True)
class Comparison:
    """What came of it; `missing` are the questions that one side did not answer, by their ids."""

    name: str
    summary: Summary
    reviews: pl.DataFrame  # REVIEW
    missing: list[str]


def compare(
    name: str,
    questions: pl.DataFrame,
    answers: pl.DataFrame,
    reference: pl.DataFrame,
    chat: Asks,
    judge: Judge,
) -> Comparison:
    """Judge `answers` against those of the reference, both ANSWER, on `questions` (KEYED).

    What one side did not answer is left out and named: it is not worth 0.
    """
    pairs = pairs_of(questions, answers, reference)
    missing = questions.join(pairs, on="id", how="anti", maintain_order="left")
    if not pairs.height:
        raise InputError(f"{name}: no question is answered by both it and the reference")
    reviews = judge_answers(pairs, chat, judge, label=f"evaluate {name}: scores")
    lengths = pairs.select(
        "id", student=pl.col("response").str.len_chars(), teacher=pl.col("answer").str.len_chars()
    )
    summary = summarise(questions, reviews, orders=orders_of(judge), lengths=lengths)
    return Comparison(name, summary, reviews, _names(missing))


def pairs_of(
    questions: pl.DataFrame, answers: pl.DataFrame, reference: pl.DataFrame
) -> pl.DataFrame:
    """The questions that both sides answered, as `review` wants them."""
    is_answered = pl.col("answer").str.strip_chars() != ""
    return questions.join(
        reference.filter(is_answered).select("id", "answer"),
        on="id",
        how="inner",
        maintain_order="left",
    ).join(
        answers.filter(is_answered).select("id", response="answer"),
        on="id",
        how="inner",
        maintain_order="left",
    )


def from_recorded(
    name: str,
    questions: pl.DataFrame,
    reviews: Sequence[RecordedReview],
    *,
    place: Literal[1, 2],
    by: Literal["person", "parser"],
    lengths: pl.DataFrame | None = None,
) -> Comparison:
    """The summary of recorded reviews; the candidate was shown in `place`, in this order alone.

    The scores are what a `person` read in the reply, or what our `parser` reads.
    """
    order: Order = "teacher_first" if place == 2 else "student_first"
    rows = []
    for review in reviews:
        scores = review.person if by == "person" else review.parsed
        first, second = scores or (None, None)
        sides = (first, second) if place == 2 else (second, first)
        review_row = {"id": review.id, "order": order, "attempt": 0, "reply": review.reply}
        counts = {"prompt_tokens": 0, "completion_tokens": 0}
        rows.append(
            {**review_row, **counts, "model": "recorded", "teacher": sides[0], "student": sides[1]}
        )
    table = from_rows(rows, REVIEW)
    summary = summarise(questions, table, orders=(order,), lengths=lengths)
    missing = questions.join(table, on="id", how="anti", maintain_order="left")
    return Comparison(name, summary, table, _names(missing))


def _names(questions: pl.DataFrame) -> list[str]:
    """What the questions are called: by the file, or by us."""
    return [key or id for key, id in questions.select("key", "id").iter_rows()]
