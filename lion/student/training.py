"""Training of the student on the teacher's answers; the loss covers only the answers' tokens."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import polars as pl
import torch
import transformers
from transformers import set_seed

from lion.params import Compute, Imitate
from lion.pools.instructions import Task, flat_text
from lion.student import launch
from lion.student.adapters import prepare_adapter
from lion.student.batches import Plan, make_plan
from lion.student.memory import advice, check_memory, estimate, explained
from lion.student.models import Loaded, device, is_adapter, model_digest
from lion.student.resumable import Resumable, work_key
from lion.student.template import Example
from lion.student.thoughts import encode_thoughtful
from lion.student.trainer import arguments_of, run_plan
from lion.support.errors import EmptyError, InputError

Lesson = tuple[Task, str] | tuple[Task, str, str | None]


def train(
    loaded: Loaded,
    lessons: Sequence[Lesson],
    *,
    settings: Imitate,
    compute: Compute,
    seed: int,
    label: str,
    arithmetic: torch.dtype = torch.float32,
    resumable: Resumable | None = None,
) -> pl.DataFrame:
    """Train `loaded` in place; return the loss table (LOSS and `seconds`), one row per step.

    A lesson is a task, the teacher's answer, and its thoughts if `loaded` learns them. Every
    process of a launcher must call it. With `resumable` and compute.checkpoint_steps, training
    resumes from the last checkpoint of a killed run with the same data, weights and settings.
    """
    examples = _encode(loaded, lessons, settings)
    plan = make_plan(examples, settings, compute, seed=seed)
    set_seed(seed)
    prepare_adapter(loaded, settings.lora, recompute=compute.activation_checkpointing)
    hint = advice(compute, rows=plan.rows, adapter=is_adapter(loaded.model))
    if compute.memory_check:
        _check_memory(loaded, plan, compute, arithmetic, hint)
    launch.join(cpu=device(compute.device).type == "cpu")
    kept = None
    if resumable and compute.checkpoint_steps:
        loaded.learnt = _key(loaded, examples, settings, compute, arithmetic, seed=seed)
        kept = resumable.claim(loaded.learnt)
    with tempfile.TemporaryDirectory() as scratch, explained(hint):
        folder, saves = kept or Path(scratch), kept is not None
        arguments = arguments_of(settings, compute, plan, seed=seed, folder=folder, saves=saves)
        arguments["bf16"] = arithmetic == torch.bfloat16
        return run_plan(loaded, plan, arguments, label)


def _encode(loaded: Loaded, lessons: Sequence[Lesson], settings: Imitate) -> list[Example]:
    examples = [encode_thoughtful(loaded.tokenizer, loaded.thoughts, *lesson) for lesson in lessons]
    if not examples:
        raise EmptyError("imitate: the train pool has no complete answer to train on")
    limit = settings.max_length
    longest = max(range(len(examples)), key=lambda row: len(examples[row]))
    shown = flat_text(lessons[longest][0])[:60]
    over = sum(len(example) > limit for example in examples)
    if over and not settings.truncate:
        raise InputError(
            f"imitate: {over} of {len(examples)} rows are longer than imitate.max_length={limit} "
            f"tokens (the longest has {len(examples[longest])}: {shown!r}); "
            "raise it, or set imitate.truncate: true"
        )
    cut = [example.cut(limit) for example in examples]
    kept = [example for example in cut if len(example.answer) > example.thoughts]
    if over and launch.is_main():
        click.echo(
            f"{over} of {len(examples)} rows are cut to {limit} tokens; {len(cut) - len(kept)} of "
            "these have no room for the answer and are left out"
        )
    if not kept:
        raise EmptyError(f"imitate: no prompt fits imitate.max_length={limit} tokens; raise it")
    return kept


def _check_memory(
    loaded: Loaded, plan: Plan, compute: Compute, arithmetic: torch.dtype, hint: str
) -> None:
    """Raise ParamsError if training needs more memory than is free."""
    sharded = compute.sharding != "none"
    need = estimate(
        loaded.model,
        tokens=plan.padded,
        shards=launch.world_size() if sharded else 1,
        bytes_a_number=arithmetic.itemsize,
        recompute=compute.activation_checkpointing,
    )
    where = device(compute.device)
    held = need.weights if where.type == "cpu" else 0.0
    check_memory(need, where, held=held, advice=hint)


def _key(
    loaded: Loaded,
    examples: Sequence[Example],
    settings: Imitate,
    compute: Compute,
    arithmetic: torch.dtype,
    *,
    seed: int,
) -> str:
    """Return a hash of all that the weights, and the checkpoints' format, depend on."""
    if not launch.is_main():
        return ""
    rows = [[row.prompt, row.answer] for row in examples]
    versions = [torch.__version__, transformers.__version__]
    is_packed = getattr(loaded.model, "is_quantized", False)
    numbers = [str(arithmetic), str(loaded.model.dtype), is_packed]
    weights = model_digest(str(loaded.folder)) if loaded.folder else None
    base = loaded.base or {}
    return work_key(
        rows,
        settings.model_dump(exclude={"contrast"}),
        seed,
        weights,
        base,
        versions,
        numbers,
        compute.sharding,
    )
