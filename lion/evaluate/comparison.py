"""A candidate against a reference, from live requests or from recorded reviews."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from lion.chat import Asks
from lion.discriminate.scores import Order
from lion.evaluate.judging import judge_answers, orders_of
from lion.evaluate.quality import Summary, summarise
from lion.evaluate.recorded import NO_TOKENS, RecordedReview
from lion.params import Judge
from lion.pools.tables import REVIEW, from_rows
from lion.support.errors import InputError


@dataclass(frozen=True)
class Comparison:
    """A candidate's result; `missing` names the questions that one side did not answer."""

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

    A question that one side did not answer is left out and named, rather than scored 0.
    """
    pairs = pairs_of(questions, answers, reference)
    if not pairs.height:
        raise InputError(f"{name}: no question is answered by both it and the reference")
    reviews = judge_answers(pairs, chat, judge, label=f"evaluate {name}: scores")
    summary = summarise(questions, reviews, orders=orders_of(judge), lengths=lengths_of(pairs))
    return Comparison(name, summary, reviews, _missing(questions, pairs))


def pairs_of(
    questions: pl.DataFrame, answers: pl.DataFrame, reference: pl.DataFrame
) -> pl.DataFrame:
    """Return the questions that both sides answered, with the columns that `review` reads."""
    pairs = questions
    for side, column in ((reference, "answer"), (answers, "response")):
        answered = side.filter(pl.col("answer").str.strip_chars() != "")
        texts = answered.select("id", pl.col("answer").alias(column))
        pairs = pairs.join(texts, on="id", how="inner", maintain_order="left")
    return pairs


def lengths_of(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the lengths of both answers in characters: columns id, student, teacher."""
    student, teacher = (pl.col(name).str.len_chars() for name in ("response", "answer"))
    return pairs.select("id", student=student, teacher=teacher)


def from_recorded(
    name: str,
    questions: pl.DataFrame,
    reviews: Sequence[RecordedReview],
    *,
    place: Literal[1, 2],
    by: Literal["person", "parser"],
    lengths: pl.DataFrame | None = None,
) -> Comparison:
    """Summarise reviews of a candidate in `place`, with the scores read by person or parser."""
    order: Order = "teacher_first" if place == 2 else "student_first"
    sides = ("teacher", "student") if place == 2 else ("student", "teacher")
    same = {"order": order, "attempt": 0, "model": "recorded"}
    rows = []
    for review in reviews:
        scores = review.person if by == "person" else review.parsed
        points = dict(zip(sides, scores or (None, None), strict=True))
        rows.append({"id": review.id, "reply": review.reply, **same, **points, **NO_TOKENS})
    table = from_rows(rows, REVIEW)
    summary = summarise(questions, table, orders=(order,), lengths=lengths)
    return Comparison(name, summary, table, _missing(questions, table))


def _missing(questions: pl.DataFrame, answered: pl.DataFrame) -> list[str]:
    """Return the keys of the questions that are not in `answered`, or their ids without a key."""
    others = questions.join(answered, on="id", how="anti", maintain_order="left")
    return [key or id for key, id in others.select("key", "id").iter_rows()]
