"""Discrimination, first half: the referee compares two answers in both orders."""

import polars as pl

from lion.chat import Asks, Reply, Request, ask_again
from lion.errors import EmptyError
from lion.instructions import stable_seed, task_text
from lion.params import Referee
from lion.prompts import render
from lion.scores import ORDERS, Order, score
from lion.tables import REVIEW, from_rows
from lion.verdicts import parse_scores as parse_scores


def review(pairs: pl.DataFrame, chat: Asks, settings: Referee, *, label: str) -> pl.DataFrame:
    """Every reply of the referee (REVIEW): each pair in both orders, unreadable ones asked again.

    `pairs` has id, instruction, input, answer (the teacher's) and response (the student's).
    EmptyError if no pair could be judged in both orders.
    """
    asked = [
        (row["id"], order, _request(row, order, settings))
        for order in ORDERS
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
    if score(reviews)["gap"].is_null().all():
        raise EmptyError(
            f"{label}: the referee {reviews['model'][0]} judged none of {pairs.height} answers: "
            f"{reviews['student'].is_null().sum()} of {reviews.height} replies had no two "
            f"readable scores, such as {reviews['reply'][-1][:160]!r}; every reply is kept in the "
            "store; ask another model as referee"
        )
    return reviews


def _request(row: dict[str, str], order: Order, settings: Referee) -> Request:
    sides = (row["answer"], row["response"])
    first, second = sides if order == "teacher_first" else sides[::-1]
    task = task_text(row["instruction"], row["input"])
    return Request(
        id=row["id"],
        messages=render("referee", task=task, answer_1=first, answer_2=second),
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        seed=stable_seed("referee", row["id"], order),
    )


def _is_readable(reply: Reply) -> bool:
    return parse_scores(reply.text) is not None


def _row(id: str, order: Order, attempt: int, reply: Reply) -> dict[str, object]:
    scores = parse_scores(reply.text) or (None, None)
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
