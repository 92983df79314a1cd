"""Discrimination, first half: the referee compares two answers in both orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import polars as pl

from lion.chat import Asks, Reply, Request, ask_with_retries
from lion.discriminate.scores import ORDERS, Order, Purpose, score
from lion.discriminate.verdicts import Scores, parse_scores
from lion.params import Referee
from lion.pools.instructions import context_of, stable_seed, task_text
from lion.pools.tables import REVIEW, from_rows
from lion.prompts import render, score_mark
from lion.support.errors import EmptyError

Protocol = Literal["referee.txt", "judge.txt"]  # evidence first; scores first

# The form of the prompt as JSON, for retries at servers with structured output. Small models score
# worse in JSON than in the prompt's own form, so the first attempt asks for no schema. The schema
# is the same for every request, because providers compile each new one. It has no field for the
# mark, because small models do not copy the mark into a field.
_FIELDS = {
    "about_answer_1": {"type": "string"},
    "about_answer_2": {"type": "string"},
    "assistant_1": {"type": "integer", "enum": [*range(1, 11)]},
    "assistant_2": {"type": "integer", "enum": [*range(1, 11)]},
}
VERDICT_SCHEMA = {
    "type": "object",
    "properties": _FIELDS,
    "required": [*_FIELDS],
    "additionalProperties": False,
}


class Part(NamedTuple):
    """Pairs to judge in one order, and the purpose if that order is optional."""

    order: Order
    pairs: pl.DataFrame
    purpose: Purpose | None = None


@dataclass(frozen=True)
class _Comparison:
    """One pair of a part: the texts shown to the referee, and the request."""

    id: str
    part: Part
    texts: tuple[str, ...]  # task, first answer, second answer, messages before the task
    request: Request

    def read(self, reply: Reply) -> Scores | None:
        """Return the scores of the first and the second answer, if `reply` gives them."""
        mark, is_cut = score_mark(*self.texts), reply.finish_reason == "length"
        return parse_scores(reply.text, cut=is_cut, mark=mark, texts=self.texts)


def review(
    pairs: pl.DataFrame,
    chat: Asks,
    settings: Referee,
    *,
    label: str,
    protocol: Protocol = "referee.txt",
    orders: tuple[Order, ...] = ORDERS,
    samples: int = 1,
) -> pl.DataFrame:
    """Return every reply of the referee (REVIEW): each pair in all `orders`.

    `pairs` has id, instruction, input, answer (the teacher's) and response (the student's). An
    unreadable reply is retried up to `settings.retries` times, and all attempts are returned. With
    several `samples`, that many rows share id, order and attempt. EmptyError if no pair was judged.
    """
    check_pairs(pairs, label=label)
    parts = [Part(order, pairs) for order in orders]
    reviews = ask_orders(parts, chat, settings, label=label, protocol=protocol, samples=samples)
    check_judged(reviews, orders, label=label)
    return reviews


def ask_orders(
    parts: Sequence[Part],
    chat: Asks,
    settings: Referee,
    *,
    label: str,
    protocol: Protocol = "referee.txt",
    samples: int = 1,
) -> pl.DataFrame:
    """Return every reply of the referee (REVIEW) on all `parts`, requested together."""
    comparisons = [
        _comparison(row, part, sample, settings, protocol)
        for part in parts
        for sample in range(samples)
        for row in part.pairs.iter_rows(named=True)
    ]

    @cache  # each reply is read twice, and reading is most of this stage's own work
    def read(row: int, reply: Reply) -> Scores | None:
        return comparisons[row].read(reply)

    attempts = ask_with_retries(
        chat,
        [comparison.request for comparison in comparisons],
        label=label,
        retries=settings.retries,
        usable=lambda row, reply: read(row, reply) is not None,
        schema=VERDICT_SCHEMA if protocol == "referee.txt" else None,
    )
    return from_rows(
        [
            _row(comparisons[row], attempt, reply, read(row, reply))
            for row, replies in enumerate(attempts)
            for attempt, reply in enumerate(replies)
        ],
        REVIEW,
    )


def check_pairs(pairs: pl.DataFrame, *, label: str) -> None:
    """Raise EmptyError if there is nothing to judge."""
    if pairs.is_empty():
        raise EmptyError(f"{label}: no pair of complete answers to compare")


def check_judged(reviews: pl.DataFrame, orders: tuple[Order, ...], *, label: str) -> None:
    """Raise EmptyError if no pair was judged in all `orders`."""
    asked = reviews.filter(pl.col("order").is_in(orders))
    if not score(asked, orders)["gap"].is_null().all():
        return
    pairs = reviews["id"].n_unique()
    raise EmptyError(
        f"{label}: the referee {reviews['model'][0]} scored none of {pairs} pairs: "
        f"{reviews['student'].is_null().sum()} of {reviews.height} replies lack two readable "
        f"scores, for example {reviews['reply'][-1][:160]!r}. All replies are stored. "
        "Use another model (referee.model)."
    )


def _comparison(
    row: dict[str, str], part: Part, sample: int, settings: Referee, protocol: Protocol
) -> _Comparison:
    sides = row["answer"], row["response"]
    first, second = sides if part.order == "teacher_first" else sides[::-1]
    # Identical answers give the same prompt in both orders. With the same seed it is one request,
    # and the mean over the orders is equal for both answers.
    drawn = ORDERS[0] if first == second else part.order
    task, context = task_text(row["instruction"], row["input"]), context_of(row)
    further = [sample] if sample else []
    request = Request(
        id=row["id"],
        messages=render(protocol, context=context, task=task, answer_1=first, answer_2=second),
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        seed=stable_seed("referee", row["id"], drawn, *further),
    )
    texts = (task, first, second, *(message["content"] for message in context))
    return _Comparison(row["id"], part, texts, request)


def _row(
    comparison: _Comparison, attempt: int, reply: Reply, scores: Scores | None
) -> dict[str, object]:
    first, second = scores or (None, None)
    order, _, purpose = comparison.part
    teacher, student = (first, second) if order == "teacher_first" else (second, first)
    _, first_answer, second_answer, *_ = comparison.texts
    return {
        "id": comparison.id,
        "order": order,
        "attempt": attempt,
        "reply": reply.text,
        "teacher": teacher,
        "student": student,
        "model": reply.model,
        "prompt_tokens": reply.prompt_tokens,
        "purpose": purpose,
        "identical": True if first_answer == second_answer else None,
        "completion_tokens": reply.completion_tokens,
    }
