"""The provider's limit on enqueued prompt tokens, learnt from the batches that it refuses.

A batch above the limit fails as a whole and costs nothing. Its requests then go into smaller
batches, one after the other.
"""

import re
from collections.abc import Sequence
from itertools import accumulate

from openai.types import Batch

from lion.chat.notices import say_once
from lion.chat.wire import Job, most_tokens

_CODE = "token_limit_exceeded"
_WORDS = re.compile(r"enqueued[ _-]?tokens?", re.IGNORECASE)
_NUMBER = re.compile(r"limit:?\s*(?:is\s*)?(\d[\d,._]*\d)", re.IGNORECASE)
_BYTES_A_TOKEN = 4


class EnqueuedLimit:
    """Holds back the jobs that would exceed the limit; no limit is known before a refusal."""

    def __init__(self) -> None:
        self._most: int | None = None  # estimated prompt tokens
        self._sizes: list[int] = []  # of the jobs that `fitting` last returned
        self.held_back = False  # whether the last `fitting` held jobs back
        self.refused = False  # whether the provider refused the jobs of the last `fitting`

    def fitting(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the leading `jobs` that fit into the limit together, at least one."""
        self.refused = False
        sizes = list(map(_size, jobs))
        if self._most is not None:
            count = sum(total <= self._most for total in accumulate(sizes))
            sizes = sizes[: max(1, count)]
        self._sizes, self.held_back = sizes, len(sizes) < len(jobs)
        return list(jobs[: len(sizes)])

    def is_exceeded(self, batch: Batch) -> bool:
        """Whether `batch` failed because of too many enqueued tokens; if so, lower the limit."""
        errors = (batch.errors.data if batch.errors else None) or []
        words = [f"{error.code} {error.message}" for error in errors]
        if batch.status != "failed" or not any(_CODE in w or _WORDS.search(w) for w in words):
            return False
        if len(self._sizes) <= 1:
            return False
        numbers = [int(re.sub(r"\D", "", found[1])) for w in words if (found := _NUMBER.search(w))]
        half = sum(self._sizes) // 2
        self._most = max(1, min([half, *(number for number in numbers if number)]))
        self.refused = True
        say_once(
            "this stage exceeds the provider's limit of enqueued batch tokens; Lion sends smaller"
            " batches, one after the other",
            key="enqueued tokens",
        )
        return True


def _size(job: Job) -> int:
    """Estimate the tokens of the prompt of `job`."""
    return most_tokens(job.body)[0] // _BYTES_A_TOKEN
