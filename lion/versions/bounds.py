"""Upper bounds of a step's requests and tokens.

They assume that every retry and draw is used, and that every reply is as long as its limit. A byte
of a known text counts as a token, as in the budget. A text that is not written yet counts as many
tokens as its limit; the limit of an instruction grows with the longest one of earlier rounds.
"""

from dataclasses import astuple, dataclass
from math import ceil
from typing import Any, NamedTuple

import polars as pl

from lion.chat.types import Request
from lion.chat.wire import body_of, most_tokens
from lion.discriminate.referee import VERDICT_SCHEMA
from lion.discriminate.scores import ORDERS
from lion.evaluate.judging import orders_of
from lion.generate.drafts import reply_limit
from lion.params import Role
from lion.pools.instructions import context_of, task_texts
from lion.pools.tokens import length_in_words
from lion.prompts import render
from lion.versions.expected import Sizes, empty_prompt
from lion.versions.plan import Step

# Bytes that a prompt adds to each context message, and to the context as a whole.
_AROUND, _ABOUT = 128, 512


@dataclass(frozen=True)
class Most:
    """The most requests and tokens of a step."""

    requests: int
    prompt_tokens: int
    completion_tokens: int

    def scaled(self, share: float) -> "Most":
        """Return all figures multiplied by `share`."""
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
        self._texts: dict[str, _Texts] = {"eval": _measured(sizes.questions)}
        for name in self._params.round_names:
            pool = sizes.pool(name)
            self._texts[name] = self._to_come(name) if pool is None else _measured(pool)

    def of(self, step: Step, role: Role) -> Most:
        """Return the upper bound of a step's requests to a role."""
        judge = self._params.judge
        if role == "generator":
            return self._generated(step)
        if step.word == "rewrite":
            return self._rewritten(step)
        if role == "teacher":
            attempts = 1 + self._params.teacher.retries
            return self._asked(role, self._sizes.answered(step), [step.round], attempts)
        names = ["eval"] if step.word == "evaluate" else self._sizes.before(step.round)
        is_exam = step.word != "evaluate"
        rows = self._sizes.examined(step) if is_exam else self._sizes.questions.height
        if role == "student":
            return self._asked(role, rows, names, 1)
        settings = judge if role == "judge" else self._params.referee
        runs = len(orders_of(judge)) * judge.samples if role == "judge" else len(ORDERS)
        return self._asked(role, rows, names, runs * (1 + settings.retries))

    def _rewritten(self, step: Step) -> Most:
        """Return the upper bound of rewriting, if every row is hard."""
        settings = self._params.rewrite
        rows = ceil(settings.share * self._sizes.examined(step))
        empty = render("rewrite.txt", task="", answer="", review="", number="2")
        shown = sum(len(message["content"].encode()) for message in empty)
        shown += self._params.student.max_tokens + self._params.referee.max_tokens
        names, times = self._sizes.before(step.round), 1 + self._params.teacher.retries
        return self._asked("teacher", rows, names, times, more=0 if settings.blind else shown)

    def _asked(self, role: Role, rows: int, names: list[str], times: int, *, more: int = 0) -> Most:
        """Return the upper bound of `times` requests for each of `rows` rows of the pools `names`.

        Each prompt has `more` tokens than the role's prompts usually have.
        """
        prompt, completion = self._of_a_request(role, getattr(self._params, role).max_tokens)
        prompt += more
        if role in ("referee", "judge"):
            prompt += self._answer + self._params.student.max_tokens
        longest = max(self._texts[name].longest for name in names)
        text = min(sum(self._texts[name].total for name in names), rows * longest)
        return Most(rows * times, (rows * prompt + text) * times, rows * times * completion)

    def _generated(self, step: Step) -> Most:
        draws = self._params.generate.max_draws * self._params.generate.count
        before = [self._texts[name] for name in self._sizes.before(step.round)]
        prompt, completion = self._of_a_request("generator", self._limit(step.round))
        longest = max(texts.longest for texts in before)
        return Most(draws, draws * (prompt + longest), draws * completion)

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
    before = [_context_size(row) for row in pool.iter_rows(named=True)]
    sizes = [
        len(text.encode("utf-8", "surrogatepass")) + more
        for text, more in zip(texts, before, strict=True)
    ]
    words = max(map(length_in_words, texts), default=0)
    return _Texts(sum(sizes), max(sizes, default=0), words, max(before, default=0))


def _context_size(row: dict[str, Any]) -> int:
    """Return the most tokens that a row's context adds to a prompt."""
    context = context_of(row)
    return sum(len(m["content"].encode()) + _AROUND for m in context) + _ABOUT * bool(context)
