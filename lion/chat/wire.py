"""The body of a request, its key in the store, and upper bounds for its tokens."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lion.chat.types import Request
from lion.params import Endpoint

Body = dict[str, Any]
_PLAIN = {*("model", "messages", "temperature", "seed", "max_tokens", "max_completion_tokens")}
_LIMITS = {"num_predict", "n_predict", "max_length"}
_INTRODUCTION = 512  # tokens in which a chat template may introduce tools or documents


@dataclass(frozen=True, kw_only=True)
class Job:
    """A request with its key in the store; `row` names it in messages to the user.

    `former` is the key under which versions before 2026-11-29 kept the reply.
    """

    key: bytes
    former: bytes
    body: Body
    row: str
    attempt: int


def body_of(request: Request, model: str, endpoint: Endpoint) -> Body:
    """Return the body of `request` with OpenAI's fields; a Dialect translates them."""
    body: Body = {
        "model": model,
        "messages": list(request.messages),
        "temperature": request.temperature,
        "max_tokens": request.max_tokens + endpoint.thinking_tokens,
        "seed": request.seed,
    }
    if request.schema is not None and endpoint.structured:
        schema = {"name": "reply", "strict": True, "schema": request.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return {**body, **endpoint.extra}


def key_of(request: Request, body: Body, where: str) -> bytes:
    """Hash the server, the body, and the fields that the body may lack, to 16 bytes."""
    whole = {"where": where, "body": body, "seed": request.seed, "attempt": request.attempt}
    text = json.dumps(whole, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def most_tokens(body: Body) -> tuple[int, int]:
    """Return upper bounds for the prompt and answer tokens of a request, for any tokenizer.

    A token stands for at least one byte; a chat template adds a few around each message. It may
    also print any other field, such as tools, with indentation and an introduction.
    """
    prompt = sum(len(message["content"].encode()) + 16 for message in body["messages"]) + 64
    extra = {name: value for name, value in body.items() if name not in _PLAIN}
    if extra:
        prompt += len(json.dumps(extra, indent=4))
        if any(isinstance(value, dict | list) for value in extra.values()):
            prompt += _INTRODUCTION
    limit = max(body.get(field, 0) for field in ("max_tokens", "max_completion_tokens"))
    return prompt, limit + sum(_token_limits(extra))


def _token_limits(value: Any, name: str = "") -> Iterator[int]:
    """Find further limits of generated tokens in `extra`, such as a budget for thinking."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _token_limits(inner, key)
    elif isinstance(value, int) and ("token" in name or name in _LIMITS):
        yield max(0, value)


def likely_tokens(body: Body) -> int:
    """Estimate the tokens that a request counts against a tokens-per-minute limit."""
    prompt, completion = most_tokens(body)
    return prompt // 4 + completion
