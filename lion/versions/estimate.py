"""The cost of a plan before it runs: requests, tokens, money, hours.

If a role has replied in past rounds, its mean tokens come from them; otherwise from text lengths
and the limits in params.yaml, which gives an upper bound.
"""

from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Literal

import polars as pl

from lion.chat.accounts import UNANSWERED
from lion.chat.budget import Budget, Usage, mode_of
from lion.chat.store import Store
from lion.discriminate.scores import ORDERS
from lion.evaluate.judging import orders_of
from lion.evaluate.questions import read_questions
from lion.params import Params, Role
from lion.pools.cache import usable
from lion.pools.seeds import read_seeds
from lion.pools.tables import ACCEPTED
from lion.prompts import PromptName, render
from lion.runs.run import Tables
from lion.support.home import store_home
from lion.versions.plan import Plan, Step
from lion.versions.stored import stored_requests

Basis = Literal["past rounds", "text and limits"]
_CHARACTERS = 4  # per token, roughly, in English
_PROMPTS: dict[Role, PromptName] = {
    "teacher": "teacher.txt",
    "referee": "referee.txt",
    "judge": "judge.txt",
    "generator": "generator_hard.txt",
}
_ROLES: dict[str, Role] = {
    "teach": "teacher",
    "referee": "referee",
    "generate": "generator",
    "evaluate": "judge",
}


@dataclass(frozen=True)
class Tokens:
    """Mean tokens of a request and of its reply."""

    prompt: float
    completion: float
    basis: Basis


@dataclass(frozen=True)
class StageCost:
    """What one stage requests beyond the `stored` replies, which the store already has.

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


@dataclass(frozen=True)
class Inputs:
    """The user's own files as the stage `seed` would read them now."""

    seeds: pl.DataFrame  # columns instruction, input
    questions: pl.DataFrame
    kept: frozenset[str] = frozenset()  # ids of the seeds whose own answer is kept


def read_inputs(plan: Plan, root: Path) -> Inputs | None:
    """Read seeds and questions if the plan needs them; InputError if a file is missing or bad.

    It needs them to run `seed`, or for answers that `teach` keeps.
    """
    params = plan.params
    is_kept = params.seeds_answers == "keep"
    words = {(step.word, step.round if step.word == "teach" else "") for step in plan.steps}
    if ("seed", "") not in words and not (is_kept and ("teach", "r0") in words):
        return None
    path = root / params.seeds
    seeds = read_seeds(path, columns=params.seeds_columns, too_long=params.seeds_too_long)
    kept = frozenset(seeds.kept(params.seeds_answers, path.name)["id"])
    return Inputs(seeds.frame, read_questions(root / params.evaluate.questions), kept)


def stage_costs(
    plan: Plan, tables: Tables, generator: Usage | None, inputs: Inputs | None = None
) -> list[StageCost]:
    """Return the cost of every step that asks a model; `generator` is its usage so far."""
    expected = _Expected(plan, tables, generator, inputs)
    kept = inputs.kept if inputs else frozenset()
    return [
        _cost(plan.params, step, stored_requests(step, plan, tables, kept), *expected.of(step))
        for step in plan.steps
        if step.word in _ROLES
    ]


def generator_so_far(params: Params) -> Usage | None:
    """Return the generator's usage from the store, since no table holds its tokens."""
    path = store_home() / "replies.sqlite"
    if not path.exists():
        return None
    with Store(path) as store:
        entries = [entry for entry in store.entries() if entry.mode != UNANSWERED]
    model = params.model_of("generator")
    used = [e.spent() for e in entries if (e.role, e.model) == ("generator", model)]
    sums = (sum(column) for column in zip(*(usage[2:] for usage in used), strict=True))
    return Usage(model, "live", *sums) if used else None


def _cost(params: Params, step: Step, stored: int, needed: int, each: Tokens) -> StageCost:
    role, requests = _ROLES[step.word], max(0, needed - stored)
    prompt, completion = (round(requests * mean) for mean in (each.prompt, each.completion))
    mode = mode_of(params, role)
    usage = Usage(params.model_of(role), mode, requests, prompt, completion)
    return StageCost(
        stage=step.name,
        role=role,
        model=usage.model,
        stored=stored,
        requests=requests,
        prompt_tokens=prompt,
        completion_tokens=completion,
        basis=each.basis,
        money=Budget(params.prices, params.budget).cost(usage),
        hours=_hours(params, role, requests, prompt + completion),
    )


def _hours(params: Params, role: Role, requests: int, tokens: int) -> float | None:
    """The time that the endpoint's rate limits imply; None without limits, or for a batch."""
    if not requests:
        return 0.0
    limits = params.endpoint_of(role)
    pairs = [(requests, limits.requests_per_minute), (tokens, limits.tokens_per_minute)]
    minutes = [count / limit for count, limit in pairs if limit]
    return max(minutes) / 60 if minutes and limits.mode == "live" else None


class _Expected:
    """Requests and tokens of each step, from past rounds and from what the plan will change."""

    def __init__(
        self, plan: Plan, tables: Tables, generator: Usage | None, inputs: Inputs | None
    ) -> None:
        self._params, self._tables, self._generator = plan.params, tables, generator
        self._seeds = inputs.seeds if inputs else tables.pool.filter(round="r0")
        self._kept = len(inputs.kept) if inputs else 0
        self._questions = inputs.questions if inputs else tables.questions
        self._redone = {step.round for step in plan.steps if step.word in {"seed", "generate"}}

    def of(self, step: Step) -> tuple[int, Tokens]:
        """Return how many requests the step makes, and their mean tokens."""
        role = _ROLES[step.word]
        return ceil(self._rows(step) * self._requests_a_row(role)), self._tokens(role)

    def _rows(self, step: Step) -> int:
        """Rows that the step works on: instructions, pairs, wanted ones or questions."""
        if step.word == "evaluate" or step.round == "eval":
            return self._questions.height
        if step.word == "teach" and step.round == "r0":
            return self._seeds.height - self._kept
        if step.word == "generate":
            return self._params.generate.count
        if step.word == "referee":
            rounds = self._params.round_names
            before = rounds[: rounds.index(step.round)]
            return round(sum(map(self._size, before)) * self._whole_share())
        return self._size(step.round)

    def _size(self, name: str) -> int:
        """Rows of a train pool; the count ordered if it does not exist or will be replaced."""
        if name == "r0":
            return self._seeds.height
        there = self._tables.pool.filter(round=name).height
        ordered = name in self._redone or not there
        return self._params.generate.count if ordered else there

    def _whole_share(self) -> float:
        """Share of complete answers; only these are examined."""
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
            "teacher": self._tables.answers.drop_nulls("prompt_tokens"),  # null: a seed's own
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
        """From the mean length of an instruction, and the reply limit of the role."""
        text = pl.col("instruction").str.len_chars() + pl.col("input").str.len_chars()
        known = self._seeds if self._seeds.height else self._questions
        mean = (known.select(text.mean()).item() or 0.0) / _CHARACTERS
        if role == "generator":
            return Tokens(_template(role) + mean, mean, "text and limits")
        limit = getattr(self._params, role).max_tokens
        answers = 0.0 if role == "teacher" else 2 * self._tokens("teacher").completion
        return Tokens(_template(role) + mean + answers, limit, "text and limits")


def _template(role: Role) -> float:
    """Approximate tokens of a role's prompt without the texts that it shows."""
    name = _PROMPTS[role]
    compares = role in ("referee", "judge")
    fields = ("task", "answer_1", "answer_2") if compares else ("task",)
    messages = render(name, **dict.fromkeys(fields, ""))
    return sum(len(message["content"]) for message in messages) / _CHARACTERS
