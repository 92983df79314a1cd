"""Rewrite: the teacher answers hard instructions again, given the student's answer and its review.

The new answer must not mention either, since the student trains on it without them. The control is
the same number of plain second answers (`blind`).
"""

import polars as pl

from lion.chat import Asks
from lion.imitate.teacher import Row, answers_to, in_context, question_of, request_for
from lion.params import Teacher
from lion.pools.instructions import task_text
from lion.prompts import Message, render


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
