"""Imitation, first half: the teacher answers a pool."""

from collections.abc import Sequence

import polars as pl

from lion.chat import Asks, Reply, Request, ask_with_retries
from lion.params import Teacher
from lion.pools.cache import usable
from lion.pools.instructions import context_of, stable_seed, task_text
from lion.pools.tables import ANSWER, from_rows
from lion.prompts import Message, render
from lion.support.errors import EmptyError


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
    new = _ask(asked, chat, settings, label=label) if asked.height else known.clear()
    answers = pool.select("id").join(
        pl.concat([known, new]).select(*ANSWER), on="id", how="inner", maintain_order="left"
    )
    return _with_a_whole_one(answers.select(*ANSWER), settings, label=label)


def _ask(pool: pl.DataFrame, chat: Asks, settings: Teacher, *, label: str) -> pl.DataFrame:
    requests = [
        Request(
            id=row["id"],
            messages=messages_to(row),
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            seed=stable_seed("teacher", row["id"]),
        )
        for row in pool.iter_rows(named=True)
    ]
    learns = settings.thoughts == "learn"
    return answers_to(requests, chat, settings, label=label, learns=learns)


def answers_to(
    requests: Sequence[Request], chat: Asks, settings: Teacher, *, label: str, learns: bool
) -> pl.DataFrame:
    """Return the teacher's last reply (ANSWER) to each request, with thoughts if one `learns` them.

    A cut, empty or refused one is retried up to `settings.retries` times.
    """
    attempts = ask_with_retries(
        chat,
        requests,
        label=label,
        retries=settings.retries,
        usable=lambda _, reply: is_whole(reply),
    )
    pairs = zip(requests, attempts, strict=True)
    rows = [_row(request.id, replies[-1], learns=learns) for request, replies in pairs]
    return from_rows(rows, ANSWER)


def messages_to(row: dict[str, str]) -> tuple[Message, ...]:
    """Return the conversation that asks the teacher to answer a row."""
    return chat_about(row, render("teacher.txt", task=task_text(row["instruction"], row["input"])))


def chat_about(row: dict[str, str], prompt: tuple[Message, ...]) -> tuple[Message, ...]:
    """Insert a row's context into `prompt`; its own system prompt replaces the teacher's."""
    system, task = prompt
    context = context_of(row)
    has_own = any(message["role"] == "system" for message in context)
    return (*context, task) if has_own else (system, *context, task)


def _with_a_whole_one(answers: pl.DataFrame, settings: Teacher, *, label: str) -> pl.DataFrame:
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


def is_whole(reply: Reply) -> bool:
    """Whether the reply is not empty and ended by itself."""
    return reply.finish_reason == "stop" and bool(reply.text.strip())


def _row(id: str, reply: Reply, *, learns: bool) -> dict[str, object]:
    return {
        "id": id,
        "answer": reply.text,
        "finish_reason": reply.finish_reason,
        "model": reply.model,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "thoughts": (reply.thoughts or None) if learns else None,
    }
