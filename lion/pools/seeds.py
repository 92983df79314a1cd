"""The user's seed instructions, read from any of the known forms and checked."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from lion.params import Params
from lion.params.pools import SeedsAnswers, SeedsColumns, SeedsTooLong, SeedsTurns
from lion.params.roles import Thoughts
from lion.pools.instructions import (
    Task,
    conversation_text,
    instruction_id,
    task_of,
    task_text,
    turns_text,
)
from lion.pools.rows import FORMS, MAX_CHARACTERS, TooLongError, text_at
from lion.pools.seed_fields import Draft
from lion.pools.seed_files import Item, is_saved_dataset, read_items
from lion.pools.seed_forms import drafts_of
from lion.pools.tables import ANSWER, from_rows, without_unused
from lion.prompts import Message
from lion.prompts.marks import has_marks, split_thoughts, thoughts_alone, without_end_marks
from lion.support.errors import InputError
from lion.support.text import is_unseen

# An empty input in Self-Instruct and similar sets, and in tables
_NO_INPUT = {
    *("<noinput>", "<noinput/>", "<no input>", "[no input]", "no input", "无输入", "入力なし"),
    *("nan", "null", "none", "n/a"),
}
_COLUMNS = ("instruction", "input", "system", "turns")


@dataclass(frozen=True)
class Seed:
    """One seed: its texts, trimmed, and its own answer, empty if it has none."""

    place: str  # "FILE, line 3"
    instruction: str
    input: str
    answer: str
    model: str | None  # that wrote the answer, if the row names it
    system: str | None = None  # system prompt
    turns: str | None = None  # earlier turns, as JSON in the column of this name
    thoughts: str = ""  # before its answer, if they have a key of their own

    @property
    def columns(self) -> dict[str, Any]:
        """Return the texts that determine the id, by column."""
        return {name: getattr(self, name) for name in _COLUMNS}

    @property
    def id(self) -> str:
        """Return the id of its instruction, input, system prompt and earlier turns."""
        return instruction_id(**self.columns)

    @property
    def task(self) -> Task:
        """Return the text or conversation that a model is asked."""
        return task_of(self.columns)


@dataclass
class Seeds:
    """Distinct seeds in file order, the number of duplicates, and the rows that were left out."""

    seeds: dict[str, Seed] = field(default_factory=dict)  # by id
    duplicates: int = 0
    too_long: list[str] = field(default_factory=list)  # why each row was left out
    forms: dict[str, int] = field(default_factory=dict)  # rows by the name of their form
    unused: set[str] = field(default_factory=set)  # keys that no form read

    @property
    def frame(self) -> pl.DataFrame:
        """Return the columns instruction and input, and system and turns if a seed has any."""
        rows = [seed.columns for seed in self.seeds.values()]
        return without_unused(from_rows(rows, dict.fromkeys(_COLUMNS, pl.String)))

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Return the place and the text of each seed."""
        return [(s.place, task_text(s.instruction, s.input)) for s in self.seeds.values()]

    @property
    def left_out(self) -> str:
        """Return how many seeds were too long and which was the first; empty without any."""
        count = len(self.too_long)
        return f"{count} too long and left out, first {self.too_long[0]}" if count else ""

    def kept(
        self, answers: SeedsAnswers, source: str, *, thoughts: Thoughts = "drop"
    ) -> pl.DataFrame:
        """Return the seeds' own answers (ANSWER) if `answers` is keep, none if it is ask.

        The model is the one that the row names, with the file's name `source`. No request was made,
        so token counts are null. Thoughts are cut off, and kept beside the answer if `thoughts` is
        learn. An answer that cannot be separated from its thoughts is left out: the teacher must
        answer that seed.
        """
        rows = []
        for seed in self.seeds.values() if answers == "keep" else ():
            # As in a reply, marks in a system prompt ask for thoughts; they are not quoted.
            quotes = any(map(has_marks, (seed.instruction, seed.input, seed.turns or "")))
            parts = split_thoughts(seed.answer, quotes=quotes)
            if parts.clear and (answer := without_end_marks(parts.answer, quotes=quotes)):
                model = f"{seed.model} in {source}" if seed.model else source
                known = {"id": seed.id, "answer": answer, "model": model, "finish_reason": "stop"}
                own = dict.fromkeys(filter(None, (seed.thoughts, thoughts_alone(parts.thoughts))))
                text = "\n\n".join(own) if thoughts == "learn" else None
                rows.append(dict.fromkeys(ANSWER) | known | {"thoughts": text or None})
        return from_rows(rows, ANSWER)

    def add(self, seed: Seed) -> None:
        """Add a seed; among equals keep the first, with the first answer that any of them has."""
        known = self.seeds.setdefault(seed.id, seed)
        self.duplicates += known is not seed
        if seed.answer and not known.answer:
            self.seeds[seed.id] = replace(seed, place=known.place)


@dataclass(frozen=True)
class Text:
    """The task of one row: earlier turns, instruction and input; a row may have several."""

    place: str  # "FILE, line 3", or "FILE, line 3, instance 2"
    task: str
    row: dict[str, Any]


def seeds_of(params: Params, path: Path) -> Seeds:
    """Read the seeds in `path` with the options of `params`."""
    return read_seeds(
        path,
        columns=params.seeds_columns,
        too_long=params.seeds_too_long,
        answers=params.seeds_answers,
        turns=params.seeds_turns,
    )


def read_seeds(
    path: Path,
    *,
    columns: SeedsColumns | None = None,
    too_long: SeedsTooLong = "refuse",
    answers: SeedsAnswers = "ask",
    turns: SeedsTurns = "refuse",
) -> Seeds:
    """Read the seeds in `path`; InputError names the place and key of the first fault.

    If `answers` is ask, a row's own answer is dropped unless it is text; if keep, it must be text.
    If `turns` is last, the last question of a conversation is the seed, after its earlier turns.
    The default is refuse, since earlier turns make every request longer for a single answer.
    """
    columns = columns or SeedsColumns()
    seeds = Seeds()
    for place, item in _items(path, columns):
        form, drafts, unused = drafts_of(place, item, columns)
        seeds.unused |= unused
        seeds.forms[form.name] = seeds.forms.get(form.name, 0) + 1
        for draft in drafts:
            try:
                _check_turns(draft, turns)
                seeds.add(seed_of(draft, answers))
            except TooLongError as error:
                if too_long == "refuse":
                    raise
                seeds.too_long.append(error.message)
    if not seeds.seeds:
        raise InputError(f"{path}: no rows; {seeds.left_out or FORMS}")
    return seeds


def read_texts(path: Path, columns: SeedsColumns | None = None) -> list[Text]:
    """Read the texts of a file of seeds, or of a folder of JSONL files, such as a cache pool.

    Unlike with `read_seeds`, duplicates stay, and a file may be empty.
    """
    columns, files = columns or SeedsColumns(), [path]
    if path.is_dir() and not is_saved_dataset(path) and not (files := sorted(path.glob("*.jsonl"))):
        raise InputError(f"{path}: no .jsonl file in this folder; give a pool")
    texts = []
    for place, row in (item for file in files for item in _items(file, columns)):
        for draft in drafts_of(place, row, columns).drafts:
            seed = seed_of(draft, "ask")
            texts.append(Text(seed.place, conversation_text(seed.columns), row))
    return texts


def seed_of(draft: Draft, answers: SeedsAnswers) -> Seed:
    """Check the texts of a draft and return its seed; InputError names the place and key."""
    key, place = draft.instruction[0], draft.place
    instruction = _text(draft.instruction, place, required=True)
    if is_unseen(instruction):
        raise InputError(f"{place}: '{key}' is empty; fill it in or remove the row")
    input = _text(draft.input, place)
    input = "" if input.lower() in _NO_INPUT or is_unseen(input) else input
    try:
        answer = _text(draft.output, place, limit=None)
        thoughts = _text(draft.thoughts, place, limit=None)
    except InputError:
        if answers == "keep":
            raise
        answer = thoughts = ""  # the teacher will answer instead
    answer = "" if is_unseen(answer) else answer
    system, turns = _text(draft.system, place) or None, turns_text(_turns(draft))
    return Seed(place, instruction, input, answer, draft.model, system, turns, thoughts)


def _check_turns(draft: Draft, turns: SeedsTurns) -> None:
    if draft.turns and turns == "refuse":
        raise InputError(
            f"{draft.place}: '{draft.talk}' has {len(draft.turns) // 2 + 1} questions; set "
            "seeds_turns: last to ask the last one after the earlier turns, or remove the row"
        )


def _turns(draft: Draft) -> list[Message]:
    """Return the earlier turns as messages, without the thoughts of their answers."""
    messages = []
    for role, turn in draft.turns:
        text = _text(turn, draft.place, required=True)
        parts = split_thoughts(text) if role == "assistant" else None
        text = parts.answer if parts and parts.clear else text
        if not text:
            raise InputError(f"{draft.place}: '{draft.talk}' has an empty turn; remove the row")
        messages.append({"role": role, "content": text})
    if (size := sum(len(message["content"]) for message in messages)) > MAX_CHARACTERS:
        raise TooLongError(
            f"{draft.place}: the earlier turns in '{draft.talk}' have {size:,} characters; at most "
            f"{MAX_CHARACTERS:,} are allowed; shorten or remove the row"
        )
    return messages


def _text(field: tuple[str, Any], place: str, **options: Any) -> str:
    key, value = field
    return text_at({key: value}, key, place, **options)


def _items(path: Path, columns: SeedsColumns) -> list[Item]:
    """Read rows; InputError for a mapped key that none has: a misspelling would lose its texts."""
    items = read_items(path)
    keys = {key for _, item in items if isinstance(item, dict) for key in item}
    if keys and (lost := next((key for key in columns.names if key not in keys), None)):
        shown = ", ".join(f"{other!r:.40}" for other in sorted(keys, key=str)[:5])
        mapped = f"seeds_columns.{columns.names[lost]}"
        raise InputError(f"{path}: no row has the key '{lost}' of {mapped} (found: {shown})")
    return items
