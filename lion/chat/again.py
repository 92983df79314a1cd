"""Retries of requests whose replies a role cannot use."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from lion.chat.types import Reply, Request


class Asks(Protocol):
    """Anything that answers requests: a Chat, or a test's fake."""

    def ask(self, requests: Sequence[Request], *, label: str) -> list[Reply]: ...


def ask_with_retries(
    chat: Asks,
    requests: Sequence[Request],
    *,
    label: str,
    retries: int,
    usable: Callable[[int, Reply], bool],
    schema: dict[str, Any] | None = None,
) -> list[list[Reply]]:
    """Return all attempts at each request, in order; the last is usable unless retries ran out.

    Requests that the provider refused are not retried. `usable(row, reply)` says whether the reply
    to `requests[row]` is good. `schema` is the JSON schema that retries ask for, if the server
    offers structured output.
    """
    attempts: list[list[Reply]] = [[reply] for reply in chat.ask(requests, label=label)]
    for attempt in range(1, retries + 1):
        open_rows = [
            row
            for row, replies in enumerate(attempts)
            if not (replies[-1].is_refused or usable(row, replies[-1]))
        ]
        if not open_rows:
            break
        again = [
            replace(
                requests[row],
                attempt=attempt,
                seed=_seed_of(requests[row].seed, attempt),
                schema=schema,
            )
            for row in open_rows
        ]
        replies = chat.ask(again, label=f"{label}, attempt {attempt + 1}")
        for row, reply in zip(open_rows, replies, strict=True):
            attempts[row].append(reply)
    return attempts


def _seed_of(seed: int, attempt: int) -> int:
    """Derive a reproducible seed for another attempt; 31 bits, as servers expect."""
    digest = hashlib.blake2b(f"{seed} {attempt}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) >> 1
