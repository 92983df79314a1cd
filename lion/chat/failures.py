"""What a failed request means: whether to retry it, whether it may cost, what to change."""

import re
from collections.abc import Callable
from typing import NamedTuple

import httpx2
import openai

from lion.chat.headers import retry_after
from lion.chat.reading import (
    MOST_WORDS,
    ErrorBody,
    UnusableBody,
    error_message,
    reply_in,
    value_in,
)
from lion.chat.stream import completion_of, is_stream
from lion.chat.types import Reply
from lion.chat.wire import Body, most_tokens

_LATER = {408, 409, 424, 429, 499}  # and 5xx
_UNKNOWN = {408, 499, 504, 524, 598}  # a proxy stopped waiting; the model may have answered
# The model answered, but the server withholds the answer: it was cut, or had the wrong form.
_WITHHELD = re.compile(
    r"json_validate_failed|tool_use_failed|output_parse_failed|could not finish the message",
    re.IGNORECASE,
)
_NEVER_SENT = (
    httpx2.ProxyError,
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.LocalProtocolError,
    httpx2.UnsupportedProtocol,
)
_WRONG_PATH = re.compile(
    r"unexpected endpoint|cannot (post|get)|no route|unknown_url|not found|<html", re.IGNORECASE
)
_VERSIONED = re.compile(r"/v\d|deployments")  # paths that need no /v1


class Failure(NamedTuple):
    """An error from a server; `wait` is the delay in seconds that it asks for, if any."""

    status: int
    code: object
    message: str
    wait: float | None


def failure_in(error: openai.APIStatusError | ErrorBody) -> Failure:
    """Read the failure in an HTTP error, or in a body that came with status 200."""
    if isinstance(error, ErrorBody):
        return Failure(error.status, error.code, str(error) or "no message", error.wait)
    response = error.response
    message = _message_in(response)
    if response.has_redirect_location:
        message = f"redirects to {response.headers['location']}; Lion follows no redirect. If you"
        message += " trust this address, set it as base_url of the endpoint"
    return Failure(error.status_code, error.code, message, retry_after(response.headers))


def is_transient(status: int, code: object) -> bool:
    """Whether the same request may succeed later."""
    return (status in _LATER or status >= 500) and code != "insufficient_quota"


def withheld(status: int, code: object, message: str, body: Body) -> Reply | None:
    """Return an empty, cut reply to `body` if the server withholds its answer; else None.

    Its tokens count at their upper bounds.
    """
    if status != 400 or not _WITHHELD.search(f"{code or ''} {message}"):
        return None
    prompt, completion = most_tokens(body)
    return Reply(
        text="",
        finish_reason="length",
        model=body["model"],
        prompt_tokens=prompt,
        completion_tokens=completion,
    )


def advice(status: int, message: str, client: openai.AsyncOpenAI) -> str:
    """Return a hint on what to change in the endpoint; empty if there is none."""
    wrong_path = status in {404, 405} or _WRONG_PATH.search(message)
    if wrong_path and str(client.base_url).rstrip("/").endswith("/chat/completions"):
        return "; base_url must end before /chat/completions"
    if (
        wrong_path
        and "model" not in message.lower()
        and not _VERSIONED.search(str(client.base_url))
    ):
        return "; base_url may have to end in /v1"
    if status in {401, 403} and client.api_key == "none":
        return "; Lion sent no key: set api_key_env of this endpoint to the variable that holds it"
    return ""


def may_cost(error: BaseException) -> bool:
    """Whether the provider may charge for a request that failed with `error`."""
    if isinstance(error, openai.APIStatusError | ErrorBody):
        status = error.status if isinstance(error, ErrorBody) else error.status_code
        return status in _UNKNOWN
    return not isinstance(error.__cause__, _NEVER_SENT)


def reply_of(response: httpx2.Response, sent: Body, *, safe: Callable[[str], str]) -> Reply:
    """Read the reply in a response with status 200."""
    try:
        text = response.text
        parsed = completion_of(text) if is_stream(text) else value_in(response.content)
    except (ValueError, RecursionError, AttributeError, TypeError) as error:
        raise UnusableBody(f"not JSON: {response.text}") from error
    try:
        return reply_in(parsed, sent, safe=safe)
    except ErrorBody as error:
        error.wait = retry_after(response.headers)
        raise


def _message_in(response: httpx2.Response) -> str:
    """Return the server's own message, whatever form the body has."""
    try:
        message = error_message(value_in(response.content))
    except (ValueError, RecursionError):
        message = response.text[:MOST_WORDS]
    return message.strip() or "no message"
