"""The oracle as a web application (ASGI) that speaks OpenAI's chat protocol.

A reply depends only on the request's messages, temperature and seed: no state, no clock.
"""

import hashlib
import json
import random
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from lion.oracle.roles import examine, invent, prompt_of, teach
from lion.prompts import score_mark

MODEL = "oracle"
MAX_BODY = 4_000_000  # bytes of a request
_TOKEN = re.compile(r"\s*(?:\w+|[^\w\s])")

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class _Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: str


class _Ask(BaseModel):
    """The part of a chat request that shapes the reply; other keys are ignored."""

    model: str
    messages: list[_Message] = Field(min_length=1)
    temperature: float = Field(default=1.0, ge=0, le=2)
    seed: int | None = None
    max_tokens: int | None = Field(default=None, gt=0)
    max_completion_tokens: int | None = Field(default=None, gt=0)
    n: Literal[1] | None = 1
    stream: Literal[False] | None = False


class _Refused(Exception):
    """A request that gets an error response: status, OpenAI's error code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def create_app(*, position_bias: float, unreadable: float) -> App:
    """Return the oracle's application; its referee favours the first answer by `position_bias`.

    `position_bias` is in points; `unreadable` is the share (0..1) of its replies without scores.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"the oracle speaks http only, not {scope['type']}")
        try:
            body = await _route(scope, receive, position_bias, unreadable)
            status = 200
        except _Refused as refusal:
            error = {"message": str(refusal), "type": "invalid_request_error", "param": None}
            body, status = {"error": error | {"code": refusal.code}}, refusal.status
        content = json.dumps(body, ensure_ascii=False).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return app


async def _route(
    scope: Scope, receive: Receive, position_bias: float, unreadable: float
) -> dict[str, Any]:
    match scope["method"], scope["path"].removesuffix("/"):
        case "GET", "/v1/models":
            model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "lion"}
            return {"object": "list", "data": [model]}
        case "POST", "/v1/chat/completions":
            ask = _parsed(await _read_body(receive))
            return _completion(ask, _reply(ask, position_bias, unreadable))
        case method, path:
            raise _Refused(404, "unknown_url", f"no such address: {method} {path}")


async def _read_body(receive: Receive) -> bytes:
    body = b""
    more = True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
        if len(body) > MAX_BODY:
            raise _Refused(413, "too_large", f"the request is longer than {MAX_BODY} bytes")
    return body


def _parsed(body: bytes) -> _Ask:
    try:
        ask = _Ask.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "body"
        raise _Refused(400, "invalid_value", f"{where}: {fault['msg']}") from None
    if ask.model != MODEL:
        raise _Refused(404, "model_not_found", f"no model {ask.model!r} here, only {MODEL!r}")
    return ask


def _reply(ask: _Ask, position_bias: float, unreadable: float) -> str:
    name, fields = prompt_of(ask.messages[-1].content)
    # Only the fields matter, so that offline runs stay the same if a prompt is reworded.
    rng = random.Random(json.dumps([name, fields, ask.temperature, ask.seed]))
    if name in ("referee.txt", "judge.txt"):
        return examine(
            rng,
            fields,
            position_bias=position_bias,
            unreadable=unreadable,
            mark=score_mark(*fields.values()),
            scores_first=name == "judge.txt",
        )
    if name in ("teacher.txt", "rewrite.txt"):
        return teach(fields["task"])
    return invent(rng, fields["task"], rarer=name == "generator_easy.txt")


def _completion(ask: _Ask, text: str) -> dict[str, Any]:
    messages = [(message.role, message.content) for message in ask.messages]
    shaping = json.dumps([messages, ask.temperature, ask.seed])
    tokens = _TOKEN.findall(text)
    limit = ask.max_completion_tokens or ask.max_tokens or len(tokens)
    cut = len(tokens) > limit
    asked = sum(len(_TOKEN.findall(message.content)) for message in ask.messages)
    written = min(limit, len(tokens))
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "".join(tokens[:limit]) if cut else text},
        "finish_reason": "length" if cut else "stop",
        "logprobs": None,
    }
    return {
        "id": f"chatcmpl-{hashlib.sha256(shaping.encode()).hexdigest()[:24]}",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "choices": [choice],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": written,
            "total_tokens": asked + written,
        },
    }
