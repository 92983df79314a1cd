"""What was said on one instruction or question: answers, replies, and words that changed."""

from difflib import SequenceMatcher
from typing import Any

import polars as pl

from lion.pools.instructions import context_of
from lion.support.text import brief, visible

Row = dict[str, Any]
_EXCERPT = 160  # columns of an instruction in a list


def examinations(
    responses: pl.DataFrame, reviews: pl.DataFrame, scores: pl.DataFrame, *, by: dict[str, str]
) -> list[Row]:
    """Return each round's answer to one instruction or question with its scores and replies.

    `by` maps a round to that of the student who answered. `parts` marks the words that changed
    since the answer before.
    """
    scored = {row["round"]: row for row in scores.to_dicts()}
    exams, last = [], None
    for response in responses.iter_rows(named=True):
        name = response["round"]
        score = scored.get(name, {})
        exams.append(
            {
                "round": name,
                "by": by.get(name, "?"),
                "parts": changed(last, response["answer"]),
                "finish_reason": visible(response["finish_reason"]),
                **_thoughts(response),
                **{key: score.get(key) for key in ("teacher", "student", "gap", "verdict")},
                "reviews": [_review(row) for row in reviews.filter(round=name).to_dicts()],
            }
        )
        last = response["answer"]
    return exams


def changed(before: str | None, after: str) -> list[tuple[str, bool]]:
    """Split `after` into parts, each marked as new or not; a first answer has no new parts."""
    if before is None or before == after:
        return [(visible(after), False)]
    old, new = before.split(" "), after.split(" ")
    parts = []
    for kind, _, _, start, end in SequenceMatcher(None, old, new).get_opcodes():
        if start < end:
            parts.append((visible(" ".join(new[start:end])), kind != "equal"))
    return parts


def before_of(row: Row) -> Row:
    """Return the system prompt and earlier turns of an instruction, if it has any."""
    messages = [{name: visible(m[name]) for name in ("role", "content")} for m in context_of(row)]
    return {"before": messages} if messages else {}


def excerpt(row: Row) -> str:
    """Return an instruction with its input on one short line."""
    return brief(f"{row['instruction']} {row['input']}", _EXCERPT)


def kin(row: Row) -> Row:
    """Return a relative of an instruction as the page links to it."""
    return {"id": row["id"], "origin": row["origin"], "round": row["round"], "text": excerpt(row)}


def answer_of(row: Row) -> Row:
    """Return an answer as the page shows it."""
    return {
        "text": visible(row["answer"]),
        "finish_reason": visible(row["finish_reason"]),
        "model": visible(row["model"]),
        **_thoughts(row),
    }


def _thoughts(row: Row) -> Row:
    return {"thoughts": visible(row["thoughts"])} if row["thoughts"] else {}


def _review(row: Row) -> Row:
    return {
        "order": visible(row["order"]),
        "attempt": row["attempt"],
        "model": visible(row["model"]),
        "teacher": row["teacher"],
        "student": row["student"],
        "reply": visible(row["reply"]),
    }
