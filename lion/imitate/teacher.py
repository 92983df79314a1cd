"""The teacher answers a pool."""

from collections.abc import Sequence

import polars as pl

from lion.chat import Asks, Reply, Request, ask_with_retries
from lion.params import Teacher
from lion.pools.cache import usable
from lion.pools.instructions import context_of, stable_seed, task_text
from lion.pools.tables import ANSWER, from_rows
from lion.prompts import Message, render
from lion.support.errors import EmptyError

Row = dict[str, str]


def teach(
    pool: pl.DataFrame,
    chat: Asks,
    settings: Teacher,
    *,
    label: str,
    kept: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return an answer (ANSWER) to each row of `pool`; EmptyError if none of them is complete.

    A row with an answer in `kept` (ANSWER) sends no request. A cut, empty or refused answer is
    retried up to `settings.retries` times; the last one stands, marked by its finish_reason.
    """
    kept = pl.DataFrame(schema=ANSWER) if kept is None else kept
    asked = pool.join(kept, on="id", how="anti", maintain_order="left")
    known = kept.join(pool, on="id", how="semi")
    if asked.height:
        rows = asked.iter_rows(named=True)
        requests = [request_for(row, question_of(row), settings, "teacher") for row in rows]
        learns = settings.thoughts == "learn"
        known = pl.concat([known, answers_to(requests, chat, settings, label=label, learns=learns)])
    answers = pool.select("id").join(known, on="id", maintain_order="left").select(*ANSWER)
    if not usable(answers).height:
        raise EmptyError(
            f"{label}: none of {answers.height} answers is complete; the last ended with "
            f"finish_reason {answers['finish_reason'][-1]!r} (teacher.max_tokens: "
            f"{settings.max_tokens}): {answers['answer'][-1][:80]!r}; raise teacher.max_tokens or "
            "use another model"
        )
    return answers


def check_thoughts(answers: pl.DataFrame, kept: pl.DataFrame | None, *, label: str) -> None:
    """Raise EmptyError if the teacher's new answers came without any thoughts to learn."""
    asked = answers if kept is None else answers.join(kept, on="id", how="anti")
    whole = usable(asked)
    if whole.height and whole["thoughts"].is_null().all():
        raise EmptyError(
            f"{label}: teacher.thoughts: learn, but none of {whole.height} answers of"
            f" {whole['model'][0]} came with thoughts; choose a model and a server that send them"
            " (or turn its thinking on with endpoints.teacher.extra), or set teacher.thoughts: drop"
        )


def request_for(row: Row, messages: tuple[Message, ...], settings: Teacher, *seed: str) -> Request:
    """Return the request that shows `messages`; its seed depends on `seed` and the row's id."""
    return Request(
        id=row["id"],
        messages=messages,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        seed=stable_seed(*seed, row["id"]),
    )


def question_of(row: Row) -> tuple[Message, ...]:
    """Return the conversation that asks the teacher to answer a row."""
    prompt = render("teacher.txt", task=task_text(row["instruction"], row["input"]))
    return in_context(row, prompt)


def in_context(row: Row, prompt: tuple[Message, ...]) -> tuple[Message, ...]:
    """Insert a row's context into `prompt`; its own system prompt replaces the teacher's."""
    system, task = prompt
    context = context_of(row)
    has_own = any(message["role"] == "system" for message in context)
    return (*context, task) if has_own else (system, *context, task)


def answers_to(
    requests: Sequence[Request], chat: Asks, settings: Teacher, *, label: str, learns: bool
) -> pl.DataFrame:
    """Return the last reply (ANSWER) to each request, with thoughts if the student `learns` them.

    A cut, empty or refused one is retried up to `settings.retries` times.
    """

    def is_whole(_: int, reply: Reply) -> bool:
        return reply.finish_reason == "stop" and bool(reply.text.strip())

    attempts = ask_with_retries(
        chat, requests, label=label, retries=settings.retries, usable=is_whole
    )
    rows = [
        {
            "id": request.id,
            "answer": reply.text,
            "finish_reason": reply.finish_reason,
            "model": reply.model,
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
            "thoughts": (reply.thoughts or None) if learns else None,
        }
        for request, (*_, reply) in zip(requests, attempts, strict=True)
    ]
    return from_rows(rows, ANSWER)
