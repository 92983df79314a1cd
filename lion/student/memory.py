"""An estimate of the memory that training needs, a check against free memory, and advice."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import psutil  # type: ignore[import-untyped]
import torch
from transformers import PreTrainedModel

from lion.params import Compute
from lion.student import launch
from lion.student.models import device
from lion.support.errors import ParamsError

ADAM = 2  # moments per trained weight
GIB = 2**30


@dataclass(frozen=True)
class Need:
    """An estimate of the bytes that one process needs for training."""

    weights: float
    gradients: float
    optimizer: float
    activations: float

    @property
    def total(self) -> float:
        """Return the sum of all parts, in bytes."""
        return self.weights + self.gradients + self.optimizer + self.activations

    def __str__(self) -> str:
        parts = (f"{getattr(self, f.name) / GIB:.2f} {f.name}" for f in fields(self))
        return f"{self.total / GIB:.2f} GiB ({' + '.join(parts)})"


def estimate(
    model: PreTrainedModel,
    compute: Compute,
    arithmetic: torch.dtype,
    *,
    tokens: int,
    processes: int,
) -> Need:
    """Return what training needs in each of `processes`.

    `tokens` are the padded tokens of one forward pass. Sharding divides weights, gradients and
    optimizer state, but the embeddings, and one layer at a time, are whole. Trained float32 weights
    have a copy in the number type of the arithmetic.
    """
    shards = processes if compute.sharding != "none" else 1
    every = list(model.parameters())
    weights = sum(weight.numel() * weight.element_size() for weight in every)
    trained = sum(w.numel() * w.element_size() for w in every if w.requires_grad)
    config = model.config.get_text_config()  # a multimodal model's language part
    if shards > 1:
        ends = 2 * int(config.vocab_size) * int(config.hidden_size) * 4
        beside = weights / int(config.num_hidden_layers) + ends
    else:
        beside = trained * arithmetic.itemsize / 4 if arithmetic.itemsize < 4 else 0.0
    return Need(
        weights=weights / shards + beside,
        gradients=trained / shards,
        optimizer=ADAM * trained / shards,
        activations=_activations(
            config, tokens, arithmetic.itemsize, recompute=compute.activation_checkpointing
        ),
    )


def _activations(config: Any, tokens: int, bytes_a_number: int, *, recompute: bool) -> float:
    """Return the bytes that a forward pass keeps for the backward pass: a decoder with gated MLPs.

    For each token, a layer keeps about 8 numbers of the model's width (inputs of norms and
    projections, queries, attention's output, residuals), keys and values twice (before and after
    rotation), and 4 of the MLP's width. The logits are added: as computed, as float32, and their
    gradient. Attention that keeps its scores (eager) needs more than this.
    """
    width, mlp = int(config.hidden_size), int(getattr(config, "intermediate_size", 0) or 0)
    heads = int(config.num_attention_heads)
    shared = int(getattr(config, "num_key_value_heads", None) or heads) / heads
    layer = tokens * (8 * width + 4 * shared * width + 4 * (mlp or 4 * width)) * bytes_a_number
    layers = int(config.num_hidden_layers)
    kept = layers * tokens * width * bytes_a_number + layer if recompute else layers * layer
    logits = tokens * int(config.vocab_size) * (bytes_a_number + 4 + 4)
    return kept + logits


def free_memory(device: torch.device) -> float:
    """Return the bytes that this process can allocate on `device`; processes share a CPU's."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    return float(psutil.virtual_memory().available) / int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def check_memory(
    model: PreTrainedModel, compute: Compute, arithmetic: torch.dtype, *, tokens: int, advice: str
) -> None:
    """Raise ParamsError if training needs more memory than is free; see `estimate`."""
    need = estimate(model, compute, arithmetic, tokens=tokens, processes=launch.world_size())
    where = device(compute.device)
    held = need.weights if where.type == "cpu" else 0.0
    free = free_memory(where) + held
    if need.total > free:
        raise ParamsError(
            f"imitate: training needs about {need} a process, and {where} has {free / GIB:.2f} "
            f"GiB free; {advice}, or skip this check with compute.memory_check: false"
        )


def advice(compute: Compute, *, rows: int, adapter: bool) -> str:
    """Return how to lower the need, the cheapest way first; `rows` is the current micro-batch."""
    ways = {
        f"set compute.micro_batch below {rows}": rows > 1,
        "set compute.activation_checkpointing: true": not compute.activation_checkpointing,
        "train an adapter (imitate.lora)": not adapter,
        "spread it over processes (compute.sharding: fsdp)": compute.sharding == "none",
    }
    open_ways = [way for way, is_open in ways.items() if is_open]
    return ", ".join(open_ways) or "use a smaller base or larger devices"


@contextmanager
def explained(advice: str) -> Iterator[None]:
    """Turn the device's out-of-memory error into one line with `advice`."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = str(error).split(". ")[0]
        raise ParamsError(f"imitate: out of memory: {reason}; {advice}") from None
