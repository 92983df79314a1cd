"""The body of a request, the key it is stored under, and the reply in a server's body."""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from lion.chat.types import Reply, Request
from lion.params import Endpoint

Body = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A request as it is sent and stored; `row` names it to the user."""

    key: bytes
    body: Body
    row: str
    attempt: int


class UnusableBody(Exception):
    """A body with status 200 that holds no reply: cut JSON, a proxy's page, no choices."""


def body_of(request: Request, model: str, endpoint: Endpoint) -> Body:
    """What is sent, in the dialect of `endpoint`."""
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
    """Hash of the whole request: server, body, and what the body may lack: seed and attempt."""
    whole = {"where": where, "body": body, "seed": request.seed, "attempt": request.attempt}
    text = json.dumps(whole, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def most_tokens(body: Body) -> tuple[int, int]:
    """The most prompt and answer tokens that a request can cost, whatever the tokenizer.

    A token stands for at least one byte; a chat template adds some around every message.
    """
    prompt = sum(len(message["content"].encode()) + 16 for message in body["messages"]) + 64
    if "response_format" in body:
        prompt += len(json.dumps(body["response_format"]))
    return prompt, max(body.get(field, 0) for field in ("max_tokens", "max_completion_tokens"))


def likely_tokens(body: Body) -> int:
    """About what a request counts against a limit of tokens a minute."""
    prompt, completion = most_tokens(body)
    return prompt // 4 + completion


def counted(reply: Reply, body: Body) -> Reply:
    """`reply`, with the most it can have cost where the server does not report what it cost."""
    if reply.finish_reason == "content_filter":
        return reply
    prompt, completion = most_tokens(body)
    said = min(completion, len(reply.text.encode()))
    return replace(
        reply,
        prompt_tokens=reply.prompt_tokens or prompt,
        completion_tokens=reply.completion_tokens or said,
    )


def reply_in(body: Any) -> Reply:
    """The reply in a chat completion's body, raw; UnusableBody if there is none."""
    try:
        choice = body["choices"][0]
        message = choice["message"]
        content = message.get("content") or ""
        usage = body.get("usage") or {}
        prompt = _count(usage.get("prompt_tokens"))
        # Some servers count thinking in the total only.
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
        raise UnusableBody(f"no reply in the body: {said_in(body)}") from error


def said_in(body: Any) -> str:
    """An error's message in a server's body, in the forms that servers use; else the whole body."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error
    return error if isinstance(error, str) else json.dumps(body, ensure_ascii=False)


def _count(value: Any) -> int:
    """A number of tokens; null is none."""
    if value is None:
        return 0
    if not isinstance(value, int) or not 0 <= value < 2**40:
        raise TypeError(value)
    return value


def _text(value: Any) -> str:
    """A string that can be stored: half of a surrogate pair becomes a question mark."""
    if not isinstance(value, str):
        raise TypeError(value)
    return value.encode("utf-8", "replace").decode("utf-8")


def spoken(reply: Reply, *, thinks: bool) -> Reply:
    """`reply` without a leading <think> block; one that never ends leaves no answer.

    Some templates put the opening mark into the prompt, so that a model known to think sends only
    the closing one.
    """
    _, closed, answer = reply.text.partition("</think>")
    if not (reply.text.lstrip().startswith("<think>") or (closed and thinks)):
        return reply
    answer = answer.lstrip()
    reasoning = reply.reasoning_tokens or (0 if answer else reply.completion_tokens)
    return replace(reply, text=answer, reasoning_tokens=reasoning)


def thought_only(reply: Reply) -> bool:
    """Whether the limit was used up by thinking, with no room for an answer."""
    return reply.finish_reason == "length" and not reply.text and reply.reasoning_tokens > 0
