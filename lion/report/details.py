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
        row = row_of(pool.filter(id=parent).head(1)) if parent else None
        if row is None:
            return
        yield row
        parent = row["parent"]


def examinations(
    responses: pl.DataFrame, reviews: pl.DataFrame, scores: pl.DataFrame, *, by: dict[str, str]
) -> list[Row]:
    """Return each round's answer with its scores and replies; `by` is the student's round."""
    scored = {row["round"]: row for row in scores.drop("id").to_dicts()}
    replies = reviews.drop("id")
    return [
        {
            "round": name,
            "by": by.get(name),
            "response": response["answer"],
            **{key: response[key] for key in ("thoughts", "finish_reason")},
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


def detail_of(row: Row, answer: Row | None, exams: list[Row]) -> Row:
    """Return what the dialog shows of an instruction or question, and of any messages before it."""
    messages = [{name: visible(m[name]) for name in ("role", "content")} for m in context_of(row)]
    return {
        "id": row["id"],
        "category": visible(row["category"] or ""),
        "instruction": visible(row["instruction"]),
        "input": visible(row["input"] or ""),
        **({"before": messages} if messages else {}),
        "teacher": answer_of(answer) if answer else None,
        "exams": shown(exams),
    }


def row_of(frame: pl.DataFrame) -> Row | None:
    """Return the last row of a table as a dictionary; None if there is none."""
    return frame.row(-1, named=True) if frame.height else None


def excerpt(row: Row) -> str:
    """Return an instruction with its input on one short line."""
    return brief(f"{row['instruction']} {row['input']}", _EXCERPT)


def kin(row: Row) -> Row:
    """Return a relative of an instruction as the page links to it."""
    return {"id": row["id"], "origin": row["origin"], "round": row["round"], "text": excerpt(row)}


def answer_of(row: Row) -> Row:
    """Return an answer as the page shows it."""
    texts = {name: visible(row[name]) for name in ("finish_reason", "model")}
    figures = {"text": visible(row["answer"]), "tokens": row["completion_tokens"]}
    return texts | figures | _thoughts(row)


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
    texts = {name: visible(row[name]) for name in ("order", "model", "reply")}
    figures = {name: row[name] for name in ("attempt", "teacher", "student")}
    return texts | figures | {"tokens": row["completion_tokens"]}
