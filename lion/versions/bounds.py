"""Upper bounds of a step's requests and tokens.

They assume that every retry and draw is used, and that every reply is as long as its limit. A byte
of a known text counts as a token, as in the budget. A text that is not written yet counts as many
tokens as its limit; the limit of an instruction grows with the longest one of earlier rounds.
"""

from dataclasses import astuple, dataclass
from math import ceil
from typing import NamedTuple

import polars as pl

from lion.chat.types import Request
from lion.chat.wire import body_of, most_tokens
from lion.discriminate.referee import VERDICT_SCHEMA
from lion.discriminate.scores import ORDERS
from lion.generate.drafts import reply_limit
from lion.params import Role
from lion.pools.instructions import context_of, task_texts
from lion.pools.tokens import length_in_words
from lion.prompts import render
from lion.versions.expected import Sizes, comparisons, empty_prompt
from lion.versions.plan import Step

# Bytes that a prompt adds to each context message, and to the context as a whole.
_AROUND, _ABOUT = 128, 512


@dataclass(frozen=True)
class Most:
    """The most requests and tokens of a step."""

    requests: int
    prompt_tokens: int
    completion_tokens: int

    def without(self, stored: int) -> "Most":
        """Return the figures without the share of `stored` requests."""
        share = (self.requests - stored) / self.requests if self.requests else 0.0
        return Most(*(round(figure * share) for figure in astuple(self)))


class _Texts(NamedTuple):
    """A pool's instructions: tokens in total and of the longest one, words of the longest one.

    `before` are the tokens of the longest context (system prompt and earlier turns).
    """

    total: int
    longest: int
    words: int
    before: int


class Bounds:
    """The upper bounds of the steps of a plan."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes, self._params = sizes, sizes.params
        self._answer = max(sizes.longest_kept, self._params.teacher.max_tokens)
        self._texts: dict[str, _Texts] = {}
        for name in ("eval", *self._params.round_names):
            pool = sizes.pool(name)
            self._texts[name] = self._to_come(name) if pool is None else _measured(pool)

    def of(self, step: Step, role: Role) -> Most:
        """Return the upper bound of a step's requests to a role."""
        sizes, times = self._sizes, self._times(role)
        rows = sizes.asked(step, role)
        if step.word == "rewrite":
            rows = ceil(self._params.rewrite.share * rows)  # every row may be hard
        texts = [self._texts[name] for name in sizes.pools_of(step)]
        text = rows * max(each.longest for each in texts)
        if role == "generator":  # every draft may be inspired by the longest instruction
            limit = self._limit(step.round)
        else:
            text = min(text, sum(each.total for each in texts))
            limit = getattr(self._params, role).max_tokens
        prompt, completion = self._of_a_request(role, limit)
        prompt += self._answers_shown(step, role)
        return Most(rows * times, (rows * prompt + text) * times, rows * times * completion)

    def _times(self, role: Role) -> int:
        """Return the most requests for each row."""
        params = self._params
        most: dict[Role, int] = {
            "teacher": 1 + params.teacher.retries,
            "generator": params.generate.max_draws,
            "referee": len(ORDERS) * (1 + params.referee.retries),
            "judge": comparisons(params.judge) * (1 + params.judge.retries),
            "student": 1,
        }
        return most[role]

    def _answers_shown(self, step: Step, role: Role) -> int:
        """Return the most tokens of answers and reviews in a prompt."""
        params = self._params
        if role in ("referee", "judge"):
            return self._answer + params.student.max_tokens
        if step.word != "rewrite" or params.rewrite.blind:
            return 0
        empty = render("rewrite.txt", task="", answer="", review="", number="2")
        around = sum(len(message["content"].encode()) for message in empty)
        return around + params.student.max_tokens + params.referee.max_tokens

    def _limit(self, name: str) -> int:
        """Return the token limit of the drafts of round `name`."""
        words = max(self._texts[before].words for before in self._sizes.before(name))
        return reply_limit(self._params.generator, words)

    def _to_come(self, name: str) -> _Texts:
        limit = self._limit(name)
        before = max(self._texts[name].before for name in self._sizes.before(name))
        longest = limit + before
        return _Texts(longest * self._params.generate.count, longest, limit, before)

    def _of_a_request(self, role: Role, limit: int) -> tuple[int, int]:
        request = Request(
            id="",
            messages=empty_prompt(role),
            temperature=0.0,
            max_tokens=limit,
            seed=0,
            schema=VERDICT_SCHEMA if role in ("referee", "judge") else None,
        )
        body = body_of(request, self._params.model_of(role), self._params.endpoint_of(role))
        return most_tokens(body)


def _measured(pool: pl.DataFrame) -> _Texts:
    texts = task_texts(pool)
    contexts = [context_of(row) for row in pool.iter_rows(named=True)]
    before = [
        sum(len(m["content"].encode()) + _AROUND for m in context) + _ABOUT * bool(context)
        for context in contexts
    ]
    sizes = [
        len(text.encode("utf-8", "surrogatepass")) + more
        for text, more in zip(texts, before, strict=True)
    ]
    words = max(map(length_in_words, texts), default=0)
    return _Texts(sum(sizes), max(sizes, default=0), words, max(before, default=0))
