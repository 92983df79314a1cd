"""The forms of seed rows: which keys hold the instruction, its input and its answer.

No key that holds text is dropped in silence: a form reads it, `seeds_columns` maps or ignores
it, or the row is refused.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from lion.params.pools import SeedsColumns
from lion.pools.rows import text_at
from lion.support.errors import InputError

# Keys that describe a row and cannot be part of its task, in files of any form.
DESCRIPTIVE = {
    *("id", "idx", "index", "uid", "uuid", "question_id", "conversation_id", "", "Unnamed: 0"),
    *("category", "categories", "tags", "dataset", "split", "license", "model", "finish_reason"),
    *("timestamp", "created_at", "updated_at", "origin", "parent", "round"),
}
_ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "model", "bot"), "assistant"),
    "system": "system",
}
_INPUTS = ("input", "context")
_OUTPUTS = ("output", "response", "answer", "completion")
_SELF_INSTRUCT = ("name", "is_classification", "motivation_app")
_MAP = "map it in seeds_columns, or list it there under ignore"

Fields = dict[str, tuple[str, Any]]  # by Lion's name of a key: the file's name and the value


@dataclass(frozen=True)
class Draft:
    """One seed before its texts are checked: each text as (key in the file, value)."""

    place: str
    instruction: tuple[str, Any]
    input: tuple[str, Any] = ("input", None)
    output: tuple[str, Any] = ("output", None)
    model: str | None = None  # that wrote the output, if the row names it


@dataclass(frozen=True)
class Form:
    """A form of rows: the keys that mark it, its other keys, and how it reads them."""

    name: str
    marks: tuple[str, ...]
    others: tuple[str, ...]
    drafts: Callable[[str, Fields, SeedsColumns], Iterator[Draft]]


def _plain(place: str, fields: Fields, _: SeedsColumns) -> Iterator[Draft]:
    input = _only(place, fields, _INPUTS)
    output = _only(place, fields, _OUTPUTS)
    yield Draft(place, fields["instruction"], input, output, _model(fields))


def _instances(place: str, fields: Fields, _: SeedsColumns) -> Iterator[Draft]:
    key, instances = fields["instances"]
    if not isinstance(instances, list) or not instances:
        raise InputError(f"{place}: '{key}' must be a list of objects with 'input' and 'output'")
    for number, instance in enumerate(instances, start=1):
        part = f"{place}, instance {number}"
        if not isinstance(instance, dict):
            raise InputError(f"{part}: expected an object with 'input', found {instance!r:.40}")
        own = {name: (name, value) for name, value in instance.items()}
        _refuse_rest(part, own, ("input", "output"))
        empty = ("input", None), ("output", None)
        input, output = own.get("input", empty[0]), own.get("output", empty[1])
        yield Draft(part, fields["instruction"], input, output, _model(fields))


def _conversation(place: str, fields: Fields, columns: SeedsColumns) -> Iterator[Draft]:
    """Yield the question of a conversation with one question, and its answer."""
    key, turns = fields.get("messages") or fields["conversations"]
    if not isinstance(turns, list) or not turns:
        raise InputError(f"{place}: '{key}' must be a list of turns, found {turns!r:.40}")
    texts = [_turn(f"{place}, turn {n}", turn) for n, turn in enumerate(turns, start=1)]
    texts = [turn for turn in texts if turn[0] != "system" or not _is_ignored(turn, columns)]
    roles = [role for role, _ in texts]
    if "system" in roles:
        raise InputError(
            f"{place}: '{key}' has a system prompt, which Lion does not train on; move it into the "
            "question, or set seeds_columns: {ignore: [system]}"
        )
    if roles.count("user") > 1:
        raise InputError(
            f"{place}: '{key}' has {roles.count('user')} questions, and a seed has one; split the "
            "row, or remove it"
        )
    if roles not in (["user"], ["user", "assistant"]):
        shown = ", ".join(roles[:4]) or "none"
        raise InputError(f"{place}: '{key}' must be a question and its answer (found: {shown})")
    output = texts[1][1] if len(texts) > 1 else ("assistant", None)
    yield Draft(place, texts[0][1], output=output, model=_model(fields))


FORMS = (
    # First, since a row of `lion export` has the task twice: as Alpaca and as messages.
    Form(
        "Lion's export",
        ("instruction", "messages", "student_answer"),
        (*_INPUTS, *_OUTPUTS, "verdict", "examined"),
        _plain,
    ),
    Form("OpenAI messages", ("messages",), (), _conversation),
    Form("ShareGPT", ("conversations",), (), _conversation),
    Form("Self-Instruct", ("instruction", "instances"), _SELF_INSTRUCT, _instances),
    Form("Dolly", ("instruction", "context"), (*_INPUTS, *_OUTPUTS), _plain),
    Form("Alpaca", ("instruction",), (*_INPUTS, *_OUTPUTS), _plain),
)


class Reading(NamedTuple):
    """A row as its form reads it; `unused` are the keys that the form does not read."""

    form: Form
    drafts: Iterator[Draft]
    unused: set[str]


def drafts_of(place: str, item: object, columns: SeedsColumns) -> Reading:
    """Return the form of a row and its seeds; InputError if a key with text has no meaning."""
    if not isinstance(item, dict):
        raise InputError(f"{place}: expected an object with 'instruction', found {item!r:.40}")
    fields = _fields(place, item, columns)
    form = next((form for form in FORMS if fields.keys() >= {*form.marks}), None)
    if form is None:
        keys = ", ".join(f"{key!r:.40}" for key in list(item)[:5]) or "none"
        raise InputError(
            f"{place}: missing key '{columns.instruction or 'instruction'}' (found: {keys}); "
            "rename or add it, or set seeds_columns"
        )
    read = (*form.marks, *form.others)
    _refuse_rest(place, fields, read)
    used = {key for name, (key, _) in fields.items() if name in read}
    return Reading(form, form.drafts(place, fields, columns), set(map(str, item)) - used)


def _fields(place: str, item: dict[Any, Any], columns: SeedsColumns) -> Fields:
    """Return the values by Lion's names of their keys, without those that `columns` ignores."""
    names = columns.names
    fields: Fields = {}
    for key, value in item.items():
        if key in columns.ignore:
            continue
        if key not in names and key in names.values():  # another key has its name
            _refuse_rest(place, {"": (key, value)}, ())
        else:
            fields[names.get(key, key)] = (key, value)
    return fields


def _refuse_rest(place: str, fields: Fields, read: tuple[str, ...]) -> None:
    """Refuse the first key with text that is neither in `read` nor descriptive."""
    for name, (key, value) in fields.items():
        known = name in read or (name == key and key in DESCRIPTIVE)
        if not known and holds_text(value) and not _is_rendering(key, value, fields):
            raise InputError(f"{place}: key {key!r:.40} holds text that no form reads; {_MAP}")


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
    """Whether this is the column `text` of Alpaca's tables: all other texts in one prompt."""
    parts = [fields.get(name, ("", None))[1] for name in ("instruction", "input", "output")]
    texts = [part for part in parts if part]
    return (
        key == "text"
        and isinstance(value, str)
        and len(texts) > 1
        and all(isinstance(text, str) and text in value for text in texts)
    )


def _only(place: str, fields: Fields, names: tuple[str, ...]) -> tuple[str, Any]:
    """Return the one of `names` that holds something; InputError if two do."""
    there = [fields[name] for name in names if name in fields]
    full = [field for field in there if field[1] not in (None, "")]
    if len(full) > 1:
        raise InputError(f"{place}: both '{full[0][0]}' and '{full[1][0]}' hold text; {_MAP}")
    return (full or there or [(names[0], None)])[0]


def _model(fields: Fields) -> str | None:
    _, model = fields.get("model", ("", None))
    return model.strip() or None if isinstance(model, str) else None


def _turn(place: str, turn: object) -> tuple[str, tuple[str, Any]]:
    """Return the role of a turn and its text, as (key, value)."""
    if not isinstance(turn, dict):
        raise InputError(f"{place}: expected an object with 'role' and 'content'")
    role_key, text_key = ("from", "value") if "from" in turn else ("role", "content")
    role = turn.get(role_key)
    if not isinstance(role, str) or role not in _ROLES:
        raise InputError(
            f"{place}: '{role_key}' is {role!r:.40}; expected system, user (human) or assistant"
            " (gpt)"
        )
    own = {key: (key, value) for key, value in turn.items()}
    _refuse_rest(place, own, (role_key, text_key, "weight"))
    return _ROLES[role], (text_key, _joined(place, turn.get(text_key)))


def _joined(place: str, value: object) -> object:
    """Return the text of a turn that is a list of parts; any other value as it is."""
    if not isinstance(value, list):
        return value
    kinds = [part.get("type") if isinstance(part, dict) else part for part in value]
    if odd := [kind for kind in kinds if kind != "text"]:
        raise InputError(f"{place}: a part is {odd[0]!r:.40}, not text; remove the row")
    parts = [{"text": part.get("text")} for part in value]
    return "\n".join(text_at(part, "text", place, required=True) for part in parts)


def _is_ignored(turn: tuple[str, tuple[str, Any]], columns: SeedsColumns) -> bool:
    return "system" in columns.ignore or not holds_text(turn[1][1])
