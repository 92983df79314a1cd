"""The keys of a seed row: their names in Lion, and the treatment of keys that hold other text.

No key that holds text is silently dropped: a form reads it, `seeds_columns` maps or ignores it, or
the row is rejected.
"""

from dataclasses import dataclass
from typing import Any

from lion.params.pools import SeedsColumns
from lion.support.errors import InputError

# Keys that describe a row, in files of any form, and cannot be part of its task.
DESCRIPTIVE = {
    *("id", "idx", "index", "uid", "uuid", "question_id", "prompt_id"),
    "conversation_id",
    *("category", "categories", "tags", "dataset", "split", "license", "model", "finish_reason"),
    *("timestamp", "created_at", "updated_at", "origin", "parent", "round", "version"),
}
THOUGHTS = ("thoughts", "reasoning_content", "reasoning", "thinking")  # before an output
MAP = "map it in seeds_columns, or list it there under ignore"

Fields = dict[str, tuple[str, Any]]  # by Lion's name of a key: the file's name and the value
Turn = tuple[str, tuple[str, Any]]  # role, and its text as (key in the file, value)


@dataclass(frozen=True)
class Draft:
    """One seed before its texts are checked: each text as (key in the file, value).

    `turns` are the earlier turns of its conversation, each with its role, and `talk` is their key.
    """

    place: str
    instruction: tuple[str, Any]
    input: tuple[str, Any] = ("input", None)
    output: tuple[str, Any] = ("output", None)
    system: tuple[str, Any] = ("system", None)
    turns: tuple[Turn, ...] = ()
    talk: str = ""
    model: str | None = None  # that wrote the output, if the row names it
    thoughts: tuple[str, Any] = ("thoughts", None)


def fields_of(place: str, item: dict[Any, Any], columns: SeedsColumns) -> Fields:
    """Return the values by Lion's names for their keys, without keys that `columns` ignores."""
    names = columns.names
    fields: Fields = {}
    for key, value in item.items():
        if key in columns.ignore:
            continue
        if key not in names and key in names.values():  # another key has its name
            refuse_rest(place, {"": (key, value)}, ())
        else:
            fields[names.get(key, key)] = (key, value)
    return fields


def refuse_rest(place: str, fields: Fields, read: tuple[str, ...]) -> None:
    """Raise InputError for the first key with text that is neither in `read` nor descriptive."""
    for name, (key, value) in fields.items():
        known = name in read or (name == key and key in DESCRIPTIVE)
        if not known and holds_text(value) and not _is_rendering(key, value, fields):
            raise InputError(f"{place}: unused key {key!r:.40} holds text; {MAP}")


def holds_text(value: object) -> bool:
    """Whether a value contains text other than a number, at any depth."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
        elif part and isinstance(part, bytes | str) and not _is_blank_or_number(part):
            return True
    return False


def _is_blank_or_number(text: bytes | str) -> bool:
    try:
        float(text.strip() or "0")
    except ValueError:
        return False
    return True


def _is_rendering(key: str, value: object, fields: Fields) -> bool:
    """Whether a column repeats texts that have columns of their own.

    `text` in Alpaca's tables holds all other texts in one prompt; `prompt` in UltraChat's and
    others holds the first question.
    """
    if key == "prompt" and isinstance(messages := fields.get("messages", ("", None))[1], list):
        contents = [turn.get("content") for turn in messages if isinstance(turn, dict)]
        return isinstance(value, str) and value.strip() in [str(text).strip() for text in contents]
    parts = [fields.get(name, ("", None))[1] for name in ("instruction", "input", "output")]
    texts = [part for part in parts if part]
    return (
        key == "text"
        and isinstance(value, str)
        and len(texts) > 1
        and all(isinstance(text, str) and text in value for text in texts)
    )


def only(place: str, fields: Fields, names: tuple[str, ...]) -> tuple[str, Any]:
    """Return the field among `names` that is not empty; InputError if two are not."""
    there = [fields[name] for name in names if name in fields]
    full = [field for field in there if field[1] not in (None, "", [])]
    if len(full) > 1:
        raise InputError(f"{place}: both '{full[0][0]}' and '{full[1][0]}' hold text; {MAP}")
    return (full or there or [(names[0], None)])[0]


def model_of(fields: Fields) -> str | None:
    _, model = fields.get("model", ("", None))
    return model.strip() or None if isinstance(model, str) else None
