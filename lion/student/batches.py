"""The rows of each training step, their split into micro-batches, and these as tensors."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Any, TypeVar

import torch

from lion.params import Compute, Imitate
from lion.pools.instructions import stable_seed
from lion.student import launch
from lion.student.template import Example
from lion.support.errors import ParamsError

IGNORED = -100  # a label that the loss ignores
OF_PAIRS = ("margins", "lengths", "weights")  # tensors of a batch that the model does not read


@dataclass(frozen=True)
class Pair:
    """Two answers to one prompt; `margin` is log p(chosen) - log p(rejected) of the reference."""

    chosen: Example
    rejected: Example
    margin: float = 0.0

    def __len__(self) -> int:
        return max(len(self.chosen), len(self.rejected))

    @property
    def tokens(self) -> int:
        """Return the number of tokens that the model computes for this pair."""
        return len(self.chosen) + len(self.rejected)


Row = TypeVar("Row", Example, Pair)


def draw_steps(examples: Sequence[Row], *, epochs: int, batch: int, seed: int) -> list[list[Row]]:
    """Return the rows of each step; every epoch has a new order and the last step may be short."""
    order: list[int] = []
    for epoch in range(epochs):
        rows = list(range(len(examples)))
        random.Random(stable_seed(seed, "epoch", epoch)).shuffle(rows)
        order += rows
    return [
        [examples[row] for row in order[start : start + batch]]
        for start in range(0, len(order), batch)
    ]


def split_step(step: Sequence[Row], parts: int) -> list[list[Row]]:
    """Split the rows of a step, sorted by length, into `parts` micro-batches of even size.

    Sorting keeps padding low. Sizes differ by one row at most, and longer rows get smaller batches.
    """
    rows = sorted(step, key=len)
    cuts = [-(-number * len(rows) // parts) for number in range(parts + 1)]
    return [rows[begin:end] for begin, end in pairwise(cuts)]


@dataclass(frozen=True)
class Plan:
    """A training run as micro-batches, in the order in which the processes compute them."""

    micros: list[Any]
    tokens: list[int]  # of each step, without padding
    accumulation: int  # micro-batches per step and process
    rows: int  # mean per micro-batch


def make_plan(examples: Sequence[Row], settings: Imitate, compute: Compute, *, seed: int) -> Plan:
    """Return the plan of a training; ParamsError if a process gets no row."""
    if settings.batch < launch.world_size():
        raise ParamsError(
            f"imitate.batch: {settings.batch} rows a step for {launch.world_size()} processes; "
            f"lower compute.processes to {settings.batch} or less"
        )
    launch.check_share(len(examples), what="imitate")
    if compute.sharding != "none" and launch.world_size() == 1:
        raise ParamsError(f"compute.sharding: {compute.sharding} needs two or more processes")
    return plan_steps(examples, settings, compute, seed=seed)


def plan_steps(examples: Sequence[Row], settings: Imitate, compute: Compute, *, seed: int) -> Plan:
    """Split each step into micro-batches over processes and forward passes; some may be empty."""
    share = -(-settings.batch // launch.world_size())
    rows = min(compute.micro_batch or share, share)
    accumulation = -(-share // rows)
    parts = accumulation * launch.world_size()
    steps = draw_steps(examples, epochs=settings.epochs, batch=settings.batch, seed=seed)
    micros = [micro for step in steps for micro in split_step(step, parts)]
    return Plan(micros, [sum(row.tokens for row in step) for step in steps], accumulation, rows)


@dataclass(frozen=True)
class Collator:
    """A micro-batch as tensors: (B, T), padded on the right, or (1, sum of T), rows end to end.

    `flat` needs an attention that separates rows by their position ids, as flash attention does.
    """

    pad: int
    flat: bool = False

    def __call__(self, micros: Sequence[list[Example]]) -> dict[str, Any]:
        [rows] = micros
        rows = rows or [Example([self.pad], [])]  # a process with nothing to do in the last step
        ids = [row.prompt + row.answer for row in rows]
        labels = [[IGNORED] * len(row.prompt) + row.answer for row in rows]
        if self.flat:
            return _flat(ids, labels)
        return {
            "input_ids": _padded(ids, self.pad),
            "labels": _padded(labels, IGNORED),
            "attention_mask": _padded([[1] * len(row) for row in ids], 0),
        }


@dataclass(frozen=True)
class PairCollator:
    """A micro-batch of pairs, with the number of pairs in its step, as tensors.

    All chosen answers come first, then all rejected ones in the same order.
    """

    collator: Collator

    def __call__(self, micros: Sequence[tuple[list[Pair], int]]) -> dict[str, Any]:
        [(pairs, count)] = micros
        nothing = Example([self.collator.pad], [])  # for a process without a pair in this step
        rows = pairs or [Pair(nothing, nothing)]
        answers = [*(pair.chosen for pair in rows), *(pair.rejected for pair in rows)]
        return {
            **self.collator([answers]),
            "margins": torch.tensor([pair.margin for pair in rows]),
            "lengths": torch.tensor([max(1, len(pair.chosen.answer)) for pair in rows]),
            "weights": torch.full((len(rows),), len(pairs) / len(rows) / count),
        }


def _padded(rows: Sequence[list[int]], filling: int) -> torch.Tensor:
    width = max(len(row) for row in rows)
    return torch.tensor([row + [filling] * (width - len(row)) for row in rows])


def _flat(ids: list[list[int]], labels: list[list[int]]) -> dict[str, Any]:
    positions = [list(range(len(row))) for row in ids]
    ends = list(accumulate((len(row) for row in ids), initial=0))
    bounds = torch.tensor(ends, dtype=torch.int32)
    longest = max(len(row) for row in ids)
    return {
        "input_ids": torch.tensor([[*chain.from_iterable(ids)]]),
        "labels": torch.tensor([[*chain.from_iterable(labels)]]),
        "position_ids": torch.tensor([[*chain.from_iterable(positions)]]),
        "cu_seq_lens_q": bounds,
        "cu_seq_lens_k": bounds,
        "max_length_q": longest,
        "max_length_k": longest,
    }
