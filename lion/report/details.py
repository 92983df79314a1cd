"""Details of one instruction or question: answers, replies, and words that changed."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

import polars as pl

from lion.pools.instructions import context_of
from lion.support.text import brief, visible

Row = dict[str, Any]
_EXCERPT = 160  # columns of an instruction in a list


def ancestors(pool: pl.DataFrame, parent: str | None, most: int) -> Iterator[Row]:
    """Yield the rows of `parent`, of its parent, and so on, `most` at most."""
    for _ in range(most):
        matches = pool.filter(id=parent).head(1).to_dicts() if parent else []
        yield from matches
        parent = matches[0]["parent"] if matches else None


def examinations(
    responses: pl.DataFrame, reviews: pl.DataFrame, scores: pl.DataFrame, *, by: dict[str, str]
) -> list[Row]:
    """Return each round's answer to one instruction or question, with its scores and replies.

    `by` maps a round to the round of the student that answered.
    """
    scored = {row["round"]: row for row in scores.drop("id").to_dicts()}
    replies = reviews.drop("id")
    return [
        {
            "round": name,
            "by": by.get(name),
            "response": response["answer"],
            "thoughts": response["thoughts"],
            "finish_reason": response["finish_reason"],
            "reviews": replies.filter(round=name).drop("round").to_dicts(),
            **scored.get(name, {"verdict": None}),
        }
        for response in responses.to_dicts()
        if (name := response["round"])
    ]


def shown(exams: list[Row]) -> list[Row]:
    """Return examinations as the page shows them; `parts` marks words new in an answer."""
    before = [None, *(exam["response"] for exam in exams)]
    return [
        {
            "round": exam["round"],
            "by": exam["by"] or "?",
            "parts": changed(last, exam["response"]),
            "finish_reason": visible(exam["finish_reason"]),
            **_thoughts(exam),
            **{key: exam.get(key) for key in ("teacher", "student", "gap", "verdict")},
            "note": _note(exam["reviews"]),
            "reviews": [_review(row) for row in exam["reviews"]],
        }
        for exam, last in zip(exams, before, strict=False)
    ]


def changed(before: str | None, after: str) -> list[tuple[str, bool]]:
    """Split `after` into parts, each with whether it is new; a first answer has no new parts."""
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
        "tokens": row["completion_tokens"],
        **_thoughts(row),
    }


def _thoughts(row: Row) -> Row:
    return {"thoughts": visible(row["thoughts"])} if row["thoughts"] else {}


def _note(reviews: list[Row]) -> str:
    """Return a note on an unusual verdict: identical answers, or only one order."""
    if any(row.get("identical") for row in reviews):
        return "Both answers are identical: a tie, whatever the scores."
    if len({row["order"] for row in reviews}) == 1:
        return "Asked in one order only."
    return ""


def _review(row: Row) -> Row:
    return {
        "order": visible(row["order"]),
        "attempt": row["attempt"],
        "model": visible(row["model"]),
        "teacher": row["teacher"],
        "student": row["student"],
        "tokens": row["completion_tokens"],
        "reply": visible(row["reply"]),
    }
