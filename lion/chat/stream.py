"""The reply in a response; a streamed one is assembled to what a server sends in one piece."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx2

from lion.chat.failures import retry_after
from lion.chat.reading import (
    MESSAGES,
    THOUGHTS,
    Failure,
    UnusableBody,
    is_thought,
    reply_in,
    text_in,
    value_in,
)
from lion.chat.types import Reply
from lion.chat.wire import Body

_TEXTS = ("content", *THOUGHTS, "refusal")
# Events begin with a field's name. Some servers send bare JSON chunks, which have a "delta".
_STREAM = re.compile(r'[\ufeff\s]*(?:(?:data|event|id|retry)?:|\{[^\n]*"delta" ?:)')
_DATA = re.compile(r"data:|\{|\[DONE\]")


def reply_of(response: httpx2.Response, sent: Body, *, safe: Callable[[str], str]) -> Reply:
    """Read the reply to `sent` in a response with status 200."""
    try:
        text = response.text
        parsed = _completion_of(text) if _is_stream(text) else value_in(response.content)
    except (ValueError, RecursionError, AttributeError, TypeError) as error:
        raise UnusableBody(f"not JSON: {response.text}") from error
    try:
        return reply_in(parsed, sent, safe=safe)
    except Failure as failure:
        failure.wait = retry_after(response.headers)
        raise


def _is_stream(text: str) -> bool:
    """Whether a body is a stream of events rather than JSON."""
    return _STREAM.match(text) is not None


def _completion_of(text: str) -> Any:
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
