"""Files of evaluation questions; the keys of the first row tell the format.

Vicuna's 80, Self-Instruct's 252, WizardLM's test set, the first turns of MT-Bench, Arena-Hard's,
conversations of OpenAI or ShareGPT, whose last question counts, and plain {instruction, input,
category}. Any of them may have a system prompt and earlier turns, as seeds do.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from lion.params import SeedsColumns
from lion.pools.rows import read_values, text_at
from lion.pools.seed_fields import only
from lion.pools.seed_forms import CONTEXT_KEYS, INPUTS, drafts_of
from lion.pools.seeds import Seed, seed_of
from lion.pools.tables import QUESTION, from_rows
from lion.support.errors import InputError

# Keys of a row's own id, in the order tried.
KEYS = ("question_id", "id", "idx", "uid")

# QUESTION, and the file's own id, which recorded answers and reviews refer to.
KEYED = {**QUESTION, "key": pl.String}


@dataclass(frozen=True)
class _Format:
    """A format: the keys that every row has (`marks`), and the keys of its text and category."""

    name: str
    marks: tuple[str, ...]
    text: str
    category: str = "category"


_FORMATS = (
    _Format("Self-Instruct's", ("instruction", "instances"), "instruction", "motivation_app"),
    _Format("plain", ("instruction",), "instruction"),
    _Format("OpenAI's", ("messages",), "messages"),
    _Format("ShareGPT's", ("conversations",), "conversations"),
    _Format("Vicuna's", ("question_id", "text"), "text"),
    _Format("MT-Bench's", ("question_id", "turns"), "turns"),
    _Format("Arena-Hard's", ("uid", "prompt"), "prompt"),
    _Format("WizardLM's", ("Instruction", "Skill"), "Instruction", "Skill"),
)
_CONVERSATIONS = ("messages", "conversations")
_KNOWN = "known formats and their keys: " + ", ".join(
    f"{form.name} ({' and '.join(form.marks)})" for form in _FORMATS
)


def read_questions(path: Path) -> pl.DataFrame:
    """Read the questions in `path` (QUESTION); a question without a category gets `all`."""
    return read_keyed_questions(path).select(*QUESTION)


def read_keyed_questions(path: Path) -> pl.DataFrame:
    """Read the questions with the file's own ids (KEYED), if it has any; none may be repeated."""
    objects = read_values(path)
    if not objects:
        raise InputError(f"{path}: no rows; {_KNOWN}")
    form = _format_of(*objects[0])
    rows = {place: _row(place, raw, form) for place, raw in objects}
    for column in ("id", "key"):
        _check_distinct(rows, column)
    return from_rows([*rows.values()], KEYED)


def own_id(row: dict[str, Any]) -> str | None:
    """Return the row's id in its file."""
    own = next((row[key] for key in KEYS if row.get(key) is not None), None)
    return str(own) if isinstance(own, str | int) else None


def _format_of(place: str, raw: object) -> _Format:
    if isinstance(raw, dict):
        for form in _FORMATS:
            if all(mark in raw for mark in form.marks):
                return form
    keys = ", ".join(map(repr, list(raw)[:6])) if isinstance(raw, dict) else f"{raw!r:.40}"
    raise InputError(f"{place}: unknown format of questions (found {keys}); {_KNOWN}")


def _row(place: str, raw: object, form: _Format) -> dict[str, str | None]:
    missing = [mark for mark in form.marks if not isinstance(raw, dict) or mark not in raw]
    if missing or not isinstance(raw, dict):
        keys = ", ".join(map(repr, missing))
        raise InputError(f"{place}: lacks {keys}; the first row is in {form.name} format")
    seed = _texts(place, raw, form)
    return {
        **seed.columns,
        "category": text_at(raw, form.category, place) or "all",
        "id": seed.id,
        "key": own_id(raw),
    }


def _texts(place: str, raw: dict[str, Any], form: _Format) -> Seed:
    """Read the texts of a row as those of a seed; other keys are ignored."""
    item = {key: raw[key] for key in (form.text, *CONTEXT_KEYS) if key in raw}
    if form.text == "turns":  # the question itself, not the turns before one
        item["turns"] = _only_turn(raw["turns"], place)
    columns = SeedsColumns()
    if form.text not in _CONVERSATIONS:
        item["input"] = _input(place, raw, form)
        columns = SeedsColumns(instruction=form.text)
    [draft] = drafts_of(place, item, columns).drafts
    return seed_of(draft, "ask")


def _input(place: str, row: dict[str, Any], form: _Format) -> str:
    """Return a row's input (Dolly's context), in Self-Instruct's form that of its instance."""
    if "instances" not in form.marks:
        key, text = only(place, {name: (name, row.get(name)) for name in INPUTS}, INPUTS)
        return text_at({key: text}, key, place)
    instances = row["instances"]
    if not isinstance(instances, list) or [type(instance) for instance in instances] != [dict]:
        raise InputError(f"{place}: 'instances' must be a list of one object with 'input'")
    return text_at(instances[0], "input", f"{place}, its instance")


def _only_turn(turns: object, place: str) -> object:
    """Return the only question of a row in MT-Bench's form, a text or {content} as in Arena-Hard's.

    Each further question follows a model's own answer to the one before, and Lion asks only one.
    """
    if not isinstance(turns, list) or len(turns) != 1:
        shown = f"{len(turns)} turns" if isinstance(turns, list) else f"{turns!r:.40}"
        raise InputError(
            f"{place}: 'turns' must be a list of one question, found {shown}; Lion asks one "
            "question per row: keep the first"
        )
    return turns[0].get("content") if isinstance(turns[0], dict) else turns[0]


def _check_distinct(rows: dict[str, dict[str, str | None]], column: str) -> None:
    first: dict[str, str] = {}
    for place, row in rows.items():
        value = row[column]
        if value is not None and first.setdefault(value, place) != place:
            what = "repeats" if column == "id" else f"has the same id ({value}) as"
            raise InputError(f"{place}: {what} {first[value]}; remove one of them")
