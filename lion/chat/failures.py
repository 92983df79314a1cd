"""What a failed request means: whether to retry it, whether it may cost, what to change."""

import re

import httpx2
import openai

from lion.chat.headers import retry_after
from lion.chat.reading import MOST_WORDS, Failure, error_message, value_in

_LATER = {408, 409, 424, 429, 499}  # and 5xx
_UNKNOWN = {408, 499, 504, 524, 598}  # a proxy stopped waiting; the model may have answered
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


def failure_in(error: openai.APIStatusError | Failure) -> Failure:
    """Read the failure in an HTTP error."""
    if isinstance(error, Failure):
        return error
    response = error.response
    message = _message_in(response)
    if response.has_redirect_location:
        message = f"redirects to {response.headers['location']}; Lion follows no redirect. If you"
        message += " trust this address, set it as base_url of the endpoint"
    wait = retry_after(response.headers)
    return Failure(message, error.status_code, error.code, param=error.param, wait=wait)


def is_transient(failure: Failure) -> bool:
    """Whether the same request may succeed later."""
    is_passing = failure.status in _LATER or failure.status >= 500
    return is_passing and failure.code != "insufficient_quota"


def advice(status: int, message: str, client: openai.AsyncOpenAI) -> str:
    """Return a hint on what to change in the endpoint; empty if there is none."""
    url = str(client.base_url)
    if status in {404, 405} or _WRONG_PATH.search(message):
        if url.rstrip("/").endswith("/chat/completions"):
            return "; base_url must end before /chat/completions"
        if "model" not in message.lower() and not _VERSIONED.search(url):
            return "; base_url may have to end in /v1"
    if status in {401, 403} and client.api_key == "none":
        return "; Lion sent no key: set api_key_env of this endpoint to the variable that holds it"
    return ""


def may_cost(error: BaseException) -> bool:
    """Whether the provider may charge for a request that failed with `error`."""
    if isinstance(error, Failure):
        return error.status in _UNKNOWN
    return not isinstance(error.__cause__, _NEVER_SENT)


def _message_in(response: httpx2.Response) -> str:
    """Return the server's own message, whatever form the body has."""
    try:
        message = error_message(value_in(response.content))
    except (ValueError, RecursionError):
        message = response.text[:MOST_WORDS]
    return message.strip()
