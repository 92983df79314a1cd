"""No regular expression of the library takes exponential time on a text that a model may send."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType

import pytest
import regex

import lion

HEAVY = ("lion.student", "lion.export", "lion.oracle.make_base")  # import torch
REPEATS = 60
WORDS = 8  # of a pattern


def _modules() -> Iterator[ModuleType]:
    for module in pkgutil.walk_packages(lion.__path__, "lion."):
        if not module.name.startswith(HEAVY) and not module.name.endswith("__main__"):
            yield importlib.import_module(module.name)


def _patterns() -> dict[str, re.Pattern[str]]:
    """Return each compiled pattern of a module by its name; equal ones once."""
    found: dict[str, re.Pattern[str]] = {}
    for module in _modules():
        for value in vars(module).values():
            if isinstance(value, re.Pattern | regex.Pattern) and isinstance(value.pattern, str):
                found.setdefault(value.pattern, value)
    return found


def _units(pattern: str) -> set[str]:
    """Return words and signs that a pattern is about, with a blank or without."""
    words = sorted({*re.findall(r"[^\W\d_]{2,}", pattern)})
    signs = "*_#-\"'<>[]()=|:.,! \t\n0a"
    return {
        *signs,
        *(f"{word} " for word in words[:: len(words) // WORDS + 1]),
        "** ",
        "# ",
        "more ",
    }


@pytest.mark.timeout(120)
def test_repeats_of_any_word_take_no_exponential_time() -> None:
    patterns = _patterns()
    assert len(patterns) > 50
    for text, pattern in patterns.items():
        for unit in _units(text):
            for begin in ("", "Here is a "):
                sample = f"{begin}{unit * REPEATS}\x00"
                pattern.match(sample)
                pattern.search(sample)
