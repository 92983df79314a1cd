"""Assembly of a streamed reply into the completion that a server would send in one piece."""

import json
import re
from collections.abc import Iterator
from typing import Any

from lion.chat.reading import MESSAGES, THOUGHTS, is_thought, text_in

_TEXTS = ("content", *THOUGHTS, "refusal")
# Events begin with a field's name. Some servers send bare JSON chunks, which have a "delta".
_STREAM = re.compile(r'[\ufeff\s]*(?:(?:data|event|id|retry)?:|\{[^\n]*"delta" ?:)')
_DATA = re.compile(r"data:|\{|\[DONE\]")


def is_stream(text: str) -> bool:
    """Whether a body is a stream of events rather than JSON."""
    return _STREAM.match(text) is not None


def completion_of(text: str) -> Any:
    """Join the events of a stream, or return its error; ValueError if it breaks off early."""
    texts = dict.fromkeys(_TEXTS, "")
    body: dict[str, Any] = {}
    finish, ended = None, False
    for event in _events(text):
        if event == "[DONE]":
            ended = True
            break
        chunk = json.loads(event)
        if not isinstance(chunk, dict):
            return chunk
        if _is_error(chunk):
            if any(texts.values()):  # the model has answered in part, which may be charged
                raise ValueError(f"the stream broke off: {event:.200}")
            return {name: value for name, value in chunk.items() if name != "choices"}
        body |= {name: chunk[name] for name in ("model", "usage") if chunk.get(name)}
        choices = [choice for choice in chunk.get("choices") or [] if not choice.get("index")]
        choice = choices[0] if choices else {}
        finish = choice.get("finish_reason") or finish
        delta = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
        pieces = [*_pieces(delta)]
        whole = "".join(value for name, value in pieces if name == "content")
        if not choice.get("delta") and texts["content"] and whole.startswith(texts["content"]):
            texts = dict.fromkeys(_TEXTS, "")  # the last event repeats the whole reply
        for name, value in pieces:
            texts[name] += value
    if not (ended or finish):
        raise ValueError("the stream broke off")
    return {**body, "choices": [{"message": texts, "finish_reason": finish}]}


def _events(text: str) -> Iterator[str]:
    """Yield the data of each event, without pings; a blank line ends an event.

    Where a server leaves the blank line out, an event ends where its JSON does.
    """
    data = ""
    for line in [*text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        piece = line.removeprefix("data:").strip() if _DATA.match(line) else ""
        if data and (not line or (piece and _is_whole(data))):
            yield data
            data = ""
        if data or piece.startswith(("{", "[")):
            data = f"{data}\n{piece}".strip()


def _is_whole(data: str) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def _is_error(chunk: dict[str, Any]) -> bool:
    has_message = any(chunk.get(name) for name in MESSAGES)
    return bool(chunk.get("error") or ("choices" not in chunk and has_message))


def _pieces(delta: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the field and text of each piece; thoughts among the parts of content stay thoughts."""
    for name in _TEXTS:
        parts = delta.get(name)
        for part in parts if isinstance(parts, list) else [parts]:
            if isinstance(part, dict):
                aside = name != "content" or is_thought(part)
                yield THOUGHTS[0] if aside else name, text_in(part)
            elif isinstance(part, str):
                yield name, part
