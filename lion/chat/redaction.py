"""Removal of the API key from servers' texts, which are made safe to display."""

import base64
import json
import re
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from urllib.parse import quote, quote_plus

from lion.chat.types import Reply
from lion.prompts.marks import pack_beside, unpack_beside
from lion.support.text import visible

_WINDOW = 6  # consecutive characters of a key that count as a part of it
_MOST = 10_000  # characters of a text that are shown
_LONG = 16  # characters; a text contains no key this long by chance
_HIDDEN = "<API key>"


def safe_line(text: str, key: str) -> str:
    """Return `text` as one visible line in which no part of `key` can be read.

    A server may echo the key whole, cut, or encoded for a URL or a header.
    """
    line = " ".join(text[:_MOST].split())
    size = min(_WINDOW, len(key))
    if size <= 4:  # no key; "none" is the placeholder
        return visible(line)
    windows = {form[at : at + size] for form in _forms(key) for at in range(len(form) - size + 1)}
    lower = line.lower() if len(line.lower()) == len(line) else line
    secret = [False] * len(line)
    for at in range(len(line) - size + 1):
        if lower[at : at + size] in windows:
            secret[at : at + size] = [True] * size
    runs = groupby(zip(line, secret, strict=True), key=itemgetter(1))
    pieces = (_HIDDEN if hidden else "".join(c for c, _ in run) for hidden, run in runs)
    return visible("".join(pieces))


def without_key(reply: Reply, key: str) -> Reply:
    """Return `reply` without `key`: its text loses whole keys, its other fields any part of one."""
    model, finish = (safe_line(name, key) for name in (reply.model, reply.finish_reason))
    parts = unpack_beside(reply.text)
    if len(key) >= _LONG:
        whole = "|".join(re.escape(form) for form in sorted(_forms(key), key=len, reverse=True))
        beside, text = (re.sub(whole, _HIDDEN, part, flags=re.IGNORECASE) for part in parts)
        parts = beside, text
    return replace(reply, text=pack_beside(*parts), model=model, finish_reason=finish)


def _forms(key: str) -> set[str]:
    """Return the ways in which a server may write `key`, in lower case."""
    percent = "".join(f"%{byte:02x}" for byte in key.encode())
    escaped = "".join(f"\\u{ord(character):04x}" for character in key)
    encoded = [base64.b64encode(f"{before}{key}".encode()).decode() for before in ("", ":", "a:")]
    quoted = [quote(key, safe=""), quote_plus(key), percent]
    forms = {key, json.dumps(key)[1:-1], escaped, *quoted, *(quote(form) for form in quoted)}
    return {form.lower() for form in (*forms, *encoded, key[::-1])}
