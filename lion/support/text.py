"""Text for people: untrusted text trimmed and made safe to display, and plain-text tables."""

import json
import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Any
from unicodedata import category, east_asian_width

Row = dict[str, Any]
# Bidirectional controls, zero-width characters and control characters.
_HIDDEN = re.compile(
    "[\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff\U000e0000-\U000e007f"
    "\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_UNSEEN = re.compile("[\\s\u00ad\u200b-\u200f\u2060\u3164\ufeff]*")  # nothing to see in it
_MARKUP = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}


def visible(text: str) -> str:
    """Return `text` with each invisible character replaced by its name, such as ⟦U+202E⟧."""
    return _HIDDEN.sub(lambda match: f"⟦U+{ord(match[0]):04X}⟧", text.replace("\r\n", "\n"))


def is_unseen(text: str) -> bool:
    """Whether `text` has only blanks and characters without width."""
    return _UNSEEN.fullmatch(text) is not None


def brief(text: str, limit: int) -> str:
    """Return one visible line of at most `limit` columns; wide characters and emoji take two."""
    line = visible(" ".join(text[: 4 * limit].split()))
    widths = accumulate(map(_columns, line))
    fitting = sum(width <= limit for width in widths)
    return line if fitting == len(line) else line[: max(0, fitting - 1)].rstrip() + "…"


def as_json(data: Any) -> str:
    """Return JSON for an HTML script element, which no text in it can close."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_MARKUP)


def table(
    rows: Sequence[Row], columns: Sequence[str], *, markdown: bool = False, missing: str = "-"
) -> str:
    """Format `rows` with a header; numbers are right-aligned, `missing` fills empty cells.

    Cells and column names are made visible, since they may come from a server or a file. On a
    terminal, a column name with a line break has a header of two lines.
    """
    cells = [[_cell(row.get(name), missing) for name in columns] for row in rows]
    numeric = [all(_is_number(row.get(name)) for row in rows) for name in columns]
    if markdown:
        rule = ["---:" if right else "---" for right in numeric]
        lines = [[" ".join(visible(name).split("\n")) for name in columns], rule, *cells]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
    heads = [visible(name).split("\n") for name in columns]
    high = max(map(len, heads))
    raised = zip(*([""] * (high - len(head)) + head for head in heads), strict=True)
    lines = [*map(list, raised), *cells]
    widths = [max(width_of(line[place]) for line in lines) for place in range(len(columns))]
    return "\n".join("  ".join(map(_padded, line, widths, numeric)).rstrip() for line in lines)


def width_of(text: str) -> int:
    """Return the columns that `text` takes on a terminal."""
    return sum(map(_columns, text))


def wrapped(lines: Sequence[str], width: int) -> list[str]:
    """Break lines into lines of at most `width` columns, at spaces where possible."""
    broken = []
    for line in lines:
        while width_of(line) > width:
            fitting = sum(columns <= width for columns in accumulate(map(_columns, line)))
            blank = line.rfind(" ", 1, fitting + 1)
            end = blank if blank > 0 else max(fitting, 1)
            broken.append(line[:end].rstrip())
            line = line[end:].lstrip()
        broken.append(line)
    return broken


def _columns(character: str) -> int:
    """Return the columns of a character: two if wide or an emoji, none if a combining mark."""
    if category(character) in {"Mn", "Me"}:
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def _padded(cell: str, width: int, right: bool) -> str:
    blanks = " " * (width - width_of(cell))
    return blanks + cell if right else cell + blanks


def _cell(value: object, missing: str) -> str:
    if value is None:
        return missing
    return f"{value:,}" if isinstance(value, int) else visible(str(value))


def _is_number(value: object) -> bool:
    """Whether a cell holds a number, a percentage or nothing."""
    if value is None or isinstance(value, int | float):
        return True
    text = str(value).rstrip("%").replace(",", "").lstrip("+-≥≤~ ")
    return text.replace(".", "", 1).isdigit() or str(value) in {"-", "unknown"}


def trimmed(text: str) -> str:
    """Strip a text; one of several lines keeps the indentation of its first, as code needs it.

    A single blank is no indentation: many models begin a reply with one.
    """
    text = without_blank_ends(text)
    return text if "\n" in text and text.startswith(("  ", "\t")) else text.lstrip()


def without_blank_ends(text: str) -> str:
    """Return `text` without blank lines at its ends and without blanks behind its last line."""
    text = text.rstrip()
    blanks = len(text) - len(text.lstrip())
    return text[text.rfind("\n", 0, blanks) + 1 :]
