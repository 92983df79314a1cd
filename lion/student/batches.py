"""The rows of each training step, and their split into micro-batches.

The rows of a step are drawn at random, regardless of length. Within a step they are sorted by
length and split into micro-batches, which keeps padding low.
"""

import random
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Any, Protocol, TypeAlias, TypeVar

import torch

from lion.params import Compute, Imitate
from lion.pools.instructions import stable_seed
from lion.student import launch
from lion.student.template import Example
from lion.support.errors import ParamsError

IGNORED = -100  # a label that the loss ignores
Micro: TypeAlias = list[Example]  # rows of one forward pass


class Sided(Sized, Protocol):
    """A training row: one example, or the two sides of a pair; its length is the longest side's."""

    @property
    def sides(self) -> Sequence[Example]:
        """Return the examples that the model computes for this row."""


Row = TypeVar("Row", bound=Sided)


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
    padded: int  # tokens of the largest micro-batch, padding included


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
    tokens = [sum(len(side) for row in step for side in row.sides) for step in steps]
    padded = max(len(row.sides) * len(row) * len(micro) for micro in micros for row in micro[-1:])
    return Plan(micros, tokens, accumulation, rows, padded)


class Collator:
    """A micro-batch as tensors: (B, T), padded on the right, or (1, sum of T), rows end to end.

    `flat` needs an attention that separates rows by their position ids, as flash attention does.
    """

    def __init__(self, pad: int, *, flat: bool = False) -> None:
        self.pad = pad
        self.flat = flat

    def __call__(self, micros: Sequence[Micro]) -> dict[str, Any]:
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
