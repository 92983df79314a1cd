"""Multiple-choice items of AGIEval and BIG-Bench Hard."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lion.pools.rows import content_of, read_values, text_at
from lion.support.errors import InputError

Suite = Literal["agieval", "bbh"]

AGIEVAL = (
    *("aqua-rat", "logiqa-en", "lsat-ar", "lsat-lr", "lsat-rc"),
    *("sat-en", "sat-en-without-passage", "sat-math"),
)
# BIG-Bench Hard has 27 files. Four have open answers and are left out: dyck_languages,
# multistep_arithmetic_two, object_counting, word_sorting. What stays is 5,511 items.
BBH = (
    *("boolean_expressions", "causal_judgement", "date_understanding", "disambiguation_qa"),
    *("formal_fallacies", "geometric_shapes", "hyperbaton", "logical_deduction_five_objects"),
    *("logical_deduction_seven_objects", "logical_deduction_three_objects"),
    *("movie_recommendation", "navigate", "penguins_in_a_table"),
    *("reasoning_about_colored_objects", "ruin_names", "salient_translation_error_detection"),
    *("snarks", "sports_understanding", "temporal_sequences"),
    *("tracking_shuffled_objects_five_objects", "tracking_shuffled_objects_seven_objects"),
    *("tracking_shuffled_objects_three_objects", "web_of_lies"),
)
LETTERS = "ABCDEFGHIJKLMNOPQR"

_LABEL = re.compile(r"\(([A-R])\)\s*")
_OPTION = re.compile(r"^\(([A-R])\) (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Item:
    """A question with its choices: letters, or words such as True and False."""

    question: str
    choices: tuple[str, ...]
    right: str

    @property
    def texts(self) -> list[str]:
        """The texts of the lettered choices, in their order; none for words."""
        listed = dict(_OPTION.findall(self.question))
        return [listed[letter] for letter in self.choices if letter in listed]


def read_items(suite: Suite, folder: Path) -> dict[str, list[Item]]:
    """Read the items of each task from `folder`, as published."""
    if suite == "agieval":
        return {task: _task(folder / f"{task}.jsonl", _agieval) for task in AGIEVAL}
    return {task: _task(folder / f"{task}.json", _bbh) for task in BBH}


def read_hub_items(suite: Suite) -> dict[str, list[Item]]:
    """Read the same items from the Hugging Face hub or its cache."""
    from datasets import load_dataset

    try:
        if suite == "bbh":
            sets = {task: load_dataset("SaylorTwift/bbh", task, split="test") for task in BBH}
            return {task: _bbh_items(list(rows)) for task, rows in sets.items()}
        sets = {task: load_dataset(f"hails/agieval-{task}", split="test") for task in AGIEVAL}
        return {task: [_hub_item(row) for row in rows] for task, rows in sets.items()}
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"--{suite} hub: the hub's items cannot be read ({reason}); download the files and "
            "name their folder"
        ) from None


def _hub_item(row: dict[str, Any]) -> Item:
    """Read an item of the hub's AGIEval, without the options and the prompt that end its query."""
    question = re.split(r"\n?Answer Choices:", row["query"])[0].removeprefix("Q: ")
    return _lettered(question, _options(row["choices"]), LETTERS[row["gold"][0]])


def _lettered(question: str, options: dict[str, str], right: str) -> Item:
    listed = [f"({letter}) {text}" for letter, text in sorted(options.items())]
    return Item("\n".join([question, *listed]), tuple(sorted(options)), right)


def chance(items: Sequence[Item]) -> float:
    """Return the accuracy of guessing, in percent."""
    return 100 * sum(1 / len(item.choices) for item in items) / len(items)


def _task(path: Path, read: Callable[[Path], list[Item]]) -> list[Item]:
    if not path.exists():
        raise InputError(f"{path}: no such file; give the folder as it is published")
    if items := read(path):
        return items
    raise InputError(f"{path}: no items; give the file as it is published")


def _agieval(path: Path) -> list[Item]:
    return [_agieval_item(row, place) for place, row in read_values(path)]


def _agieval_item(row: Any, place: str) -> Item:
    _check(row, place, ("question", "label"), others=("passage", "options"))
    given = row["options"]
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        raise InputError(f"{place}: 'options' must be a list of strings, found {given!r:.40}")
    options = _options(given[: len(LETTERS)])
    fits = len(options) == len(given) and "".join(sorted(options)) == LETTERS[: len(given)]
    if not fits or row["label"] not in options:
        raise InputError(f"{place}: options {given!r:.80} do not fit label {row['label']:.20}")
    passage = f"{row['passage']}\n\n" if row["passage"] else ""
    return _lettered(f"{passage}{row['question']}", options, row["label"])


def _check(row: Any, place: str, required: Sequence[str], others: Sequence[str] = ()) -> None:
    """Check that `row` has all keys, and text under those that are `required` and in a passage."""
    missing = [key for key in (*required, *others) if not isinstance(row, dict) or key not in row]
    if missing:
        keys = ", ".join(map(repr, missing))
        raise InputError(f"{place}: lacks {keys}; give the file as it is published")
    for key in required:
        text_at(row, key, place, required=True, limit=None)
    text_at(row, "passage", place, limit=None)


def _options(options: list[str]) -> dict[str, str]:
    """Return texts by letter: the option's own, as in '(B) owl', else that of its place."""
    by_letter: dict[str, str] = {}
    for place, option in enumerate(options):
        label = _LABEL.match(option)
        letter = label[1] if label else LETTERS[place]
        by_letter[letter] = option[label.end() :] if label else option
    return by_letter


def _bbh(path: Path) -> list[Item]:
    try:
        whole = json.loads(content_of(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); give the file as it is published") from None
    rows = whole.get("examples") if isinstance(whole, dict) else None
    if not isinstance(rows, list):
        raise InputError(f"{path}: no list 'examples'; give the file as it is published")
    placed = [(f"{path}, example {at}", row) for at, row in enumerate(rows, start=1)]
    for place, row in placed:
        _check(row, place, ("input", "target"))
    items = _bbh_items(rows)
    for (place, row), item in zip(placed, items, strict=True):
        if item.right not in item.choices:
            raise InputError(f"{place}: target {row['target']!r:.40} is none of its options")
    return items


def _bbh_items(rows: list[dict[str, str]]) -> list[Item]:
    """Return a task's items: the choices are letters if options are listed, else all targets."""
    words = tuple(sorted({row["target"] for row in rows}))
    items = []
    for question, target in ((row["input"], row["target"]) for row in rows):
        options = _OPTION.findall(question)
        letters = tuple(letter for letter, _ in options)
        right = _right_letter(options, target) if options else target
        items.append(Item(question, letters or words, right))
    return items


def _right_letter(options: list[tuple[str, str]], target: str) -> str:
    """Return the letter that `target` is, or that of the only option that is a piece of it, or "".

    In two items of ruin_names, the options were split at the commas of their texts.
    """
    if label := _LABEL.fullmatch(target):
        return label[1]
    texts = [text for _, text in options]
    pieces = [piece for piece in target.split(", ") if texts.count(piece) == 1]
    return next((letter for letter, text in options if text in pieces), "")
