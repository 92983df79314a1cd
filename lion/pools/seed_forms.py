"""The forms of seed rows: which keys hold the instruction, its input, system prompt and answer.

lion.pools.seed_fields handles other keys.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from lion.params.pools import SeedsColumns
from lion.pools.rows import text_at
from lion.pools.seed_fields import (
    MAP,
    THOUGHTS,
    Draft,
    Fields,
    Turn,
    fields_of,
    model_of,
    only,
    refuse_rest,
)
from lion.support.errors import InputError
from lion.support.text import without_blank_ends

_ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "model", "bot", "ai"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
}
_TEXT_PARTS = ("text", "input_text", "output_text")
# Keys that a part may have beside its text: they belong to the server or repeat the text.
_BESIDE = {"text": ("cache_control", "annotations"), "thinking": ("signature", "cache_control")}
_SYSTEMS = ("system", "system_prompt")
INPUTS = ("input", "context")
_OUTPUTS = ("output", "response", "answer", "completion")
_EARLIER = ("history", "turns")
_TALKS = ("messages", "conversations")
CONTEXT_KEYS = (*_SYSTEMS, *_EARLIER)  # keys of an instruction's context
_PLAIN = (*INPUTS, *_OUTPUTS, *CONTEXT_KEYS, *THOUGHTS)
_SELF_INSTRUCT = ("name", "is_classification", "motivation_app")


@dataclass(frozen=True)
class Form:
    """A form of rows: the keys that mark it, its other keys, and the function that reads them."""

    name: str
    marks: tuple[str, ...]
    others: tuple[str, ...]
    drafts: Callable[[str, Fields, SeedsColumns], Iterator[Draft]]


def _plain(place: str, fields: Fields, columns: SeedsColumns) -> Iterator[Draft]:
    input = only(place, fields, INPUTS)
    output = only(place, fields, _OUTPUTS)
    system, (key, turns) = only(place, fields, _SYSTEMS), only(place, fields, _EARLIER)
    before = _earlier(place, key, turns, columns)
    texts = (fields["instruction"], input, output, system, before, key)
    thoughts = only(place, fields, THOUGHTS)
    yield Draft(place, *texts, model=model_of(fields), thoughts=thoughts)


def _value_of(text: Any) -> Any:
    """Parse a text that holds JSON, such as a table's cell; return any other value as it is."""
    if isinstance(text, str):
        with suppress(ValueError, RecursionError):
            return json.loads(text)
    return text


def _earlier(place: str, key: str, turns: Any, columns: SeedsColumns) -> tuple[Turn, ...]:
    """Return earlier turns: a list, or its JSON, of messages or of [question, answer]."""
    if turns in (None, "", []):
        return ()
    turns = _value_of(turns)
    if not isinstance(turns, list):
        raise InputError(f"{place}: '{key}' must be a list of [question, answer] or of messages")
    talk: list[Turn] = []
    for number, turn in enumerate(turns, start=1):
        if isinstance(turn, list) and len(turn) == 2:
            talk += [("user", (key, turn[0])), ("assistant", (key, turn[1]))]
        else:
            talk.append(_turn(f"{place}, '{key}', turn {number}", turn, columns))
    _check_roles(place, key, [role for role, _ in talk] + ["user"])
    return tuple(talk)


def _check_roles(place: str, key: str, roles: list[str]) -> None:
    """Reject a conversation that does not alternate questions and answers, a question first."""
    if not roles or roles != [("user", "assistant")[n % 2] for n in range(len(roles))]:
        shown = ", ".join(roles[:4]) or "none"
        raise InputError(
            f"{place}: '{key}' must alternate questions and answers, a question first "
            f"(found: {shown}); correct or remove the row"
        )


def _instances(place: str, fields: Fields, columns: SeedsColumns) -> Iterator[Draft]:
    key, instances = fields["instances"]
    if not isinstance(instances, list) or not instances:
        raise InputError(f"{place}: '{key}' must be a list of objects with 'input' and 'output'")
    for number, instance in enumerate(instances, start=1):
        part = f"{place}, instance {number}"
        if not isinstance(instance, dict):
            raise InputError(f"{part}: expected an object with 'input', found {instance!r:.40}")
        own = _own(instance, columns)
        refuse_rest(part, own, ("input", "output"))
        input, output = only(part, own, ("input",)), only(part, own, ("output",))
        yield Draft(part, fields["instruction"], input, output, model=model_of(fields))


def _conversation(place: str, fields: Fields, columns: SeedsColumns) -> Iterator[Draft]:
    """Yield the last question of a conversation, with its context and its answer."""
    key, turns = next(fields[name] for name in _TALKS if name in fields)
    turns = _value_of(turns)
    if not isinstance(turns, list) or not turns:
        raise InputError(f"{place}: '{key}' must be a list of turns, found {turns!r:.40}")
    if all(isinstance(turn, str) for turn in turns):  # as in LIMA
        roles = itertools.cycle(("user", "assistant"))
        turns = [{"role": role, "content": text} for role, text in zip(roles, turns, strict=False)]
    texts = [_turn(f"{place}, turn {n}", turn, columns) for n, turn in enumerate(turns, start=1)]
    last = max((n for n, (role, _) in enumerate(texts) if role != "system"), default=0)
    if "system" in columns.ignore:
        texts = [turn for turn in texts if turn[0] != "system"]
    texts = [turn for turn in texts if turn[0] != "system" or str(turn[1][1] or "").strip()]
    system, talk = _system(place, fields, texts), [turn for turn in texts if turn[0] != "system"]
    _check_roles(place, key, [role for role, _ in talk])
    output, thoughts = ("assistant", None), ("thoughts", None)
    if talk[-1][0] == "assistant":
        answer, own = talk.pop()[1], _own(turns[last], columns)
        if own.get("weight", ("", 1))[1] not in (0, "0"):  # 0: not to be learnt
            output, thoughts = answer, only(f"{place}, turn {last + 1}", own, THOUGHTS)
    *before, (_, question) = talk
    texts_of = (question, ("input", None), output, system, tuple(before), key)
    yield Draft(place, *texts_of, model=model_of(fields), thoughts=thoughts)


def _system(place: str, fields: Fields, texts: list[Turn]) -> tuple[str, Any]:
    """Return the system prompt of a conversation: its first turns, or a key beside the turns."""
    first = list(itertools.takewhile(lambda turn: turn[0] == "system", texts))
    if any(role == "system" for role, _ in texts[len(first) :]):
        raise InputError(
            f"{place}: a system prompt follows a question; move it to the start, or set "
            "seeds_columns: {ignore: [system]}"
        )
    own = only(place, fields, _SYSTEMS)
    if not first:
        return own
    if own[1] not in (None, ""):
        raise InputError(f"{place}: both '{own[0]}' and a system turn hold text; {MAP}")
    # The length of the whole text is checked later, where a row that is too long can be left out.
    parts = (text_at({key: value}, key, place, limit=None) for _, (key, value) in first)
    return "system", "\n\n".join(parts)


FORMS = (
    # First, since a row of `lion export` has its task twice: as Alpaca and as messages.
    Form(
        "Lion's export",
        ("instruction", "messages", "student_answer"),
        (*_PLAIN, "verdict", "examined"),
        _plain,
    ),
    Form("OpenAI messages", ("messages",), _SYSTEMS, _conversation),
    Form("ShareGPT", ("conversations",), _SYSTEMS, _conversation),
    Form("Self-Instruct", ("instruction", "instances"), _SELF_INSTRUCT, _instances),
    Form("Dolly", ("instruction", "context"), _PLAIN, _plain),
    Form("Alpaca", ("instruction",), _PLAIN, _plain),
)


class Reading(NamedTuple):
    """A row as its form reads it; `unused` are the keys that the form does not read."""

    form: Form
    drafts: Iterator[Draft]
    unused: set[str]


def _form_of(fields: Fields) -> Form | None:
    return next((form for form in FORMS if fields.keys() >= {*form.marks}), None)


def drafts_of(place: str, item: object, columns: SeedsColumns) -> Reading:
    """Return a row's form and its seeds; InputError if no form reads a key that holds text."""
    if not isinstance(item, dict):
        raise InputError(f"{place}: expected an object with 'instruction', found {item!r:.40}")
    fields = fields_of(place, item, columns)
    # In a merged dataset a row has the keys of all forms, null except for those of its own.
    null = [name for name in (*_TALKS, "instances") if fields.get(name, ("", 0))[1] in (None, "")]
    filled = {name: field for name, field in fields.items() if name not in null}
    fields = filled if _form_of(filled) else fields
    form = _form_of(fields)
    if form is None:
        keys = ", ".join(f"{key!r:.40}" for key in list(item)[:5]) or "none"
        raise InputError(
            f"{place}: missing key '{columns.instruction or 'instruction'}' (found: {keys}); "
            "rename or add it, or set seeds_columns"
        )
    read = (*form.marks, *form.others)
    refuse_rest(place, fields, read)
    unused = set(map(str, item)) - {key for name, (key, _) in fields.items() if name in read}
    return Reading(form, form.drafts(place, fields, columns), unused)


def _turn(place: str, turn: object, columns: SeedsColumns) -> Turn:
    """Return the role of a turn and its text, as (key, value)."""
    if not isinstance(turn, dict):
        raise InputError(f"{place}: expected an object with 'role' and 'content'")
    role_key, text_key = ("from", "value") if "from" in turn else ("role", "content")
    role = turn.get(role_key)
    if not isinstance(role, str) or role.lower() not in _ROLES:
        raise InputError(
            f"{place}: '{role_key}' is {role!r:.40}; expected system, user (human) or assistant"
            " (gpt)"
        )
    role = _ROLES[role.lower()]
    own = _own(turn, columns)
    thoughts = THOUGHTS if role == "assistant" else ()
    refuse_rest(place, own, (role_key, text_key, *thoughts))
    value = turn.get(text_key)
    if isinstance(value, list):
        value = "\n".join(_part(place, role, part, columns) for part in value)
    return role, (text_key, value)


def _own(part: dict[str, Any], columns: SeedsColumns) -> Fields:
    """Return the keys of a turn or an instance, without those that `columns` ignores."""
    return {key: (key, value) for key, value in part.items() if key not in columns.ignore}


def _part(place: str, role: str, part: Any, columns: SeedsColumns) -> str:
    """Return the text of a part of a turn, or an assistant's thoughts with their marks."""
    part = {"type": "text", "text": part} if isinstance(part, str) else part
    kind = part.get("type") if isinstance(part, dict) else part
    key = "text" if kind in _TEXT_PARTS else "thinking"
    if key == "thinking":
        thinks = role == "assistant" and isinstance(part, dict)
        if not thinks or not isinstance(part.get(key), str):
            raise InputError(f"{place}: a part is {kind!r:.40}, not text; remove the row")
    refuse_rest(place, _own(part, columns), ("type", key, *_BESIDE[key]))
    text_at(part, key, place, required=True, limit=None)  # limits hold for the whole turn
    if key == "thinking":
        return f"<think>\n{part[key]}\n</think>"
    return without_blank_ends(part[key])  # indented, since it may follow another part
