"""Multiple-choice items of AGIEval and BIG-Bench Hard, and the choice that a reply names."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lion.support.errors import InputError

Suite = Literal["agieval", "bbh"]

AGIEVAL = (
    "aqua-rat",
    "logiqa-en",
    "lsat-ar",
    "lsat-lr",
    "lsat-rc",
    "sat-en",
    "sat-en-without-passage",
    "sat-math",
)
# BIG-Bench Hard has 27 files. Four have open answers and are left out: dyck_languages,
# multistep_arithmetic_two, object_counting, word_sorting. What stays is 5,511 items.
BBH = (
    "boolean_expressions",
    "causal_judgement",
    "date_understanding",
    "disambiguation_qa",
    "formal_fallacies",
    "geometric_shapes",
    "hyperbaton",
    "logical_deduction_five_objects",
    "logical_deduction_seven_objects",
    "logical_deduction_three_objects",
    "movie_recommendation",
    "navigate",
    "penguins_in_a_table",
    "reasoning_about_colored_objects",
    "ruin_names",
    "salient_translation_error_detection",
    "snarks",
    "sports_understanding",
    "temporal_sequences",
    "tracking_shuffled_objects_five_objects",
    "tracking_shuffled_objects_seven_objects",
    "tracking_shuffled_objects_three_objects",
    "web_of_lies",
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


def read_items(suite: Suite, folder: Path) -> dict[str, list[Item]]:
    """Read the items of each task from `folder`, as published."""
    if suite == "agieval":
        return {task: _agieval(folder / f"{task}.jsonl") for task in AGIEVAL}
    return {task: _bbh(folder / f"{task}.json") for task in BBH}


def read_hub_items(suite: Suite) -> dict[str, list[Item]]:
    """Read the same items from the Hugging Face hub or its cache."""
    try:
        return _from_hub(suite)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"--{suite} hub: the hub's items cannot be read ({reason}); download the files and "
            "name their folder"
        ) from None


def _from_hub(suite: Suite) -> dict[str, list[Item]]:
    from datasets import load_dataset

    if suite == "agieval":
        return {
            task: [_hub_item(row) for row in load_dataset(f"hails/agieval-{task}", split="test")]
            for task in AGIEVAL
        }
    items = {}
    for task in BBH:
        rows = list(load_dataset("SaylorTwift/bbh", task, split="test"))
        words = sorted({row["target"] for row in rows})
        items[task] = [_bbh_item(row, words) for row in rows]
    return items


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


def named_choice(reply: str, choices: Sequence[str]) -> str | None:
    """Return the choice that `reply` names; None if it names none or several."""
    letters = all(choice in LETTERS for choice in choices)
    one_of = "|".join(map(re.escape, sorted(choices, key=len, reverse=True)))
    marked = rf"[(\[*]*({one_of})[)\]*]*+(?![\w'’])"
    ends = r"(?=\s*(?:\Z|\n|[.:,;!]|[-–—] ))"  # 'A man' does not choose A
    closes = r"(?<=[)\]*])(?!\s*(?:or|and)\b)"
    patterns = (
        rf"(?i:answer|choice|option)(?i:\s+is|\s*[:=])?(?i:\s+option)?\s*:?\s*{marked}",
        rf"\A\s*{marked}(?:{ends}|{closes})",
        rf"\(({one_of})\)" if letters else rf"(?<!\w)(?<!not )({one_of})(?!\w)",
    )
    for pattern in patterns:
        hits = re.finditer(pattern, reply, 0 if letters else re.IGNORECASE)
        named = {hit[1].lower() for hit in hits}
        if len(named) == 1:
            return next(choice for choice in choices if choice.lower() in named)
        if named:
            return None
    return None


def _agieval(path: Path) -> list[Item]:
    lines = _text(path).splitlines()
    return [
        _agieval_item(json.loads(line), f"{path}, line {at}") for at, line in enumerate(lines, 1)
    ]


def _agieval_item(row: dict[str, Any], place: str) -> Item:
    options = _options(row["options"])
    if "".join(sorted(options)) != LETTERS[: len(options)] or row["label"] not in options:
        raise InputError(f"{place}: options {row['options']!r:.80} do not fit label {row['label']}")
    passage = f"{row['passage']}\n\n" if row["passage"] else ""
    return _lettered(f"{passage}{row['question']}", options, row["label"])


def _options(options: list[str]) -> dict[str, str]:
    """Return texts by letter: the option's own, as in '(B) owl', else that of its place."""
    by_letter: dict[str, str] = {}
    for place, option in enumerate(options):
        label = _LABEL.match(option)
        letter = label[1] if label else LETTERS[place]
        by_letter[letter] = option[label.end() :] if label else option
    return by_letter


def _bbh(path: Path) -> list[Item]:
    rows = json.loads(_text(path))["examples"]
    words = sorted({row["target"] for row in rows})
    return [_bbh_item(row, words) for row in rows]


def _bbh_item(row: dict[str, str], words: list[str]) -> Item:
    """Read an item: its choices are letters if it lists options, else the task's `words`."""
    options = _OPTION.findall(row["input"])
    if not options:
        return Item(row["input"], tuple(words), row["target"])
    label = _LABEL.fullmatch(row["target"])
    right = label[1] if label else _letter_of_piece(options, row["target"])
    return Item(row["input"], tuple(letter for letter, _ in options), right)


def _letter_of_piece(options: list[tuple[str, str]], target: str) -> str:
    """Return the letter of the one option that is a piece of `target` and equals no other option.

    In two items of ruin_names, the options were split at the commas of their texts.
    """
    texts = [text for _, text in options]
    pieces = [piece for piece in target.split(", ") if texts.count(piece) == 1]
    return next(letter for letter, text in options if text in pieces)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give the folder as it is published") from None
