"""Contrast: prefer the teacher's answer to the student's own wrong one (DPO, arXiv 2305.18290).

TRL's DPOTrainer computes the same loss, but it tokenizes texts itself into a cached dataset and
its own batches. Prompts, thoughts, micro-batches and resumed runs would differ from imitation's.
The loss takes ten lines, so this module adds it to imitation's training loop.
"""

import gc
from collections.abc import Sequence
from dataclasses import astuple, replace
from functools import partial
from itertools import pairwise
from typing import Any

import click
import polars as pl
import torch
import torch.nn.functional as F
from transformers import Trainer, set_seed

from lion.params import Compute, Contrast, Imitate
from lion.pools.instructions import tasks_of
from lion.pools.tables import LOSS, from_rows
from lion.student import launch
from lion.student.batches import IGNORED, OF_PAIRS, Pair, PairCollator, Plan, plan_steps
from lion.student.memory import advice, explained
from lion.student.models import Loaded, device, is_adapter
from lion.student.resumable import Resumable, work_key
from lion.student.thoughts import encode_thoughtful
from lion.student.training import arguments_of, collator_of, run_plan


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
    changes = {
        "epochs": own.epochs,
        "batch": own.batch or settings.batch,
        "learning_rate": own.learning_rate or settings.learning_rate / 20,
    }
    settings = settings.model_copy(update=changes)
    # A pair is two rows of a forward pass.
    rows_at_once = compute.micro_batch or settings.batch
    compute = compute.model_copy(update={"micro_batch": max(1, rows_at_once // 2)})
    set_seed(seed)
    gc.collect()  # the optimizer of `train`
    for module in loaded.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # the margins of the reference are without it, too
    folder = None
    if resumable and compute.checkpoint_steps:
        folder = resumable.claim(
            work_key(loaded.learnt, [*map(astuple, pairs)], settings.model_dump())
        )
    collate = PairCollator(collator_of(loaded))
    kind = partial(ContrastTrainer, beta=own.beta, anchor=own.anchor, data_collator=collate)
    with explained(advice(compute, rows=rows_at_once, adapter=is_adapter(loaded.model))):
        margins = _margins(loaded, pairs, collate, compute, arithmetic)
        referred = [replace(pair, margin=m) for pair, m in zip(pairs, margins, strict=True)]
        plan = _with_counts(plan_steps(referred, settings, compute, seed=seed))
        arguments = arguments_of(settings, compute, plan, seed=seed, arithmetic=arithmetic)
        return run_plan(loaded, plan, arguments, label=label, folder=folder, kind=kind)


def encode_pairs(loaded: Loaded, rows: pl.DataFrame, limit: int, *, label: str) -> list[Pair]:
    """Return the pairs as token ids, each answer cut to `limit` tokens with its prompt.

    A row makes no pair if its prompt leaves no room for a token of either answer, or if the answers
    are equal up to the cut. A student's answer that did not end has no EOS token.
    """
    encode = partial(encode_thoughtful, loaded.tokenizer, loaded.thoughts)
    pairs = []
    for task, row in zip(tasks_of(rows), rows.iter_rows(named=True), strict=True):
        chosen = encode(task, row["answer"], row["thoughts"])
        rejected = encode(task, row["response"], row["response_thoughts"])
        if row["response_ending"] != "stop":
            rejected = replace(rejected, answer=rejected.answer[:-1])
        chosen, rejected = chosen.cut(limit), rejected.cut(limit)
        has_room = all(len(side.answer) > side.thoughts for side in (chosen, rejected))
        if has_room and chosen.answer != rejected.answer:
            pairs.append(Pair(chosen, rejected))
    line = f"{label}: {len(pairs)} pairs{'' if pairs else ', so no training steps'}"
    if alike := rows.height - len(pairs):
        line += f"; {alike} more have no difference within imitate.max_length={limit} tokens"
    if launch.is_main():
        click.echo(line)
    return pairs


def answer_log_probs(model: torch.nn.Module, inputs: dict[str, Any]) -> torch.Tensor:
    """Return the sum of the log-probabilities of each answer of a collated micro-batch: (B,)."""
    labels = inputs.pop("labels")
    logits = model(**inputs, use_cache=False).logits  # (B, T, V), or (1, sum of T, V)
    losses = F.cross_entropy(
        logits[:, :-1].transpose(1, 2).float(),
        labels[:, 1:],
        ignore_index=IGNORED,
        reduction="none",
    )
    if "cu_seq_lens_q" not in inputs:
        return -losses.sum(dim=1)
    whole, bounds = F.pad(losses[0], (1, 0)), inputs["cu_seq_lens_q"].tolist()
    return -torch.stack([whole[begin:end].sum() for begin, end in pairwise(bounds)])


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
        chosen, rejected = answer_log_probs(model, inputs).chunk(2)
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


def _margins(
    loaded: Loaded,
    pairs: Sequence[Pair],
    collate: PairCollator,
    compute: Compute,
    arithmetic: torch.dtype,
) -> list[float]:
    """Return the reference's margin of each pair; the processes share the work."""
    size = compute.micro_batch or 1
    order = sorted(range(len(pairs)), key=lambda row: len(pairs[row]))
    where = device(compute.device)
    loaded.model.eval()  # type: ignore[no-untyped-call]
    made: list[tuple[int, float]] = []
    mixed = torch.autocast(where.type, arithmetic, enabled=arithmetic == torch.bfloat16)
    for begin in range(launch.rank() * size, len(pairs), launch.world_size() * size):
        rows = order[begin : begin + size]
        batch = collate([([pairs[row] for row in rows], 1)])
        inputs = {
            name: value.to(where) if torch.is_tensor(value) else value
            for name, value in batch.items()
            if name not in OF_PAIRS
        }
        with torch.no_grad(), mixed:
            chosen, rejected = answer_log_probs(loaded.model, inputs).chunk(2)
        made += zip(rows, (chosen - rejected).tolist(), strict=True)
    return [margin for _, margin in sorted(launch.gather(made))]


def _with_counts(plan: Plan) -> Plan:
    """Return `plan` with each micro-batch paired with the number of pairs in its step."""
    parts = plan.accumulation * launch.world_size()
    steps = [plan.micros[begin : begin + parts] for begin in range(0, len(plan.micros), parts)]
    counted = [(micro, sum(map(len, step))) for step in steps for micro in step]
    return replace(plan, micros=counted)
