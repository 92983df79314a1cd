"""A streamed reply as the completion that a server would send in one piece."""

import json
from collections.abc import Iterator
from typing import Any

_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")


def is_stream(text: str) -> bool:
    """Whether a body is a stream of events rather than JSON."""
    return text.lstrip("\ufeff\r\n ").startswith(("data:", "event:", ": "))


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
        if not isinstance(chunk, dict) or chunk.get("error"):
            return chunk
        body |= {name: chunk[name] for name in ("model", "usage") if chunk.get(name)}
        choices = chunk.get("choices") or [{}]
        finish = choices[0].get("finish_reason") or finish
        delta = choices[0].get("delta") or choices[0].get("message") or {}
        for name in _TEXTS:
            texts[name] += _text_of(delta.get(name))
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


def _text_of(value: Any) -> str:
    """Return a piece of text; parts of content are joined, a thought among them is left out."""
    if isinstance(value, list):
        parts = [part for part in value if isinstance(part, dict) and "text" in part]
        return "".join(str(part["text"]) for part in parts)
    return value if isinstance(value, str) else ""
