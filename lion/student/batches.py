"""Which rows make a training step, and how they share forward passes with little padding.

The rows of a step are drawn at random: length plays no part in it. Within a step they are sorted
by length and parted into micro-batches of about as many tokens each, so that little is padded.
"""

import math
import random
from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any, TypeAlias

import torch

from lion.pools.instructions import stable_seed
from lion.student.template import Example

IGNORED = -100  # a label that the loss leaves out
Micro: TypeAlias = list[Example]  # rows of one forward pass


def draw_steps(
    examples: Sequence[Example], *, epochs: int, batch: int, seed: int
) -> list[list[Example]]:
    """The rows of each step, epoch after epoch in new orders; the last step may be short."""
    order: list[int] = []
    for epoch in range(epochs):
        rows = list(range(len(examples)))
        random.Random(stable_seed(seed, "epoch", epoch)).shuffle(rows)
        order += rows
    return [
        [examples[row] for row in order[start : start + batch]]
        for start in range(0, len(order), batch)
    ]


def part(step: Sequence[Example], parts: int, *, budget: int) -> list[Micro]:
    """`parts` micro-batches with the fewest padded tokens in all, none above `budget` tokens.

    Rows are sorted by length, so that a micro-batch is a slice; the cheapest cuts are found by
    dynamic programming. `budget` must hold an even parting: rows a part times the longest row.
    """
    rows = sorted(step, key=len)
    # best[n]: padded tokens of the first n rows in the parts so far; cuts[k][n]: where part k of
    # these begins.
    best = [0.0] + [math.inf] * len(rows)
    cuts: list[list[int]] = []
    for _ in range(parts):
        best, cut = _one_more(rows, best, budget)
        cuts.append(cut)
    micros, end = [], len(rows)
    for cut in reversed(cuts):
        micros.append(rows[cut[end] : end])
        end = cut[end]
    return micros[::-1]


def _one_more(
    rows: Sequence[Example], best: list[float], budget: int
) -> tuple[list[float], list[int]]:
    """The fewest padded tokens with one more part, and where that part begins."""
    now, cut = list(best), list(range(len(best)))  # an empty part costs nothing
    for end in range(1, len(best)):
        width = len(rows[end - 1])
        for start in range(end - 1, max(end - budget // width, 0) - 1, -1):
            cost = best[start] + (end - start) * width
            if cost < now[end]:
                now[end], cut[end] = cost, start
    return now, cut


class Collator:
    """A micro-batch as tensors: (B, T), padded on the right, or (1, sum of T), rows end to end.

    `flat` needs an attention that keeps rows apart by their position ids: the flash kinds do.
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
