"""A streamed reply as the completion that a server would send in one piece."""

import json
from collections.abc import Iterator
from typing import Any

from lion.chat.reading import THOUGHTS, is_thought, text_in

_TEXTS = ("content", *THOUGHTS, "refusal")


def is_stream(text: str) -> bool:
    """Whether a body is a stream of events rather than JSON."""
    return text.lstrip("\ufeff\r\n ").startswith(("data:", "event:", "id:", "retry:", ":"))


def completion_of(text: str) -> Any:
    """Join the events of a stream; ValueError if it breaks off before the reply has ended."""
    texts = dict.fromkeys(_TEXTS, "")
    body: dict[str, Any] = {}
    finish, ended = None, False
    for event in _events(text):
        if event == "[DONE]":
            ended = True
            break
        chunk = json.loads(event)
        if not isinstance(chunk, dict) or _is_error(chunk):
            return chunk
        body |= {name: chunk[name] for name in ("model", "usage") if chunk.get(name)}
        choices = chunk.get("choices") or [{}]
        finish = choices[0].get("finish_reason") or finish
        delta = choices[0].get("delta") or choices[0].get("message") or {}
        for name, value in _pieces(delta):
            texts[name] += value
    if not (ended or finish):
        raise ValueError("the stream broke off")
    return {**body, "choices": [{"message": texts, "finish_reason": finish}]}


def _events(text: str) -> Iterator[str]:
    """Return the data of each event; a blank line ends an event."""
    data: list[str] = []
    for line in [*text.replace("\r\n", "\n").split("\n"), ""]:
        if line.startswith("data:"):
            data.append(line[5:].strip())
        elif not line and data:
            yield "\n".join(data)
            data = []


def _is_error(chunk: dict[str, Any]) -> bool:
    return bool(chunk.get("error") or ("choices" not in chunk and chunk.get("message")))


def _pieces(delta: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each piece; a thought among the parts of content is no content."""
    for name in _TEXTS:
        parts = delta.get(name)
        for part in parts if isinstance(parts, list) else [parts]:
            if isinstance(part, dict):
                aside = name != "content" or is_thought(part)
                yield THOUGHTS[0] if aside else name, text_in(part)
            elif isinstance(part, str):
                yield name, part
