"""Untrusted text made fit to be seen: nothing in it hides, moves its neighbours or breaks out."""

import json
import re
from itertools import accumulate
from typing import Any
from unicodedata import east_asian_width

# Marks that change the direction of text, characters without width, and control characters.
_HIDDEN = re.compile(
    "[\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff\U000e0000-\U000e007f"
    "\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_MARKUP = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}


def visible(text: str) -> str:
    """`text` with every character that cannot be seen named in its place, such as ⟦U+202E⟧."""
    return _HIDDEN.sub(lambda found: f"⟦U+{ord(found[0]):04X}⟧", text.replace("\r\n", "\n"))


def brief(text: str, limit: int) -> str:
    """One visible line, at most `limit` columns wide; East Asian characters and emoji take two."""
    line = visible(" ".join(text[: 4 * limit].split()))
    widths = accumulate(2 if east_asian_width(character) in "WF" else 1 for character in line)
    fitting = sum(width <= limit for width in widths)
    return line if fitting == len(line) else line[: max(0, fitting - 1)].rstrip() + "…"


def as_json(data: Any) -> str:
    """JSON that may stand inside a script element: no text in it can end that element."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_MARKUP)
