"""Rate-limit headers: when to retry, and how fast to send."""

import email.utils
import re
import time
from collections.abc import Mapping

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHAT = ("requests", "tokens")
_CLOCK = 1e9  # seconds; a longer duration is a time since 1970


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
    limit = _number(headers.get("x-ratelimit-limit-requests", ""))
    reset = _duration(headers.get("x-ratelimit-reset-requests"))
    return reset / limit if limit and reset is not None else None


def _number(value: str) -> float | None:
    return float(value) if re.fullmatch(r"\d+(\.\d+)?", value.strip()) else None


def _until(date: str, now: str | None) -> float | None:
    """Return the seconds until an HTTP date, at least 0; `now` is the server's clock."""
    then = _stamp(date)
    if then is None:
        return None
    return max(0.0, then - (_stamp(now or "") or time.time()))


def _stamp(date: str) -> float | None:
    """Convert an HTTP date to seconds since 1970."""
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):  # such as a year of ten digits
        return None


def _duration(value: str | None) -> float | None:
    """Read the seconds in `6m0s`, `20ms` or plain `1.5`, or until a time in seconds since 1970."""
    if value is None:
        return None
    parts = _PART.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value.strip():
        seconds = _number(value)
        if seconds is None or seconds < _CLOCK:
            return seconds
        return max(0.0, seconds - time.time())
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
