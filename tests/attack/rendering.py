"""How a referee may quote a text: unchanged, or as a reader would see it."""

import html
import re
import unicodedata


def as_seen(text: str) -> str:
    """Return `text` without markup and look-alikes, in ASCII digits."""
    plain = re.sub(r"<[^<>\n]{0,80}>", "", html.unescape(text))
    plain = unicodedata.normalize("NFKC", re.sub(r"[*_`~\\]", "", plain))
    kept = (char for char in plain if unicodedata.category(char) not in {"Cf", "Mn"})
    return "".join(_digit(char) for char in kept)


def _digit(char: str) -> str:
    return f"{unicodedata.decimal(char)}" if char.isdecimal() else char
