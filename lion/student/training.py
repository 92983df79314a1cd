"""Train the student on the teacher's answers; the loss covers only the answers' tokens."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
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
from lion.student.batches import Collator, Micro, draw_steps, split_step
from lion.student.memory import advice, check_memory, estimate, explained
from lion.student.models import Loaded, device, is_adapter, model_digest
from lion.student.monitor import TrainingMonitor, last_checkpoint, without_alarm
from lion.student.resumable import Resumable, work_key
from lion.student.template import Example, pad_id
from lion.student.thoughts import encode_thoughtful
from lion.support.errors import EmptyError, InputError, ParamsError

FSDP = {"version": 2, "cpu_ram_efficient_loading": True, "state_dict_type": "SHARDED_STATE_DICT"}
ZERO3 = {
    "zero_optimization": {"stage": 3, "stage3_gather_16bit_weights_on_model_save": True},
    "bf16": {"enabled": "auto"},
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_accumulation_steps": "auto",
    "gradient_clipping": "auto",
}


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
    process of a launcher calls it. With `resumable` and compute.checkpoint_steps, training resumes
    from the last checkpoint of a killed run with the same data, weights and settings.
    """
    examples = _encode(loaded, lessons, settings)
    plan = make_plan(examples, settings, compute, seed=seed)
    set_seed(seed)
    prepare_adapter(loaded, settings.lora, recompute=compute.activation_checkpointing)
    hint = advice(compute, rows=plan.rows, adapter=is_adapter(loaded.model))
    if compute.memory_check:
        _check_memory(loaded, plan, compute, arithmetic, hint)
    launch.limit_threads(compute)
    launch.join(cpu=device(compute.device).type == "cpu")
    kept = None
    if resumable and compute.checkpoint_steps:
        kept = resumable.claim(_key(loaded, examples, settings, compute, seed=seed))
    with tempfile.TemporaryDirectory() as scratch, explained(hint):
        folder, saves = kept or Path(scratch), kept is not None
        arguments = _arguments(settings, compute, plan, seed=seed, folder=folder, saves=saves)
        arguments["bf16"] = arithmetic == torch.bfloat16
        return _run(loaded, plan, arguments, label)


@dataclass(frozen=True)
class Plan:
    """A training run as micro-batches, in the order in which the processes take them."""

    micros: list[Micro]
    tokens: list[int]  # of each step, without padding
    accumulation: int  # micro-batches per step and process
    rows: int  # of a micro-batch, mean
    padded: int  # tokens of the largest micro-batch, padding included


def make_plan(
    examples: Sequence[Example], settings: Imitate, compute: Compute, *, seed: int
) -> Plan:
    """Split each step over processes and forward passes. ParamsError if a process gets no row."""
    if settings.batch < launch.world():
        raise ParamsError(
            f"imitate.batch: {settings.batch} rows a step for {launch.world()} processes; lower "
            f"compute.processes to {settings.batch} or less"
        )
    launch.check_share(len(examples), what="imitate")
    if compute.sharding != "none" and launch.world() == 1:
        raise ParamsError(f"compute.sharding: {compute.sharding} needs two or more processes")
    share = -(-settings.batch // launch.world())
    rows = min(compute.micro_batch or share, share)
    accumulation = -(-share // rows)
    parts = accumulation * launch.world()
    steps = draw_steps(examples, epochs=settings.epochs, batch=settings.batch, seed=seed)
    micros = [micro for step in steps for micro in split_step(step, parts)]
    padded = max(len(micro) * len(micro[-1]) for micro in micros if micro)
    return Plan(micros, [sum(map(len, step)) for step in steps], accumulation, rows, padded)


def _encode(loaded: Loaded, lessons: Sequence[Lesson], settings: Imitate) -> list[Example]:
    examples = [encode_thoughtful(loaded.tokenizer, loaded.thoughts, *lesson) for lesson in lessons]
    if not examples:
        raise EmptyError("imitate: the train pool holds no whole answer to learn from")
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
            "these have no token of the answer left and are left out"
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
        shards=launch.world() if sharded else 1,
        bytes_a_number=arithmetic.itemsize,
        recompute=compute.activation_checkpointing,
    )
    where = device(compute.device)
    held = need.weights if where.type == "cpu" else 0.0
    check_memory(need, where, held=held, advice=hint)


def _key(
    loaded: Loaded, examples: Sequence[Example], settings: Imitate, compute: Compute, *, seed: int
) -> str:
    """Return a key of all that the weights depend on; sharding decides a checkpoint's format."""
    if not launch.is_main():
        return ""
    rows = [[row.prompt, row.answer] for row in examples]
    versions = [torch.__version__, transformers.__version__]
    weights = model_digest(str(loaded.folder)) if loaded.folder else None
    base = loaded.base or {}
    return work_key(rows, settings.model_dump(), seed, weights, base, versions, compute.sharding)


def _arguments(
    settings: Imitate, compute: Compute, plan: Plan, *, seed: int, folder: Path, saves: bool
) -> dict[str, Any]:
    """Return the arguments of transformers' Trainer, except for the arithmetic."""
    sharding: dict[str, Any] = {}
    if compute.sharding == "fsdp":
        checkpointing = {"activation_checkpointing": compute.activation_checkpointing}
        sharding = {"fsdp": True, "fsdp_config": FSDP | checkpointing}
    elif compute.sharding == "zero3":
        sharding = {"deepspeed": ZERO3}
    return sharding | {
        "output_dir": str(folder),
        "seed": seed,
        "num_train_epochs": 1,  # of a list that holds all epochs
        "train_sampling_strategy": "sequential",
        "per_device_train_batch_size": 1,  # of a list of micro-batches
        "gradient_accumulation_steps": plan.accumulation,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": settings.warmup,  # below 1 it is a share of all steps
        "weight_decay": settings.weight_decay,
        "activation_checkpointing": compute.activation_checkpointing and compute.sharding != "fsdp",
        "logging_steps": 1,
        "save_strategy": "steps" if saves else "no",
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


def _run(loaded: Loaded, plan: Plan, arguments: dict[str, Any], label: str) -> pl.DataFrame:
    monitor = TrainingMonitor(label, plan.tokens)
    trainer = _trainer(loaded, plan, TrainingArguments(**arguments), monitor)
    begun = last_checkpoint(Path(arguments["output_dir"])) if launch.is_main() else None
    begun = launch.share(begun)
    with without_alarm(loaded.model):
        trainer.train(resume_from_checkpoint=str(begun) if begun else None)
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        loaded.gather = lambda: trainer.accelerator.get_state_dict(trainer.model_wrapped)
    rows = [entry for entry in trainer.state.log_history if "loss" in entry]
    return from_rows(
        [_row(entry, plan, monitor) for entry in rows], {**LOSS, "seconds": pl.Float64}
    )


def _trainer(
    loaded: Loaded, plan: Plan, arguments: TrainingArguments, monitor: TrainingMonitor
) -> Trainer:
    arguments._n_gpu = 1  # several GPUs in one process would mean the old, slow nn.DataParallel
    sharded = bool(arguments.fsdp or arguments.deepspeed)
    if arguments.use_cpu and sharded:
        # accelerate silently skips sharding when it calls the processes MULTI_CPU.
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    attention = str(loaded.model.config._attn_implementation)
    trainer = Trainer(
        model=loaded.model,
        args=arguments,
        train_dataset=plan.micros,
        data_collator=Collator(pad_id(loaded.tokenizer), flat="flash" in attention),
        callbacks=[monitor],
    )
    trainer.remove_callback(PrinterCallback)
    if sharded and not (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):
        raise ParamsError("compute.sharding: accelerate does not do it on this machine; set none")
    return trainer


def _row(entry: dict[str, float], plan: Plan, monitor: TrainingMonitor) -> dict[str, Any]:
    step = int(entry["step"])
    return {
        "step": step,
        "loss": round(entry["loss"], 6),
        "grad_norm": round(float(entry["grad_norm"]), 6),
        "learning_rate": round(entry["learning_rate"], 9),
        "tokens": plan.tokens[step - 1],
        "seconds": monitor.seconds.get(step),
    }
