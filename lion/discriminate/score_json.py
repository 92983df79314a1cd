"""Scores in a JSON object, such as `{"assistant_1": 8, "assistant_2": 6}`."""

import json
import re
from typing import Any

from lion.discriminate.score_lines import ASSISTANT_KEY, ByAssistant

_KEYS = ("assistant_1", "assistant_2")
_MOST = 20_000  # characters of an object after the evidence
_LAST = re.compile(r"\n(?:```(?:json)?\n)?(\{[^{}]*\})(?:\n```)?\s*\Z")
_TEXT_SCORE = re.compile(r"((?:10|[1-9])(?:\.[0-9]+)?)(?: ?/ ?10)?")


def json_behind(body: str) -> tuple[str, str]:
    """Return the evidence and the JSON object after it, fenced or not; both empty without one."""
    if body.startswith("{"):
        return "", body
    last = _LAST.search(body, max(0, len(body) - _MOST))
    return (body[: last.start()].strip(), last[1]) if last else ("", "")


def json_fields(text: str) -> list[tuple[str, Any]]:
    """Return the names and values of `text` if it is one JSON object, else nothing."""
    try:
        fields = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return []
    return fields if isinstance(fields, list) else []


def json_scores(fields: list[tuple[str, Any]]) -> ByAssistant:
    """Return the scores under the assistants' keys, in any language; none if one is not unique."""
    fields = [(canonical_key(name), value) for name, value in fields]
    values = [_number(value_of(fields, key)) for key in _KEYS]
    if not all(_is_score(value) for value in values):
        return {}
    return {place: float(value) for place, value in enumerate(values, start=1)}


def canonical_key(name: str) -> str:
    """Translate a key such as `Assistant 1` or `助手1` to the prompt's; leave others alone."""
    key = ASSISTANT_KEY.fullmatch(re.sub(r"^\[[0-9a-f]{6,}\] ?", "", name))
    return _KEYS[int(key[1]) - 1] if key else name


def has_mark(body: str) -> bool:
    """Return whether `body` is a JSON object with a mark."""
    return any(name == "mark" for name, _ in json_fields(body))


def value_of(fields: list[tuple[str, Any]], key: str) -> Any:
    """Return the value under `key`; None unless it is there exactly once."""
    values = [value for name, value in fields if name == key]
    return values[0] if len(values) == 1 else None


def _number(value: Any) -> Any:
    """Return the number that a text such as "8" holds; other values as they are."""
    number = isinstance(value, str) and _TEXT_SCORE.fullmatch(value)
    return float(number[1]) if number else value


def _is_score(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 10
