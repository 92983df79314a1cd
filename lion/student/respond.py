"""The student answers a pool: computed by transformers or vLLM here, or by any server."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import polars as pl

from lion.chat.types import Request
from lion.params import Params
from lion.pools.instructions import stable_seed, task_texts
from lion.student.answering import Answer, answer_pool, answer_table
from lion.student.models import (
    ADAPTER,
    load_options,
    load_student,
    load_tokenizer,
    model_digest,
    precision,
    source_of,
)
from lion.student.resumable import Resumable
from lion.student.template import encode_prompt
from lion.support.errors import LionError, ParamsError

Connect = Callable[[Params], AbstractContextManager[Any]]  # lion.chat.connect for the student


def answer_with(
    params: Params,
    student: Path,
    pool: pl.DataFrame,
    *,
    connect: Connect,
    label: str,
    resumable: Resumable | None = None,
) -> pl.DataFrame:
    """The answers (ANSWER) of student folder `student` to `pool`, by compute.engine.

    `connect` reaches the server of engine `server`; nobody is asked otherwise.
    """
    if params.compute.engine == "vllm":
        return _by_vllm(params, student, pool)
    if params.compute.engine == "server":
        return _by_server(params, student, pool, connect, label)
    return answer_pool(
        load_student(student, options=load_options(params.student, params.compute, trained=False)),
        pool,
        settings=params.student,
        seed=params.seed,
        label=label,
        compute=params.compute,
        resumable=resumable,
    )


def _by_vllm(params: Params, student: Path, pool: pl.DataFrame) -> pl.DataFrame:
    """All rows at once: vLLM batches by itself. Its sampling is seeded by the row too."""
    try:
        from vllm import LLM, SamplingParams  # type: ignore[import-not-found]
        from vllm.lora.request import LoRARequest  # type: ignore[import-not-found]
    except ImportError:
        raise ParamsError(
            "compute.engine: vllm is not installed here; pip install 'lion[vllm]' on a machine "
            "with a GPU, or set engine: transformers"
        ) from None
    source, revision = source_of(student)
    tokenizer = load_tokenizer(source, revision)
    adapter = (student / ADAPTER).exists()
    lora = params.imitate.lora
    model = LLM(
        model=source,
        revision=revision,
        dtype=str(precision(params.student, params.compute)).removeprefix("torch."),
        enable_lora=adapter,
        **({"max_lora_rank": lora.rank} if adapter and lora else {}),
        **params.compute.vllm,
    )
    tasks = task_texts(pool)
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
    outs = model.generate(prompts, settings, lora_request=request)
    return answer_table(pool["id"], [_said(out) for out in outs])


def _said(out: Any) -> Answer:
    """A vLLM output as an Answer; its token ids end with the end mark, as ours do."""
    said = out.outputs[0]
    return Answer(
        said.text.strip(),
        "stop" if said.finish_reason == "stop" else "length",
        len(out.prompt_token_ids),
        len(said.token_ids),
    )


def _by_server(
    params: Params, student: Path, pool: pl.DataFrame, connect: Connect, label: str
) -> pl.DataFrame:
    """Ask the server that serves this student; its name there is student.model.

    Replies are kept under a seed that holds the weights' model_digest: the next run's student of
    the same name is asked anew.
    """
    name = str(params.student.model).replace("{student}", student.name)
    named = params.student.model_copy(update={"model": name})
    weights = model_digest(str(student))
    requests = [
        Request(
            id=id,
            messages=({"role": "user", "content": task},),
            temperature=params.student.temperature,
            max_tokens=params.student.max_tokens,
            seed=stable_seed(params.seed, weights, task),
        )
        for id, task in zip(pool["id"], task_texts(pool), strict=True)
    ]
    with connect(params.model_copy(update={"student": named})) as chat:
        replies = chat.ask(requests, label=label)
    if not any(reply.text.strip() for reply in replies):
        raise LionError(f"{label}: the server gave {len(replies)} empty answers")
    return answer_table(
        pool["id"],
        [
            Answer(r.text.strip(), r.finish_reason, r.prompt_tokens, r.completion_tokens)
            for r in replies
        ],
    )
