"""Read files of JSON objects, as a list or one per line, and check their texts.

An InputError names the file, row and key of the first fault.
"""

import codecs
import json
import re
from pathlib import Path
from typing import Any

from lion.pools.seed_fields import DESCRIPTIVE, holds_text
from lion.support.errors import InputError
from lion.support.text import trimmed

MAX_CHARACTERS = 20_000

# NUL ends strings in other programs; half a surrogate pair cannot be written as UTF-8.
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_LISTS = ("data", "rows", "train", "examples", "items", "records", "samples")
_PACKED = {
    "gzip": b"\x1f\x8b",
    "zip": b"PK\3\4",
    "xz": b"\xfd7zXZ",
    "zstd": b"(\xb5/\xfd",
    "bzip2": b"BZh",
}
FORMS = 'expected a JSON list, or one JSON object a line, such as {"instruction": "..."}'


class TooLongError(InputError):
    """A text has more characters than is allowed."""


def read_values(path: Path) -> list[tuple[str, Any]]:
    """Read every JSON value of `path`, a JSON list or JSONL; return (place for messages, value)."""
    text = content_of(path)
    if text.lstrip().startswith("{") and (rows := _rows_under_a_key(path, text)):
        return rows
    if text.lstrip().startswith("["):
        items: list[object] = _parse(text, path, line=1)
        return [(f"{path}, item {n}", item) for n, item in enumerate(items, start=1)]
    # Split at "\n" only: a JSON string may contain the other line ends that splitlines() knows.
    lines = [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
    return [(f"{path}, line {n}", _parse(line, path, line=n)) for n, line in lines]


def _rows_under_a_key(path: Path, text: str) -> list[tuple[str, Any]]:
    """Return the rows of a file that is one object: a list such as `data`, and no other text."""
    try:
        item = _parse(text, path, line=1)
    except InputError:
        return []
    key = next((name for name in _LISTS if isinstance(item.get(name), list)), None)
    known = {key, *DESCRIPTIVE}
    if key is None or holds_text([value for name, value in item.items() if name not in known]):
        return []
    return [(f"{path}, '{key}', item {n}", row) for n, row in enumerate(item[key], start=1)]


def content_of(path: Path) -> str:
    """Return the text of `path`, without a byte order mark; InputError if it is not UTF-8."""
    try:
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a file of instructions") from None
    if packed := next((name for name, mark in _PACKED.items() if data.startswith(mark)), None):
        raise InputError(f"{path}: compressed ({packed}); unpack it, and save a spreadsheet as CSV")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{data[error.start]:02x}"
        raise InputError(f"{path}, line {line}: {byte} is not UTF-8; save it as UTF-8") from None


def _parse(text: str, path: Path, *, line: int) -> Any:
    """Parse the JSON value `text`, which starts at `line` of `path`."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_null)
    except json.JSONDecodeError as error:
        at, why = line + error.lineno - 1, error.msg
    except (ValueError, RecursionError) as error:
        at, why = line, str(error)
    raise InputError(f"{path}, line {at}: not JSON ({why}); {FORMS}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; reject a repeated key, since json would silently drop its first value."""
    item = dict(pairs)
    if len(item) < len(pairs):
        repeated = next(key for key in item if sum(key == other for other, _ in pairs) > 1)
        raise ValueError(f"duplicate key '{repeated}' in one object")
    return item


def _null(_: str) -> None:
    """Read NaN and Infinity, which Python's json writes for a missing value, as null."""


def text_at(
    row: dict[str, Any],
    key: str,
    place: str,
    *,
    required: bool = False,
    limit: int | None = MAX_CHARACTERS,
) -> str:
    """Return the trimmed text at `key`; absent or null is empty, unless `required`.

    TooLongError if it has more than `limit` characters.
    """
    value = row.get(key)
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{place}: '{key}' must be a string, found {value!r:.40}")
    if limit is not None and len(value) > limit:
        size = f"{len(value):,} characters; at most {limit:,} are allowed"
        raise TooLongError(f"{place}: '{key}' has {size}; shorten it or remove the row")
    if unusable := _UNUSABLE.search(value):
        code = f"U+{ord(unusable[0]):04X} at character {unusable.start() + 1}"
        raise InputError(f"{place}: '{key}' contains {code}, which is not text; remove it")
    return trimmed(value)
