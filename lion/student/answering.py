"""The student's answers: many prompts of similar length at a time, each with its own seed."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import polars as pl
import torch
from transformers import PreTrainedTokenizerBase

from lion.params import Compute, Student
from lion.pools.instructions import Task, flat_text, stable_seed, tasks_of
from lion.pools.tables import ANSWER, from_rows
from lion.student import launch
from lion.student.decoding import Work, decode
from lion.student.models import Loaded, device, positions_of
from lion.student.resumable import Results, Resumable, shared_work, work_key
from lion.student.template import encode_prompt, pad_id
from lion.student.thoughts import ThoughtForm
from lion.support.errors import ParamsError
from lion.support.text import trimmed


@dataclass(frozen=True)
class Answer:
    """An answer of the student; `finish_reason` is stop (it ended by itself) or length (cut).

    A student that learnt thoughts has `thoughts`, and an empty answer if they did not end.
    """

    answer: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    thoughts: str | None = None


def answer_pool(
    loaded: Loaded,
    pool: pl.DataFrame,
    *,
    settings: Student,
    compute: Compute,
    seed: int,
    label: str,
    resumable: Resumable | None = None,
) -> pl.DataFrame:
    """Return the student's answers (ANSWER) to a pool with id, instruction and input.

    Every process of a launcher must call it: each answers its share and gets all answers. With
    `resumable`, every finished answer is saved, so a killed run loses at most one batch per
    process.
    """
    tasks = tasks_of(pool)
    launch.check_share(len(tasks), what=label)
    make_ready(loaded, compute)
    work = Work(
        prompts=[encode_prompt(loaded.tokenizer, task) for task in tasks],
        seeds=[stable_seed(seed, task) for task in tasks],
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        positions=positions_of(loaded.model.config),
    )
    # Longest prompts first, so that memory runs out at the start or not at all.
    order = sorted(range(len(tasks)), key=lambda row: -len(work.prompts[row]))
    known = shared_work(
        [[row] for row in order if work.room(row)],
        partial(_generate, loaded, work, batch=compute.answer_batch),
        resumable=resumable,
        key=lambda: work_key("answers", loaded.identity, asdict(work)),
        label=label,
        unit="answers",
    )
    answers = [
        Answer(**known[row]) if row in known else Answer("", "length", len(prompt), 0)
        for row, prompt in enumerate(work.prompts)
    ]
    return answer_table(pool["id"], without_thoughts(answers, tasks, loaded.thoughts))


def answer_table(ids: pl.Series, answers: Sequence[Answer]) -> pl.DataFrame:
    """Return answers as ANSWER rows."""
    pairs = zip(ids, answers, strict=True)
    rows = [{"id": id, "model": "student", **asdict(answer)} for id, answer in pairs]
    return from_rows(rows, ANSWER)


def make_ready(loaded: Loaded, compute: Compute) -> None:
    """Join the other processes, move the model to its device, and set it to evaluation."""
    cpu = device(compute.device).type == "cpu"
    launch.join(cpu=cpu)
    if not getattr(loaded.model, "is_quantized", False):
        loaded.model.to(device("cpu" if cpu else "auto"))  # type: ignore[arg-type]
    loaded.model.eval()  # type: ignore[no-untyped-call]


def text_of(tokenizer: PreTrainedTokenizerBase, ids: list[int], form: ThoughtForm | None) -> str:
    """Decode the student's tokens `ids`, without control tokens other than those of `form`."""
    if form:
        return form.text_of(tokenizer, ids)
    return trimmed(str(tokenizer.decode(ids, skip_special_tokens=True)))


def without_thoughts(
    answers: Sequence[Answer], tasks: Sequence[Task], form: ThoughtForm | None
) -> list[Answer]:
    """Move the thoughts of answers, if the student writes thoughts in `form`, to their own field.

    The answer is empty if it was cut or ended inside its thoughts, or has further thoughts.
    """
    if form is None:
        return list(answers)
    result = []
    for made, task in zip(answers, tasks, strict=True):
        thoughts, answer, ending = form.split(made.answer, flat_text(task), made.finish_reason)
        result.append(replace(made, answer=answer, thoughts=thoughts, finish_reason=ending))
    return result


def _generate(
    loaded: Loaded, work: Work, rows: list[list[int]], *, batch: int
) -> Iterator[Results]:
    """Yield answers as they end; ParamsError if memory runs out."""
    order = [row for [row] in rows]
    pad = pad_id(loaded.tokenizer)
    try:
        for ended in decode(loaded.model, work, order, batch=batch, pad=pad, ends=loaded.ends):
            if ended:
                yield [
                    (row, asdict(_answer(loaded, work.prompts[row], tokens)))
                    for row, tokens in ended
                ]
    except torch.OutOfMemoryError:
        raise ParamsError(
            f"out of memory with {batch} answers at a time; lower compute.answer_batch"
        ) from None


def _answer(loaded: Loaded, prompt: list[int], tokens: list[int]) -> Answer:
    ended = tokens[-1] in loaded.ends
    kept = tokens[:-1] if ended else tokens
    text = text_of(loaded.tokenizer, kept, loaded.thoughts)
    return Answer(text, "stop" if ended else "length", len(prompt), len(tokens))
