"""The key-value cache of a batch: tokens are written in place, rows leave and others join."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import Cache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

SPARE = 64  # columns allocated at a time


class GrowingLayer(DynamicLayer):
    """Keys and values with spare columns, since transformers' layer copies everything per token."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, *, width: int) -> None:
        """`keys` and `values` (B, heads, columns, size) are filled up to column `width`."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
        self._buffers = [keys, values]
        self._show(width)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append the new keys and values; return all of them."""
        begin = self._width
        end = begin + key_states.shape[2]
        if end > self._buffers[0].shape[2]:
            more = end - begin + SPARE
            self._buffers = [torch.nn.functional.pad(b, (0, 0, 0, more)) for b in self._buffers]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, begin:end] = states
        return self._show(end)

    def _show(self, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        self._width = width
        self.keys, self.values = (buffer[:, :, :width] for buffer in self._buffers)
        return self.keys, self.values


def can_join(cache: Cache) -> bool:
    """Whether rows can be regrouped; false if a layer keeps another kind of state."""
    known = (DynamicLayer, DynamicSlidingWindowLayer, GrowingLayer)
    return all(type(layer) in known for layer in cache.layers)


def join(caches: Sequence[Cache], kept: Sequence[torch.Tensor], *, width: int) -> Cache:
    """Put the `kept` rows of each cache into the first, ending in column `width`; return it.

    Columns hold at most the last `width` tokens; shorter rows have zeros before them.
    """
    [first, *_] = caches
    for number, layers in enumerate(zip(*(cache.layers for cache in caches), strict=True)):
        layer = layers[0]
        if not layer.is_initialized:  # shares the keys of another layer
            continue
        if isinstance(layer, DynamicSlidingWindowLayer):
            columns, spare = min(width, layer.sliding_window - 1), 0
        else:
            columns, spare = width, SPARE
        keys, values = (
            _stack_rows([getattr(each, name) for each in layers], kept, columns, spare)
            for name in ("keys", "values")
        )
        if isinstance(layer, DynamicSlidingWindowLayer):
            layer.keys, layer.values, layer.cumulative_length = keys, values, width
        else:
            first.layers[number] = GrowingLayer(keys, values, width=columns)
    return first


def _stack_rows(
    parts: Sequence[torch.Tensor], kept: Sequence[torch.Tensor], columns: int, spare: int
) -> torch.Tensor:
    """Return the `kept` rows of all parts (B, heads, T, size), right-aligned in `columns`."""
    _, heads, _, size = parts[0].shape
    made = parts[0].new_zeros(sum(map(len, kept)), heads, columns + spare, size)
    begin = 0
    for part, rows in zip(parts, kept, strict=True):
        own = part[:, :, -columns:]
        end = begin + len(rows)
        place = made[begin:end, :, columns - own.shape[2] : columns]
        torch.index_select(own, 0, rows.to(own.device), out=place)
        begin = end
    return made
