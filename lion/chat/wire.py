"""The body of a request, its key in the store, and the reply in a server's body."""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from lion.chat.types import Reply, Request
from lion.params import Endpoint

Body = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A request with its key in the store; `row` names it in messages to the user."""

    key: bytes
    body: Body
    row: str
    attempt: int


class UnusableBody(Exception):
    """A body with status 200 that contains no reply: cut JSON, a proxy's page, no choices."""


def body_of(request: Request, model: str, endpoint: Endpoint) -> Body:
    """Return the body of `request` in the dialect of `endpoint`."""
    body: Body = {
        "model": model,
        "messages": list(request.messages),
        "temperature": request.temperature,
        endpoint.limit_field: request.max_tokens + endpoint.thinking_tokens,
        "seed": request.seed,
    }
    if request.schema is not None and endpoint.structured:
        schema = {"name": "reply", "strict": True, "schema": request.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    for field in endpoint.omit:
        del body[field]
    return {**body, **endpoint.extra}


def key_of(request: Request, body: Body, where: str) -> bytes:
    """Hash the whole request: server, body, and what the body may lack, seed and attempt."""
    whole = {"where": where, "body": body, "seed": request.seed, "attempt": request.attempt}
    text = json.dumps(whole, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def most_tokens(body: Body) -> tuple[int, int]:
    """Return upper bounds for the prompt and answer tokens of a request, for any tokenizer.

    A token stands for at least one byte; a chat template adds a few around each message.
    """
    prompt = sum(len(message["content"].encode()) + 16 for message in body["messages"]) + 64
    if "response_format" in body:
        prompt += len(json.dumps(body["response_format"]))
    return prompt, max(body.get(field, 0) for field in ("max_tokens", "max_completion_tokens"))


def likely_tokens(body: Body) -> int:
    """Estimate what a request counts against a limit of tokens a minute."""
    prompt, completion = most_tokens(body)
    return prompt // 4 + completion


def counted(reply: Reply, body: Body) -> Reply:
    """Fill in upper bounds where the server does not report the tokens of `reply`."""
    if reply.finish_reason == "content_filter":
        return reply
    prompt, completion = most_tokens(body)
    text_tokens = min(completion, len(reply.text.encode()))
    return replace(
        reply,
        prompt_tokens=reply.prompt_tokens or prompt,
        completion_tokens=reply.completion_tokens or text_tokens,
    )


def reply_in(body: Any) -> Reply:
    """Read the reply in a chat completion's body; UnusableBody if there is none."""
    try:
        choice = body["choices"][0]
        message = choice["message"]
        content = message.get("content") or ""
        usage = body.get("usage") or {}
        prompt = _count(usage.get("prompt_tokens"))
        # Some servers count thinking only in the total.
        completion = max(
            _count(usage.get("completion_tokens")), _count(usage.get("total_tokens")) - prompt
        )
        reasoning = _count((usage.get("completion_tokens_details") or {}).get("reasoning_tokens"))
        if not content and (message.get("reasoning_content") or message.get("reasoning")):
            reasoning = completion
        refused = not content and bool(message.get("refusal"))
        return Reply(
            text=_text(content),
            finish_reason="refusal" if refused else _text(choice.get("finish_reason") or "unknown"),
            model=_text(body.get("model") or ""),
            prompt_tokens=prompt,
            completion_tokens=completion,
            reasoning_tokens=reasoning,
        )
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise UnusableBody(f"no reply in the body: {error_message(body)}") from error


def error_message(body: Any) -> str:
    """Return the error message in a server's body, in any known form, else the whole body."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error
    return error if isinstance(error, str) else json.dumps(body, ensure_ascii=False)


def _count(value: Any) -> int:
    """Check a number of tokens; null is 0."""
    if value is None:
        return 0
    if not isinstance(value, int) or not 0 <= value < 2**40:
        raise TypeError(value)
    return value


def _text(value: Any) -> str:
    """Return `value` as valid Unicode: half of a surrogate pair becomes a question mark."""
    if not isinstance(value, str):
        raise TypeError(value)
    return value.encode("utf-8", "replace").decode("utf-8")
