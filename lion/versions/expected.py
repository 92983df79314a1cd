"""The expected requests and tokens of a step, from past replies or from text and limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any, Literal

import polars as pl

from lion.chat.types import Measured
from lion.discriminate.examination import CHECKED, MEASURED, is_close
from lion.discriminate.scores import ORDERS, bias_of, gaps_by_order
from lion.evaluate.judging import orders_of
from lion.params import Judge, Params, Role
from lion.pools.cache import usable
from lion.pools.instructions import messages_of, tasks_of
from lion.pools.tables import ACCEPTED
from lion.prompts import PromptName, render
from lion.runs.run import Tables
from lion.versions.plan import Plan, Step

Basis = Literal["past replies", "text and limits"]
ORACLE = "oracle"
_SECOND = 0.5  # share of pairs judged in a second order, before the first examination
_CHARACTERS = 4  # per token, approximately, in English
PROMPTS: dict[Role, PromptName] = {
    "teacher": "teacher.txt",
    "referee": "referee.txt",
    "judge": "judge.txt",
    "generator": "generator_hard.txt",
}


@dataclass(frozen=True)
class Tokens:
    """Mean tokens of a request and of its reply."""

    prompt: float
    completion: float
    basis: Basis


@dataclass(frozen=True)
class Inputs:
    """The seeds and questions as the stage `seed` would read them now."""

    seeds: pl.DataFrame  # columns instruction, input, and system and turns if a seed has any
    questions: pl.DataFrame
    kept: frozenset[str] = frozenset()  # ids of the seeds whose own answer is kept
    longest_kept: int = 0  # bytes of the longest of these answers


class Sizes:
    """The rows of each pool after the plan has run."""

    def __init__(self, plan: Plan, tables: Tables, inputs: Inputs | None) -> None:
        self.params, self._tables = plan.params, tables
        self.seeds = inputs.seeds if inputs else tables.pool.filter(round="r0")
        self.questions = inputs.questions if inputs else tables.questions
        self._kept = len(inputs.kept) if inputs else 0
        self.longest_kept = inputs.longest_kept if inputs else 0
        self._redone = {step.round for step in plan.steps if step.word in {"seed", "generate"}}

    def pool(self, name: str) -> pl.DataFrame | None:
        """Return the instructions of a round, or the questions; None if yet to be generated."""
        if name in ("eval", "r0"):
            return self.questions if name == "eval" else self.seeds
        there = self._tables.pool.filter(round=name)
        return None if name in self._redone or not there.height else there

    def before(self, name: str) -> list[str]:
        """Return the rounds before round `name`, whose rows it examines."""
        rounds = self.params.round_names
        return rounds[: rounds.index(name)]

    def pools_of(self, step: Step) -> list[str]:
        """Return the names of the pools that a step asks about."""
        if step.word == "evaluate":
            return ["eval"]
        return [step.round] if step.word == "teach" else self.before(step.round)

    def asked(self, step: Step, role: Role, whole: float = 1.0) -> int:
        """Return how many rows a step is about; a rewrite asks only about the hard ones.

        `whole` is the share of rows with a complete answer of the teacher; only those are examined.
        """
        if role == "generator":
            return self.params.generate.count
        pools = [self.pool(name) for name in self.pools_of(step)]
        rows = sum(self.params.generate.count if pool is None else pool.height for pool in pools)
        if step.word == "teach":
            return rows - (self._kept if step.round == "r0" else 0)
        return rows if step.word == "evaluate" else self.params.examine.count(round(rows * whole))


class Expected:
    """The requests and tokens of each step, from past replies as far as there are any."""

    def __init__(self, sizes: Sizes, tables: Tables, past: Mapping[Role, Measured]) -> None:
        self._sizes, self._params, self._past = sizes, sizes.params, past
        answers = _by_model(tables.answers, self._params, "teacher")
        self._whole = _whole_share(answers)  # only complete answers are examined
        self._replies: dict[Role, pl.DataFrame] = {
            "teacher": answers.drop_nulls("prompt_tokens"),  # null: a seed's own
            "referee": _by_model(tables.reviews, self._params, "referee"),
            "judge": _by_model(tables.judged, self._params, "judge"),
        }
        self._draws = tables.draws
        judged = tables.scores.drop_nulls("gap")
        self._gaps = judged.filter(pl.col("round") == pl.col("round").last())["gap"]

    def of(self, step: Step, role: Role) -> tuple[int, Tokens]:
        """Return the number of a step's requests to a role, and their mean tokens."""
        rows: float = self._sizes.asked(step, role, self._whole)
        each = self._tokens(role)
        if role == "referee":
            rows = self._orders(self._until_hard(rows))
        if step.word == "rewrite":
            hard = self._share(self._params.tau)
            share = self._params.rewrite.share * (1.0 if hard is None else hard)
            rows = share * self._until_hard(rows)
            if not self._params.rewrite.blind:
                shown = each.completion + self._tokens("referee").completion
                each = Tokens(each.prompt + shown, each.completion, each.basis)
        return ceil(rows * self._requests_a_row(role)), each

    def _until_hard(self, pairs: float) -> float:
        """Estimate how many of `pairs` are judged until enough are hard, as last time."""
        wanted, share = self._params.examine.hard, self._share(self._params.examine.hard_gap)
        return pairs if wanted is None or not share else min(pairs, ceil(wanted / share))

    def _share(self, least: float) -> float | None:
        """Return the share of gaps of `least` or more in the last examination; None without one."""
        count = self._gaps.len()
        return self._gaps.filter(self._gaps >= least).len() / count if count else None

    def _orders(self, pairs: float) -> float:
        """Return how many comparisons the referee makes for `pairs`: one or two per pair."""
        measured = pairs if self._params.examine.second_order is None else min(pairs, MEASURED)
        rest = pairs - measured
        return len(ORDERS) * measured + rest + rest * (self._second_share() if rest else 0)

    def _second_share(self) -> float:
        """Estimate the share of pairs judged in a second order, from the last examination."""
        past, threshold = self._replies["referee"], self._params.examine.second_order
        names = past["round"].unique()
        last = next((name for name in reversed(self._params.round_names) if name in names), None)
        if threshold is None or last is None:
            return _SECOND
        reviews = past.filter(round=last)
        gaps = gaps_by_order(reviews).select(gap=ORDERS[0]).drop_nulls()
        close = gaps.select(is_close(bias_of(reviews), threshold).mean()).item() or 0.0
        return float(close + (1 - close) / CHECKED)

    def _requests_a_row(self, role: Role) -> float:
        if role == "student":
            return 1.0
        if role == "generator":
            accepted = self._draws.filter(verdict=ACCEPTED).height
            return self._draws.height / accepted if accepted else 1.0
        replies = self._replies[role]
        if role == "teacher":
            return 1 + (1 - _whole_share(replies)) * self._params.teacher.retries
        if role == "judge" and replies.is_empty():
            replies = self._replies["referee"]
        first = replies.filter(attempt=0).height
        retried = replies.height / first if first else 1.0
        return retried * (comparisons(self._params.judge) if role == "judge" else 1)

    def _tokens(self, role: Role) -> Tokens:
        if measured := self._past.get(role):
            return Tokens(measured.prompt, measured.completion, "past replies")
        if role in self._replies and self._replies[role].height:
            means = self._replies[role].select(pl.col("prompt_tokens", "completion_tokens").mean())
            prompt, completion = means.row(0)
            return Tokens(prompt, completion, "past replies")
        return self._from_text(role)

    @cached_property
    def _mean_tokens(self) -> float:
        """Return the mean tokens of an instruction with its context."""
        known = self._sizes.seeds if self._sizes.seeds.height else self._sizes.questions
        sizes = [sum(len(m["content"]) for m in messages_of(task)) for task in tasks_of(known)]
        return sum(sizes) / max(1, len(sizes)) / _CHARACTERS

    def _from_text(self, role: Role) -> Tokens:
        """Estimate the tokens from the mean length of an instruction and the role's reply limit."""
        empty = sum(len(message["content"]) for message in empty_prompt(role)) / _CHARACTERS
        task = self._mean_tokens
        limit = task if role == "generator" else getattr(self._params, role).max_tokens
        answers = 2 * self._tokens("teacher").completion if role in ("referee", "judge") else 0.0
        thinking = self._params.endpoint_of(role).thinking_tokens
        return Tokens(empty + task + answers, limit + thinking, "text and limits")


def _whole_share(answers: pl.DataFrame) -> float:
    """Return the share of complete answers; 1 without any answer."""
    return usable(answers).height / answers.height if answers.height else 1.0


def _by_model(frame: pl.DataFrame, params: Params, role: Role) -> pl.DataFrame:
    """Return the oracle's replies if the role's model is the oracle, else those of other models.

    A server may report any model name, so the name cannot be compared with the parameter.
    """
    is_oracle = pl.col("model") == ORACLE
    return frame.filter(is_oracle if params.model_of(role) == ORACLE else ~is_oracle)


def comparisons(judge: Judge) -> int:
    """Return how often the judge compares the answers to each question, without retries."""
    return len(orders_of(judge)) * judge.samples


def empty_prompt(role: Role) -> tuple[dict[str, str], ...]:
    """Return the messages of a role's prompt template with empty texts."""
    if role == "student":
        return ({"role": "user", "content": ""},)
    compares = role in ("referee", "judge")
    fields = ("task", "answer_1", "answer_2") if compares else ("task",)
    empty: dict[str, Any] = dict.fromkeys(fields, "")
    return render(PROMPTS[role], **empty)
