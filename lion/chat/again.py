"""Asking again, a bounded number of times, where a reply cannot be used."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from lion.chat.types import Reply, Request


class Asks(Protocol):
    """Whatever answers requests: a Chat, or a test's own."""

    def ask(self, requests: Sequence[Request], *, label: str) -> list[Reply]: ...


def ask_again(
    chat: Asks,
    requests: Sequence[Request],
    *,
    label: str,
    retries: int,
    usable: Callable[[Reply], bool],
) -> list[list[Reply]]:
    """All attempts at each request, in order; the last one is usable, or the retries are spent."""
    attempts: list[list[Reply]] = [[reply] for reply in chat.ask(requests, label=label)]
    for attempt in range(1, retries + 1):
        open_rows = [row for row, replies in enumerate(attempts) if not usable(replies[-1])]
        if not open_rows:
            break
        again = [
            replace(requests[row], attempt=attempt, seed=_seed_of(requests[row].seed, attempt))
            for row in open_rows
        ]
        replies = chat.ask(again, label=f"{label}, attempt {attempt + 1}")
        for row, reply in zip(open_rows, replies, strict=True):
            attempts[row].append(reply)
    return attempts


def _seed_of(seed: int, attempt: int) -> int:
    """Another seed for another attempt, the same in every run; 31 bits, as servers expect."""
    digest = hashlib.blake2b(f"{seed} {attempt}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) >> 1
