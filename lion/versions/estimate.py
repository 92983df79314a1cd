"""What a plan will ask for: requests, tokens, money, hours; before anything runs.

Token figures are the means of past rounds where a role was asked before, else lengths of the
pool's texts and the limits of params.yaml: at most, then, rather than about.
"""

from dataclasses import dataclass
from math import ceil
from typing import Literal

import polars as pl

from lion.chat.money import Purse, Usage
from lion.chat.store import UNANSWERED, Store
from lion.discriminate.scores import ORDERS
from lion.evaluate.judging import orders_of
from lion.params import Params, Role
from lion.pools.cache import usable
from lion.pools.tables import ACCEPTED
from lion.prompts import PromptName, render
from lion.runs.run import Tables
from lion.support.home import store_home
from lion.versions.plan import Plan, Step
from lion.versions.stored import stored_requests

Basis = Literal["past rounds", "text and limits"]
_CHARACTERS = 4  # a token, in English text, about
_PROMPTS: dict[Role, PromptName] = {
    "teacher": "teacher.txt",
    "referee": "referee.txt",
    "judge": "judge.txt",
    "generator": "generator_hard.txt",
}
_ASKS: dict[str, Role] = {
    "teach": "teacher",
    "referee": "referee",
    "generate": "generator",
    "evaluate": "judge",
}


@dataclass(frozen=True)
class Tokens:
    """Mean tokens of a request, and of its reply."""

    prompt: float
    completion: float
    basis: Basis


@dataclass(frozen=True)
class Cost:
    """What one stage asks for, beyond the `stored` replies that the store has already.

    `money` is None without a price, `hours` without a rate limit.
    """

    stage: str
    role: Role
    model: str
    stored: int
    requests: int
    prompt_tokens: int
    completion_tokens: int
    basis: Basis
    money: float | None
    hours: float | None


def costs(plan: Plan, tables: Tables, generator: Usage | None) -> list[Cost]:
    """The cost of every step that asks a model; `generator` is what it used so far, if anything."""
    expected = _Expected(plan, tables, generator)
    return [
        _cost(plan.params, step, stored_requests(step, plan, tables), *expected.of(step))
        for step in plan.steps
        if step.word in _ASKS
    ]


def generator_so_far(params: Params) -> Usage | None:
    """What the generator used, from the store: its tables hold no tokens."""
    path = store_home() / "replies.sqlite"
    if not path.exists():
        return None
    with Store(path) as store:
        spent = [entry.spent() for entry in store.entries() if entry.role == "generator"]
    model = params.model_of("generator")
    used = [usage for usage in spent if usage.model == model and usage.mode != UNANSWERED]
    sums = (sum(column) for column in zip(*(usage[2:] for usage in used), strict=True))
    return Usage(model, "live", *sums) if used else None


def _cost(params: Params, step: Step, stored: int, needed: int, each: Tokens) -> Cost:
    role, requests = _ASKS[step.word], max(0, needed - stored)
    prompt, completion = (round(requests * mean) for mean in (each.prompt, each.completion))
    mode = params.endpoint_of(role).mode
    usage = Usage(params.model_of(role), mode, requests, prompt, completion)
    return Cost(
        stage=step.name,
        role=role,
        model=usage.model,
        stored=stored,
        requests=requests,
        prompt_tokens=prompt,
        completion_tokens=completion,
        basis=each.basis,
        money=Purse(params.prices, params.budget).cost(usage),
        hours=_hours(params, role, requests, prompt + completion),
    )


def _hours(params: Params, role: Role, requests: int, tokens: int) -> float | None:
    """The time that the endpoint's limits enforce; None where it has none, or is a batch."""
    if not requests:
        return 0.0
    limits = params.endpoint_of(role)
    pairs = [(requests, limits.requests_per_minute), (tokens, limits.tokens_per_minute)]
    minutes = [count / limit for count, limit in pairs if limit]
    return max(minutes) / 60 if minutes and limits.mode == "live" else None


class _Expected:
    """Requests and tokens of each step, from past rounds and from what will have changed."""

    def __init__(self, plan: Plan, tables: Tables, generator: Usage | None) -> None:
        self._params, self._tables, self._generator = plan.params, tables, generator
        self._redone = {step.round for step in plan.steps if step.word in {"seed", "generate"}}

    def of(self, step: Step) -> tuple[int, Tokens]:
        """How many requests, and how long each of them is."""
        role = _ASKS[step.word]
        return ceil(self._rows(step) * self._requests_a_row(role)), self._tokens(role)

    def _rows(self, step: Step) -> int:
        """Rows that the step works on: instructions, pairs, wanted ones or questions."""
        if step.word == "evaluate" or step.round == "eval":
            return self._tables.questions.height
        if step.word == "generate":
            return self._params.generate.count
        if step.word == "referee":
            rounds = self._params.round_names
            before = rounds[: rounds.index(step.round)]
            return round(sum(map(self._size, before)) * self._whole_share())
        return self._size(step.round)

    def _size(self, name: str) -> int:
        """Rows of a train pool; of one that is not there, or will be anew, what is ordered."""
        there = self._tables.pool.filter(round=name).height
        ordered = name != "r0" and (name in self._redone or not there)
        return self._params.generate.count if ordered else there

    def _whole_share(self) -> float:
        """Share of answers that are whole: only these are examined."""
        answers = self._tables.answers
        return usable(answers).height / answers.height if answers.height else 1.0

    def _requests_a_row(self, role: Role) -> float:
        judge = self._params.judge
        if role == "teacher":
            return 1 + (1 - self._whole_share()) * self._params.teacher.retries
        if role == "generator":
            draws = self._tables.draws
            accepted = draws.filter(verdict=ACCEPTED).height
            return draws.height / accepted if accepted else 1.0
        runs = len(ORDERS) if role == "referee" else len(orders_of(judge)) * judge.samples
        reviews = self._tables.reviews
        first = reviews.filter(attempt=0).height
        return runs * (reviews.height / first if first else 1.0)

    def _tokens(self, role: Role) -> Tokens:
        past = {
            "teacher": self._tables.answers,
            "referee": self._tables.reviews,
            "judge": self._tables.judged,
        }
        if role == "generator":
            used = self._generator
            if used and used.requests:
                prompt, completion = used.prompt_tokens, used.completion_tokens
                return Tokens(prompt / used.requests, completion / used.requests, "past rounds")
        elif past[role].height:
            means = past[role].select(pl.col("prompt_tokens", "completion_tokens").mean())
            prompt, completion = means.row(0)
            return Tokens(prompt, completion, "past rounds")
        return self._from_text(role)

    def _from_text(self, role: Role) -> Tokens:
        """From the mean length of an instruction, and what replies may be long."""
        text = pl.col("instruction").str.len_chars() + pl.col("input").str.len_chars()
        known = self._tables.pool if self._tables.pool.height else self._tables.questions
        mean = (known.select(text.mean()).item() or 0.0) / _CHARACTERS
        if role == "generator":
            return Tokens(_template(role) + mean, mean, "text and limits")
        limit = getattr(self._params, role).max_tokens
        answers = 0.0 if role == "teacher" else 2 * self._tokens("teacher").completion
        return Tokens(_template(role) + mean + answers, limit, "text and limits")


def _template(role: Role) -> float:
    """Tokens of a role's prompt without the texts that it shows, about."""
    name = _PROMPTS[role]
    compares = role in ("referee", "judge")
    fields = ("task", "answer_1", "answer_2") if compares else ("task",)
    messages = render(name, **dict.fromkeys(fields, ""))
    return sum(len(message["content"]) for message in messages) / _CHARACTERS
