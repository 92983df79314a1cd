"""The oracle's task families: their tasks can be written as text, read back, and solved.

A task is a list of words or numbers and an operation on it. Wordings are short and lists long, so
that two tasks of one family differ enough for the novelty filter.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from lion.oracle.words import NUMBERS, THEMES

Items = tuple[str, ...]
MIN_ITEMS, MAX_ITEMS = 3, 20
DRAWN_ITEMS = (4, 7)  # least and most items of the lists that the oracle writes
INPUT_SHARE = 0.2  # share of the tasks it writes that have the list in Alpaca's `input`
_ITEM = re.compile(r"[^\W\d_]+|\d{1,9}")


@dataclass(frozen=True, kw_only=True)
class Family:
    """One type of task. `wordings` open its text; `lists` says which items it works on."""

    name: str
    wordings: tuple[str, ...]
    solve: Callable[[Items], Items]
    lists: str = "any"  # any | words | numbers

    def suits(self, theme: str) -> bool:
        """Whether the task makes sense for lists of this theme."""
        return self.lists == "any" or (self.lists == "numbers") == (theme == NUMBERS)

    def accepts(self, items: Items) -> bool:
        """Whether the task makes sense for exactly these items."""
        if self.lists == "any":
            return True
        return all(item.isdecimal() == (self.lists == "numbers") for item in items)


@dataclass(frozen=True, kw_only=True)
class Task:
    """A family and the list that its operation applies to."""

    family: Family
    items: Items

    def answer(self) -> str:
        """Return the only right answer."""
        return " ".join(self.family.solve(self.items))


def _family(
    name: str, solve: Callable[[Items], Items], *wordings: str, lists: str = "any"
) -> Family:
    return Family(name=name, wordings=wordings, solve=solve, lists=lists)


def _each(change: Callable[[str], str], items: Items) -> Items:
    return tuple(change(item) for item in items)


def _numbered(items: Items) -> Items:
    return tuple(part for place, item in enumerate(items, 1) for part in (str(place), item))


# From common to rare: the seeds are drawn by Zipf's law in this order. The student can learn them
# by copying, choosing and inserting, except the last two; `capitals` it hardly learns.
FAMILIES = (
    _family("last", lambda x: x[-1:], "Last one", "Name the last"),
    _family("reverse", lambda x: x[::-1], "Reverse", "Turn around"),
    _family("drop-first", lambda x: x[1:], "Drop the first", "Without the first"),
    _family("count", lambda x: (str(len(x)),), "Count", "How many"),
    _family("capitals", lambda x: _each(str.upper, x), "Capitals", "Shout", lists="words"),
    _family("second", lambda x: x[1:2], "Second one", "Name the second"),
    _family("ends", lambda x: (x[0], x[-1]), "Both ends", "First and last"),
    _family("rotate", lambda x: x[1:] + x[:1], "Rotate", "Move the first to the end"),
    _family("drop-last", lambda x: x[:-1], "Drop the last", "Without the last"),
    _family("twice", lambda x: x + x, "Say twice", "Repeat"),
    _family("number", _numbered, "Number them", "Give each a number"),
    _family("third", lambda x: x[2:3], "Third one", "Name the third"),
    _family("swap-ends", lambda x: x[-1:] + x[1:-1] + x[:1], "Swap the ends", "Trade the ends"),
    _family("stutter", lambda x: tuple(y for y in x for _ in "12"), "Stutter", "Each one twice"),
    _family("sort", lambda x: tuple(sorted(x)), "Sort by alphabet", "A to Z", lists="words"),
    _family("sum", lambda x: (str(sum(map(int, x))),), "Add up", "Total", lists="numbers"),
)
_BY_WORDING = {wording.lower(): family for family in FAMILIES for wording in family.wordings}


def read(text: str) -> Task | None:
    """Read the task in `text` (`WORDING: LIST`, or the list below); None if no family matches."""
    head, mark, rest = re.sub(r"[:.?]?\s*\n\s*\n", ": ", text.strip(), count=1).partition(": ")
    family = _BY_WORDING.get(" ".join(head.lower().split()))
    items = tuple(rest.split())
    if not mark or family is None or not MIN_ITEMS <= len(items) <= MAX_ITEMS:
        return None
    if not all(_ITEM.fullmatch(item) for item in items) or not family.accepts(items):
        return None
    return Task(family=family, items=items)


def draw(rng: random.Random, family: Family, theme: str, *, length: int | None = None) -> Task:
    """Draw a task of `family` with `length` different words of `theme`."""
    count = length or rng.randint(*DRAWN_ITEMS)
    return Task(family=family, items=tuple(rng.sample(THEMES[theme], count)))


def write(rng: random.Random, task: Task) -> tuple[str, str]:
    """Write `task` as an instruction and an input (mostly empty), in a random wording."""
    wording = rng.choice(task.family.wordings)
    listed = " ".join(task.items)
    if rng.random() < INPUT_SHARE:
        return f"{wording}:", listed
    return f"{wording}: {listed}", ""
