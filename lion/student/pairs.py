"""Pairs of answers to one prompt as token ids, and as the tensors of a forward pass."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import click
import polars as pl
import torch

from lion.pools.instructions import tasks_of
from lion.student import launch
from lion.student.batches import Collator
from lion.student.models import Loaded
from lion.student.template import Example
from lion.student.thoughts import encode_thoughtful

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
    def sides(self) -> tuple[Example, Example]:
        """Return both answers, each after its prompt."""
        return self.chosen, self.rejected


def encode_pairs(loaded: Loaded, rows: pl.DataFrame, limit: int, *, label: str) -> list[Pair]:
    """Return the pairs as token ids, each answer cut to `limit` tokens with its prompt.

    A row makes no pair if its prompt leaves no room for a token of either answer, or if the answers
    are equal up to the cut. A student's answer that did not end has no EOS token.
    """
    pairs = []
    for task, row in zip(tasks_of(rows), rows.iter_rows(named=True), strict=True):
        chosen, rejected = (
            encode_thoughtful(loaded.tokenizer, loaded.thoughts, task, *texts)
            for texts in (
                (row["answer"], row["thoughts"]),
                (row["response"], row["response_thoughts"]),
            )
        )
        if row["response_ending"] != "stop":
            rejected = replace(rejected, answer=rejected.answer[:-1])
        chosen, rejected = chosen.cut(limit), rejected.cut(limit)
        has_room = all(len(side.answer) > side.thoughts for side in (chosen, rejected))
        if has_room and chosen.answer != rejected.answer:
            pairs.append(Pair(chosen, rejected))
    if launch.is_main():
        line = f"{label}: {len(pairs)} pairs{'' if pairs else ', so no training steps'}"
        alike = rows.height - len(pairs)
        more = f"; {alike} more have no difference within imitate.max_length={limit} tokens"
        click.echo(line + (more if alike else ""))
    return pairs


class PairCollator:
    """Turns a micro-batch of pairs, with the number of pairs in its step, into tensors.

    All chosen answers come first, then all rejected ones in the same order.
    """

    def __init__(self, collator: Collator) -> None:
        self._collator = collator

    def __call__(self, micros: Sequence[tuple[list[Pair], int]]) -> dict[str, Any]:
        [(pairs, count)] = micros
        nothing = Example([self._collator.pad], [])  # for a process without a pair in this step
        rows = pairs or [Pair(nothing, nothing)]
        sides = [[pair.chosen for pair in rows], [pair.rejected for pair in rows]]
        return {
            **self._collator([[*sides[0], *sides[1]]]),
            "margins": torch.tensor([pair.margin for pair in rows]),
            "lengths": torch.tensor([max(1, len(pair.chosen.answer)) for pair in rows]),
            "weights": torch.full((len(rows),), len(pairs) / len(rows) / count),
        }
