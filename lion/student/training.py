"""Training of the student on the teacher's answers; the loss covers only the answers' tokens."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import polars as pl
import torch
import transformers
from accelerate import PartialState  # type: ignore[import-untyped]
from accelerate.utils import DistributedType  # type: ignore[import-untyped]
from transformers import PrinterCallback, Trainer, TrainingArguments, set_seed

from lion.params import Compute, Imitate
from lion.pools.instructions import Task, flat_text
from lion.pools.tables import LOSS, from_rows
from lion.student import launch
from lion.student.adapters import prepare_adapter
from lion.student.batches import Collator, Plan, make_plan
from lion.student.memory import advice, check_memory, explained
from lion.student.models import Loaded, device, is_adapter
from lion.student.monitor import TrainingMonitor, last_checkpoint, without_missing_keys_warning
from lion.student.resumable import Resumable, work_key
from lion.student.template import Example, pad_id
from lion.student.thoughts import encode_thoughtful
from lion.support.errors import EmptyError, InputError, ParamsError

Lesson = tuple[Task, str] | tuple[Task, str, str | None]

FSDP = {"version": 2, "cpu_ram_efficient_loading": True, "state_dict_type": "SHARDED_STATE_DICT"}
ZERO3 = {
    "zero_optimization": {"stage": 3, "stage3_gather_16bit_weights_on_model_save": True},
    "bf16": {"enabled": "auto"},
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_accumulation_steps": "auto",
    "gradient_clipping": "auto",
}


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
        tokens = max(len(micro) * len(micro[-1]) for micro in plan.micros if micro)
        check_memory(loaded.model, compute, arithmetic, tokens=tokens, advice=hint)
    launch.join(cpu=device(compute.device).type == "cpu")
    folder = None
    if resumable and compute.checkpoint_steps:
        # All that the weights, and the checkpoints' format, depend on.
        loaded.learnt = work_key(
            [[row.prompt, row.answer] for row in examples],
            settings.model_dump(exclude={"contrast"}),
            seed,
            loaded.identity,
            [torch.__version__, transformers.__version__],
            [str(arithmetic), getattr(loaded.model, "is_quantized", False), compute.sharding],
        )
        folder = resumable.claim(loaded.learnt)
    arguments = arguments_of(settings, compute, plan, seed=seed, arithmetic=arithmetic)
    with explained(hint):
        return run_plan(loaded, plan, arguments, label=label, folder=folder)


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


def arguments_of(
    settings: Imitate, compute: Compute, plan: Plan, *, seed: int, arithmetic: torch.dtype
) -> dict[str, Any]:
    """Return the arguments of transformers' Trainer, except for its folder."""
    sharding: dict[str, Any] = {}
    if compute.sharding == "fsdp":
        checkpointing = {"activation_checkpointing": compute.activation_checkpointing}
        sharding = {"fsdp": True, "fsdp_config": FSDP | checkpointing}
    elif compute.sharding == "zero3":
        sharding = {"deepspeed": ZERO3}
    return sharding | {
        "seed": seed,
        "bf16": arithmetic == torch.bfloat16,
        "num_train_epochs": 1,  # the list of micro-batches has all epochs
        "train_sampling_strategy": "sequential",
        "per_device_train_batch_size": 1,  # one micro-batch
        "gradient_accumulation_steps": plan.accumulation,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": settings.warmup,  # below 1 it is a share of all steps
        "weight_decay": settings.weight_decay,
        "activation_checkpointing": compute.activation_checkpointing and compute.sharding != "fsdp",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it would report a loss that is not a number as 0
        "save_steps": compute.checkpoint_steps or 500,
        "save_total_limit": 2,  # the previous one must exist until the new one is complete
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "use_cpu": device(compute.device).type == "cpu",
        "ddp_find_unused_parameters": False,
        "ddp_timeout": int(launch.PATIENCE.total_seconds()),
        "dataloader_pin_memory": torch.cuda.is_available(),
    }


def run_plan(
    loaded: Loaded,
    plan: Plan,
    arguments: dict[str, Any],
    *,
    label: str,
    folder: Path | None,
    kind: Callable[..., Trainer] | None = None,
) -> pl.DataFrame:
    """Train `loaded` in place; return the loss table (LOSS and `seconds`), one row per step.

    With `folder`, training saves checkpoints there, and resumes from the last one. `kind` makes the
    Trainer of a loss other than that of answers.
    """
    monitor = TrainingMonitor(label, plan.tokens)
    kind = kind or partial(Trainer, data_collator=collator_of(loaded))
    with TemporaryDirectory() as scratch, without_missing_keys_warning(loaded.model):
        trainer = _prepared(
            kind,
            TrainingArguments(
                output_dir=str(folder or scratch),
                save_strategy="steps" if folder else "no",
                **arguments,
            ),
            model=loaded.model,
            train_dataset=plan.micros,
            callbacks=[monitor],
        )
        begun = launch.broadcast(last_checkpoint(folder) if folder and launch.is_main() else None)
        trainer.train(resume_from_checkpoint=str(begun) if begun else None)
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        loaded.gather = lambda: trainer.accelerator.get_state_dict(trainer.model_wrapped)
    rows = [entry for entry in trainer.state.log_history if "loss" in entry]
    return from_rows(
        [_row(entry, plan, monitor) for entry in rows], {**LOSS, "seconds": pl.Float64}
    )


def collator_of(loaded: Loaded) -> Collator:
    """Return a Collator that lays out rows as the model's attention needs them."""
    attention = str(loaded.model.config._attn_implementation)
    return Collator(pad_id(loaded.tokenizer), flat="flash" in attention)


def _prepared(kind: Callable[..., Trainer], arguments: TrainingArguments, **parts: Any) -> Trainer:
    arguments._n_gpu = 1  # with several GPUs, one process would use the slow nn.DataParallel
    sharded = bool(arguments.fsdp or arguments.deepspeed)
    if arguments.use_cpu and sharded:
        # accelerate silently skips sharding when it calls the processes MULTI_CPU.
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    trainer = kind(args=arguments, **parts)
    trainer.remove_callback(PrinterCallback)
    if sharded and not (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):
        raise ParamsError(
            "compute.sharding: accelerate does not support it on this machine; set it to none"
        )
    return trainer


def _row(entry: dict[str, float], plan: Plan, monitor: TrainingMonitor) -> dict[str, Any]:
    step = int(entry["step"])
    return {
        "step": step,
        "loss": round(entry["loss"], 6),
        "grad_norm": round(float(entry["grad_norm"]), 6),
        "learning_rate": round(entry["learning_rate"], 9),
        "tokens": plan.tokens[step - 1],
        "accuracy": entry.get("accuracy"),
        "seconds": monitor.seconds.get(step),
    }
