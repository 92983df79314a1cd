"""Recorded answers and reviews, matched to the questions by id."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from lion.discriminate.verdicts import parse_scores
from lion.evaluate.questions import KEYS, own_id
from lion.pools.rows import read_values, text_at
from lion.pools.tables import ANSWER, from_rows
from lion.prompts.marks import answer_alone
from lion.support.errors import InputError

_Ids = dict[tuple[str, str | None], list[str]]  # of questions, by instruction and input
_NO_INPUT = re.compile(r"\A<no ?input>\Z", re.IGNORECASE)  # Self-Instruct's, empty in a question
_TEXTS = ("answer", "text", "output")  # keys of the answer in a file of answers, in the order tried
NO_TOKENS = {"prompt_tokens": 0, "completion_tokens": 0}  # they are not recorded


@dataclass(frozen=True)
class RecordedReview:
    """A judge's raw reply on answers 1 and 2 to a question, and what a person read in it."""

    id: str
    key: str
    reply: str
    parsed: tuple[float, float] | None
    person: tuple[float, float] | None


def read_answers(path: Path, questions: pl.DataFrame) -> pl.DataFrame:
    """Read recorded answers (ANSWER) to `questions` (KEYED), without their thoughts.

    Leave out empty answers, and those whose thoughts cannot be separated. Match rows by the file's
    ids or, where it has none (as in AlpacaEval's files), by instruction and input.
    """
    rows: dict[str, dict[str, Any]] = {}
    by_key, by_texts = _by_key(questions), _by_texts(questions)
    asked = dict(questions.select("id", "instruction").iter_rows())
    for place, row in read_values(path):
        text, key = _text(place, _unwrapped(row), _TEXTS), own_id(row)
        id = by_key.get(key) if key is not None else _question_of(place, row, by_texts)
        if id is None:
            continue
        if id in rows:
            raise InputError(f"{place}: a second answer to question {key or id}; remove one")
        answer = answer_alone(text, asked=asked[id])
        if answer.strip():
            rows[id] = {
                "id": id,
                "answer": answer,
                "finish_reason": "stop",
                "model": str(row.get("model_id") or path.stem),
                **NO_TOKENS,
            }
    if not rows:
        raise InputError(
            f"{path}: answers none of the {questions.height} questions; {_why(by_key)}"
        )
    return from_rows([rows[id] for id in questions["id"] if id in rows], ANSWER)


def read_reviews(path: Path, questions: pl.DataFrame) -> list[RecordedReview]:
    """Read a judge's replies: {question_id, text, score}, where a person's `score` is optional."""
    by_key = _by_key(questions)
    reviews: dict[str, RecordedReview] = {}
    for place, row in read_values(path):
        text, key = _text(place, row, ("text", "reply")), own_id(row)
        if key is None or key not in by_key:
            raise InputError(f"{place}: reviews question {key}, unknown here; {_why(by_key)}")
        if key in reviews:
            raise InputError(f"{place}: a second review of question {key}; remove one")
        person = _scores(place, row.get("score"))
        reviews[key] = RecordedReview(by_key[key], key, text, parse_scores(text), person)
    if not reviews:
        raise InputError(f"{path}: no reviews; expected JSONL of {{question_id, text}}")
    return list(reviews.values())


def _text(place: str, row: object, names: Iterable[str]) -> str:
    if isinstance(row, dict):
        for name in names:
            if isinstance(row.get(name), str):
                return str(row[name])
    raise InputError(f"{place}: no text under {' or '.join(map(repr, names))}; found {row!r:.60}")


def _unwrapped(row: object) -> object:
    """Unwrap the first answer of a row in FastChat's form, {choices: [{turns: [answer, ...]}]}."""
    try:
        first = row["choices"][0]["turns"][0]  # type: ignore[index]
    except (KeyError, IndexError, TypeError):
        return row
    return {"answer": first.get("content") if isinstance(first, dict) else first}


def _by_key(questions: pl.DataFrame) -> dict[str, str]:
    return dict(questions.drop_nulls("key").select("key", "id").iter_rows())


def _by_texts(questions: pl.DataFrame) -> _Ids:
    """Return ids by (instruction, input), and by (instruction, None) for answers without input."""
    ids: _Ids = defaultdict(list)
    for id, instruction, input in questions.select("id", "instruction", "input").iter_rows():
        ids[instruction, input].append(id)
        ids[instruction, None].append(id)
    return ids


def _question_of(place: str, row: dict[str, Any], ids: _Ids) -> str | None:
    """Return the id of the question with the row's texts, or None; InputError if several fit."""
    if "instruction" not in row:
        raise InputError(f"{place}: no id ({', '.join(KEYS)}) and no 'instruction'; add one")
    instruction = text_at(row, "instruction", place, required=True, limit=None)
    input = _NO_INPUT.sub("", text_at(row, "input", place, limit=None))
    matches = ids.get((instruction, input), []) if row.get("input") is not None else []
    if not matches and not input:
        matches = ids.get((instruction, None), [])
    if len(matches) > 1:
        raise InputError(
            f"{place}: {len(matches)} questions have these texts; add 'input', or the question's id"
        )
    return matches[0] if matches else None


def _scores(place: str, scores: object) -> tuple[float, float] | None:
    """Return a person's scores; None without any, or for FastChat's mark of a failed parse."""
    if scores is None or scores == [-1, -1]:
        return None
    pair = scores if isinstance(scores, list) else []
    if [type(score) in (int, float) and 0 <= score <= 10 for score in pair] == [True, True]:
        return float(pair[0]), float(pair[1])
    raise InputError(
        f"{place}: 'score' must be two numbers from 0 to 10, or [-1, -1] if unjudged; "
        f"found {scores!r:.40}"
    )


def _why(by_key: dict[str, str]) -> str:
    if not by_key:
        return f"the questions have no ids ({', '.join(KEYS)}): add them to the question file"
    return f"its questions are called {', '.join(list(by_key)[:3])}, ..."
