"""Contrast: prefer the teacher's answer to the student's own wrong one (DPO, arXiv 2305.18290).

TRL's DPOTrainer computes the same loss, but it tokenizes texts itself into a cached dataset and
its own batches. Prompts, thoughts, micro-batches and resumed runs would differ from imitation's.
The loss takes ten lines, so this module adds it to imitation's training loop.
"""

import gc
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import torch
import torch.nn.functional as F
from transformers import Trainer, set_seed

from lion.params import Compute, Contrast, Imitate
from lion.pools.tables import LOSS, from_rows
from lion.student import launch
from lion.student.batches import IGNORED, Plan, plan_steps
from lion.student.memory import advice, explained
from lion.student.models import Loaded, device, is_adapter
from lion.student.pairs import OF_PAIRS, Pair, PairCollator, encode_pairs
from lion.student.resumable import Resumable, work_key
from lion.student.trainer import arguments_of, collator_of, run_plan


def contrast(
    loaded: Loaded,
    rows: pl.DataFrame,
    *,
    settings: Imitate,
    compute: Compute,
    seed: int,
    label: str,
    arithmetic: torch.dtype = torch.float32,
    resumable: Resumable | None = None,
) -> pl.DataFrame:
    """Train `loaded`, which `train` has trained, on pairs; return the loss table as `train` does.

    `rows` (lion/imitate/contrast.py) have the teacher's answer and the student's `response`. The
    reference is `loaded` before the first step. Every process of a launcher must call it. A killed
    run resumes as in `train`. If no pair fits max_length, no step is taken.
    """
    pairs = encode_pairs(loaded, rows, settings.max_length, label=label)
    if not pairs:
        return from_rows([], {**LOSS, "seconds": pl.Float64})
    own = settings.contrast or Contrast()
    settings = _settings_of(settings, own)
    # A pair is two rows of a forward pass.
    rows_at_once = compute.micro_batch or settings.batch
    compute = compute.model_copy(update={"micro_batch": max(1, rows_at_once // 2)})
    set_seed(seed)
    loaded.gather = None  # it holds the optimizer of `train`
    gc.collect()
    _without_dropout(loaded.model)
    kept = None
    if resumable and compute.checkpoint_steps:
        tokens = [[side.prompt, side.answer] for pair in pairs for side in pair.sides]
        kept = resumable.claim(work_key(loaded.learnt, tokens, settings.model_dump()))
    hint = advice(compute, rows=rows_at_once, adapter=is_adapter(loaded.model))
    with tempfile.TemporaryDirectory() as scratch, explained(hint):
        margins = _margins(loaded, pairs, compute, arithmetic)
        referred = [replace(pair, margin=m) for pair, m in zip(pairs, margins, strict=True)]
        plan = _with_counts(plan_steps(referred, settings, compute, seed=seed))
        folder, saves = kept or Path(scratch), kept is not None
        arguments = arguments_of(settings, compute, plan, seed=seed, folder=folder, saves=saves)
        arguments["bf16"] = arithmetic == torch.bfloat16
        kind = partial(ContrastTrainer, beta=own.beta, anchor=own.anchor)
        return run_plan(loaded, plan, arguments, label, kind=kind, collate=PairCollator)


def _settings_of(settings: Imitate, own: Contrast) -> Imitate:
    """Return the settings of imitation with those of contrast in their place."""
    changes = {
        "epochs": own.epochs,
        "batch": own.batch or settings.batch,
        "learning_rate": own.learning_rate or settings.learning_rate / 20,
    }
    return settings.model_copy(update=changes)


def answer_log_probs(
    logits: torch.Tensor, labels: torch.Tensor, bounds: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the sum of the log-probabilities of each row's answer: (B,).

    `logits` are (B, T, V) and `labels` (B, T), or (1, sum of T, V) with rows between `bounds`.
    """
    losses = F.cross_entropy(
        logits[:, :-1].transpose(1, 2).float(),
        labels[:, 1:],
        ignore_index=IGNORED,
        reduction="none",
    )
    if bounds is None:
        return -losses.sum(dim=1)
    whole = F.pad(losses[0], (1, 0))
    return -torch.stack([whole[begin:end].sum() for begin, end in pairwise(bounds.tolist())])


class ContrastTrainer(Trainer):
    """A Trainer with the contrast loss, averaged over the pairs of a step; also logs accuracy.

    The loss is DPO's plus `anchor` times the chosen answer's loss per token. Accuracy is the share
    of pairs where the student prefers the chosen answer more than the reference does.
    """

    loss_is_scaled_for_ga = True  # the weights of the pairs scale it

    def __init__(self, *, beta: float, anchor: float, **parts: Any) -> None:
        super().__init__(**parts)
        self._beta, self._anchor = beta, anchor
        self._right = 0.0  # weight of right pairs in the step so far, in this process

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        reference, lengths, weights = (inputs.pop(name) for name in OF_PAIRS)
        chosen, rejected = _log_probs_of(model, inputs)
        gains = chosen - rejected - reference
        self._right += float((weights * (gains > 0)).sum())
        losses = -F.logsigmoid(self._beta * gains)
        if self._anchor:
            losses = losses - self._anchor * chosen / lengths
        return (weights * losses).sum() * launch.world_size()  # their gradients are averaged

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            logs["accuracy"] = round(sum(launch.gather([self._right])), 6)
            self._right = 0.0
        super().log(logs, start_time)


def _log_probs_of(
    model: torch.nn.Module, inputs: dict[str, Any]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return log p(chosen) and log p(rejected) of each pair of a collated micro-batch."""
    labels = inputs.pop("labels")
    logits = model(**inputs, use_cache=False).logits
    chosen, rejected = answer_log_probs(logits, labels, inputs.get("cu_seq_lens_q")).chunk(2)
    return chosen, rejected


def _margins(
    loaded: Loaded, pairs: Sequence[Pair], compute: Compute, arithmetic: torch.dtype
) -> list[float]:
    """Return the reference's margin of each pair; the processes share the work."""
    size = compute.micro_batch or 1
    order = sorted(range(len(pairs)), key=lambda row: len(pairs[row]))
    number = -(-len(pairs) // size)
    number += -number % launch.world_size()  # a sharded model computes in all processes at once
    where = device(compute.device)
    collate = PairCollator(collator_of(loaded))
    loaded.model.eval()  # type: ignore[no-untyped-call]
    made: list[tuple[int, float]] = []
    mixed = torch.autocast(where.type, arithmetic, enabled=arithmetic == torch.bfloat16)
    for part in range(launch.rank(), number, launch.world_size()):
        rows = order[part * size : (part + 1) * size]
        batch = collate([([pairs[row] for row in rows], 1)])
        inputs = {
            name: value.to(where) if torch.is_tensor(value) else value
            for name, value in batch.items()
            if name not in OF_PAIRS
        }
        with torch.no_grad(), mixed:
            chosen, rejected = _log_probs_of(loaded.model, inputs)
        made += zip(rows, (chosen - rejected).tolist(), strict=False)
    return [margin for _, margin in sorted(launch.gather(made))]


def _with_counts(plan: Plan) -> Plan:
    """Return `plan` with each micro-batch paired with the number of pairs in its step."""
    parts = plan.accumulation * launch.world_size()
    steps = [plan.micros[begin : begin + parts] for begin in range(0, len(plan.micros), parts)]
    counted = [(micro, sum(map(len, step))) for step in steps for micro in step]
    return replace(plan, micros=counted)


def _without_dropout(model: torch.nn.Module) -> None:
    """Turn dropout off, since the reference's margins are computed without it."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
