"""Training by a plan with transformers' Trainer: arguments, checkpoints and loss table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import torch
from accelerate import PartialState  # type: ignore[import-untyped]
from accelerate.utils import DistributedType  # type: ignore[import-untyped]
from transformers import PrinterCallback, Trainer, TrainingArguments

from lion.params import Compute, Imitate
from lion.pools.tables import LOSS, from_rows
from lion.student import launch
from lion.student.batches import Collator, Plan
from lion.student.models import Loaded, device
from lion.student.monitor import TrainingMonitor, last_checkpoint, without_missing_keys_warning
from lion.student.template import pad_id
from lion.support.errors import ParamsError

FSDP = {"version": 2, "cpu_ram_efficient_loading": True, "state_dict_type": "SHARDED_STATE_DICT"}
ZERO3 = {
    "zero_optimization": {"stage": 3, "stage3_gather_16bit_weights_on_model_save": True},
    "bf16": {"enabled": "auto"},
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_accumulation_steps": "auto",
    "gradient_clipping": "auto",
}


Collate = Callable[[Any], dict[str, Any]]


def arguments_of(
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


def run_plan(
    loaded: Loaded,
    plan: Plan,
    arguments: dict[str, Any],
    label: str,
    *,
    kind: Callable[..., Trainer] = Trainer,
    collate: Callable[[Collator], Collate] = lambda collator: collator,
) -> pl.DataFrame:
    """Train `loaded` in place; return the loss table (LOSS and `seconds`), one row per step.

    `kind` is the Trainer that computes the loss; `collate` adds what that loss needs to a
    micro-batch.
    """
    monitor = TrainingMonitor(label, plan.tokens)
    settings = TrainingArguments(**arguments)
    trainer = _prepared(
        kind,
        settings,
        model=loaded.model,
        train_dataset=plan.micros,
        data_collator=collate(collator_of(loaded)),
        callbacks=[monitor],
    )
    begun = last_checkpoint(Path(arguments["output_dir"])) if launch.is_main() else None
    begun = launch.broadcast(begun)
    with without_missing_keys_warning(loaded.model):
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
