"""What a failed request means: whether and when to retry it, whether it costs, what to change."""

import email.utils
import re
import time
from collections.abc import Mapping

import httpx2
import openai

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
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHAT = ("requests", "tokens")
_CLOCK = 1e9  # seconds; a longer duration is a time since 1970
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


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait: Retry-After, else the reset of an exhausted limit, else None."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is not None:
            seconds = _duration(value)
            if seconds is not None:
                return max(0.0, seconds * scale)
            return _until(value, headers.get("date"))
    resets = [
        _duration(headers.get(f"x-ratelimit-reset-{what}"))
        for what in _WHAT
        if headers.get(f"x-ratelimit-remaining-{what}") == "0"
    ]
    return max((reset for reset in resets if reset is not None), default=None)


def request_gap(headers: Mapping[str, str]) -> float | None:
    """Return the seconds in which an exhausted limit regains one request; None if it is not.

    The reset header is the time in which the whole limit is regained.
    """
    if headers.get("x-ratelimit-remaining-requests") != "0":
        return None
    limit = _duration(headers.get("x-ratelimit-limit-requests"))  # a plain number
    reset = _duration(headers.get("x-ratelimit-reset-requests"))
    return reset / limit if limit and reset is not None else None


def _until(date: str, now: str | None) -> float | None:
    """Return the seconds until an HTTP date, at least 0; `now` is the server's clock."""
    then = _stamp(date)
    return None if then is None else max(0.0, then - (_stamp(now or "") or time.time()))


def _stamp(date: str) -> float | None:
    """Convert an HTTP date to seconds since 1970."""
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):  # such as a year of ten digits
        return None


def _duration(value: str | None) -> float | None:
    """Read the seconds in `6m0s`, `20ms` or plain `1.5`, or until a time in seconds since 1970."""
    text = (value or "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        seconds = float(text)
        return seconds if seconds < _CLOCK else max(0.0, seconds - time.time())
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
