"""The student's answers to a pool, by transformers or vLLM on this machine, or by any server."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click
import polars as pl

from lion.chat.types import Request
from lion.params import Params
from lion.pools.instructions import Task, messages_of, stable_seed, tasks_of
from lion.prompts import Message
from lion.prompts.marks import UNCLEAR
from lion.student.answering import Answer, answer_pool, answer_table, text_of, without_thoughts
from lion.student.launch import is_main
from lion.student.models import (
    ADAPTER,
    load_options,
    load_student,
    model_digest,
    precision,
    source_of,
    tokenizer_of,
)
from lion.student.resumable import Resumable
from lion.student.template import encode_prompt, for_template, unmarked
from lion.student.thoughts import read_form
from lion.support.errors import LionError, ParamsError
from lion.support.text import trimmed

Connect = Callable[[Params], AbstractContextManager[Any]]  # lion.chat.connect for the student


def answer_with(
    params: Params,
    student: Path,
    pool: pl.DataFrame,
    *,
    connect: Connect,
    label: str,
    resumable: Resumable | None = None,
    chat_template: str | None = None,
) -> pl.DataFrame:
    """Return the answers (ANSWER) of student folder `student` to `pool`, by student.engine.

    `connect` opens the server of engine `server`; other engines do not use it. `chat_template`
    replaces the model's own. LionError if a student that writes thoughts gives no answer at all.
    """
    if params.student.engine == "vllm":
        answers = _by_vllm(params, student, pool, chat_template)
    elif params.student.engine == "server":
        if chat_template:
            raise ParamsError(
                f"{label}: engine: server uses the server's own chat template; set student.engine "
                "to transformers or vllm to use another one"
            )
        answers = _by_server(params, student, pool, connect, label)
    else:
        options = load_options(params.student, params.compute, trained=False)
        loaded = load_student(student, options=options)
        loaded.tokenizer.chat_template = chat_template or loaded.tokenizer.chat_template
        answers = answer_pool(
            loaded,
            pool,
            settings=params.student,
            seed=params.seed,
            label=label,
            compute=params.compute,
            resumable=resumable,
        )
    if read_form(student):
        _check_empty(answers, params, label=label)
    return answers


def _check_empty(answers: pl.DataFrame, params: Params, *, label: str) -> None:
    """Report empty answers of a student that writes thoughts; LionError if there are no others."""
    empty = answers.filter(pl.col("answer").str.strip_chars() == "").height
    line = (
        f"{label}: {empty} of {answers.height} answers are empty after their thoughts;"
        f" student.max_tokens ({params.student.max_tokens}) covers both"
    )
    if empty and empty == answers.height:
        raise LionError(f"{line}; raise it, or train longer")
    if empty and is_main():
        click.echo(f"{line}, and such a row counts as an empty answer", err=True)


def _by_vllm(
    params: Params, student: Path, pool: pl.DataFrame, chat_template: str | None
) -> pl.DataFrame:
    """Answer all rows in one call, since vLLM makes its own batches and takes a seed per row."""
    try:
        from vllm import LLM, SamplingParams  # type: ignore[import-not-found]
        from vllm.lora.request import LoRARequest  # type: ignore[import-not-found]
    except ImportError:
        raise ParamsError(
            "student.engine: vllm is not installed; run pip install 'lion[vllm]' on a machine "
            "with a GPU, or set student.engine: transformers"
        ) from None
    source, revision = source_of(student)
    tokenizer, form = tokenizer_of(student), read_form(student)
    tokenizer.chat_template = chat_template or tokenizer.chat_template
    adapter = (student / ADAPTER).exists()
    lora = params.imitate.lora
    model = LLM(
        model=source,
        revision=revision,
        dtype=str(precision(params.student, params.compute)).removeprefix("torch."),
        enable_lora=adapter,
        **({"max_lora_rank": lora.rank} if adapter and lora else {}),
        **{"trust_remote_code": False, **params.compute.vllm},
    )
    tasks = tasks_of(pool)
    prompts = [{"prompt_token_ids": encode_prompt(tokenizer, task)} for task in tasks]
    settings = [
        SamplingParams(
            temperature=params.student.temperature,
            max_tokens=params.student.max_tokens,
            seed=stable_seed(params.seed, task),
        )
        for task in tasks
    ]
    request = LoRARequest("student", 1, str(student.resolve())) if adapter else None
    outputs = model.generate(prompts, settings, lora_request=request)
    answers = [
        Answer(
            text_of(tokenizer, list(output.outputs[0].token_ids), form),
            "stop" if output.outputs[0].finish_reason == "stop" else "length",
            len(output.prompt_token_ids),
            len(output.outputs[0].token_ids),
        )
        for output in outputs
    ]
    return answer_table(pool["id"], without_thoughts(answers, tasks, form))


def _by_server(
    params: Params, student: Path, pool: pl.DataFrame, connect: Connect, label: str
) -> pl.DataFrame:
    """Ask the server that serves this student under the name student.model.

    A request's seed depends on the weights' digest, so that the response store never answers with
    replies of another round's student of the same name.
    """
    name = str(params.student.model).replace("{student}", student.name)
    named = params.student.model_copy(update={"model": name})
    weights = model_digest(str(student))
    tasks = tasks_of(pool)
    requests = [
        Request(
            id=id,
            messages=messages,
            temperature=params.student.temperature,
            max_tokens=params.student.max_tokens,
            seed=stable_seed(params.seed, weights, task),
        )
        for id, task, messages in zip(pool["id"], tasks, _for_server(student, tasks), strict=True)
    ]
    with connect(params.model_copy(update={"student": named})) as chat:
        replies = chat.ask(requests, label=label)
    if not any(reply.text.strip() for reply in replies):
        raise LionError(
            f"{label}: the server returned {len(replies)} empty answers; check student.model and "
            "the server's chat template"
        )
    form = read_form(student)
    answers = []
    for reply in replies:
        unclear = reply.finish_reason == UNCLEAR  # its thoughts cannot be separated
        text, thoughts = ("", reply.text) if unclear else (trimmed(reply.text), reply.thoughts)
        counts = reply.prompt_tokens, reply.completion_tokens
        kept = thoughts or None if form else None
        answers.append(Answer(text, reply.finish_reason, *counts, kept))
    return answer_table(pool["id"], answers)


def _for_server(student: Path, tasks: list[Task]) -> list[tuple[Message, ...]]:
    """Return the tasks with broken control marks, since a server reads every mark as a token.

    A system prompt goes where it was in training, whatever the server's template does with it.
    """
    tokenizer = tokenizer_of(student)
    whole = [tuple(for_template(tokenizer, messages_of(task))) for task in tasks]
    texts = [tuple(unmarked(tokenizer, messages)) for messages in whole]
    if changed := sum(text != task for text, task in zip(texts, whole, strict=True)):
        click.echo(
            f"{changed} of {len(tasks)} tasks contain control tokens of the student's tokenizer; "
            "Lion sends them with a zero-width space inside"
        )
    return texts
