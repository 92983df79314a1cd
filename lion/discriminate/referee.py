"""Discrimination, first half: the referee compares two answers in both orders."""

from collections.abc import Callable

import polars as pl

from lion.chat import Asks, Reply, Request, ask_again
from lion.discriminate.scores import ORDERS, Order, score
from lion.discriminate.verdicts import parse_scores as parse_scores
from lion.params import Referee
from lion.pools.instructions import stable_seed, task_text
from lion.pools.tables import REVIEW, from_rows
from lion.prompts import Message, render
from lion.support.errors import EmptyError

# What a server that offers structured output is asked for; parse_scores reads it like plain text.
VERDICT_SCHEMA = {
    "type": "object",
    "properties": {
        "evidence": {"type": "string"},
        "assistant_1": {"type": "integer"},
        "assistant_2": {"type": "integer"},
    },
    "required": ["evidence", "assistant_1", "assistant_2"],
    "additionalProperties": False,
}

# Task, first answer, second answer -> what is asked.
Prompt = Callable[[str, str, str], tuple[Message, ...]]


def evidence_first(task: str, first: str, second: str) -> tuple[Message, ...]:
    """The referee's prompt: it explains itself, then gives two scores."""
    return render("referee.txt", task=task, answer_1=first, answer_2=second)


def review(
    pairs: pl.DataFrame,
    chat: Asks,
    settings: Referee,
    *,
    label: str,
    prompt: Prompt = evidence_first,
    orders: tuple[Order, ...] = ORDERS,
    samples: int = 1,
) -> pl.DataFrame:
    """Every reply of the referee (REVIEW): each pair in all `orders`, unreadable ones asked again.

    `pairs` has id, instruction, input, answer (the teacher's) and response (the student's); with
    several `samples` as many rows share id, order and attempt. EmptyError if no pair was judged.
    """
    if pairs.is_empty():
        raise EmptyError(f"{label}: no pair of whole answers to compare")
    asked = [
        (row["id"], order, _request(row, order, sample, settings, prompt))
        for order in orders
        for sample in range(samples)
        for row in pairs.iter_rows(named=True)
    ]
    requests = [request for _, _, request in asked]
    attempts = ask_again(chat, requests, label=label, retries=settings.retries, usable=_is_readable)
    reviews = from_rows(
        [
            _row(id, order, attempt, reply)
            for (id, order, _), replies in zip(asked, attempts, strict=True)
            for attempt, reply in enumerate(replies)
        ],
        REVIEW,
    )
    if score(reviews, orders)["gap"].is_null().all():
        raise EmptyError(
            f"{label}: the referee {reviews['model'][0]} judged none of {pairs.height} answers: "
            f"{reviews['student'].is_null().sum()} of {reviews.height} replies had no two "
            f"readable scores, such as {reviews['reply'][-1][:160]!r}; every reply is kept in the "
            "store; ask another model as referee"
        )
    return reviews


def _request(
    row: dict[str, str], order: Order, sample: int, settings: Referee, prompt: Prompt
) -> Request:
    sides = (row["answer"], row["response"])
    first, second = sides if order == "teacher_first" else sides[::-1]
    again = [sample] if sample else []
    return Request(
        id=row["id"],
        messages=prompt(task_text(row["instruction"], row["input"]), first, second),
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        seed=stable_seed("referee", row["id"], order, *again),
        schema=VERDICT_SCHEMA if prompt is evidence_first else None,
    )


def _read(reply: Reply) -> tuple[float, float] | None:
    return parse_scores(reply.text, cut=reply.finish_reason == "length")


def _is_readable(reply: Reply) -> bool:
    return _read(reply) is not None


def _row(id: str, order: Order, attempt: int, reply: Reply) -> dict[str, object]:
    scores = _read(reply) or (None, None)
    teacher, student = scores if order == "teacher_first" else scores[::-1]
    return {
        "id": id,
        "order": order,
        "attempt": attempt,
        "reply": reply.text,
        "teacher": teacher,
        "student": student,
        "model": reply.model,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
    }
