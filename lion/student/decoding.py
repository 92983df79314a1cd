"""Decoding of many prompts at a time; a row that has ended gives its place to the next prompt.

transformers' own `generate` computes every row until the last row of its batch ends. With answers
of Alpaca's lengths, most of that work is wasted.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import Cache, PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

SPARE = 64  # columns of the cache that are allocated at a time
LEAVE = 4  # new rows join once one row in this many has ended


@dataclass(frozen=True)
class Work:
    """Prompts to answer: tokens and a seed for each row, and the sampling settings.

    `positions` is the most tokens of a prompt with its answer, if the model has a limit.
    """

    prompts: list[list[int]]
    seeds: list[int]
    temperature: float
    max_tokens: int
    positions: int | None = None

    def room(self, row: int) -> int:
        """Return the most tokens of the row's answer; 0 if its prompt leaves none."""
        if self.positions is None:
            return self.max_tokens
        return max(0, min(self.max_tokens, self.positions - len(self.prompts[row])))

    def draws(self, row: int) -> Iterator[float]:
        """Return the random numbers in [0, 1) that choose the row's tokens, from its seed alone."""
        if self.temperature == 0:
            return iter(())
        generator = torch.Generator().manual_seed(self.seeds[row])
        return iter(torch.rand(self.max_tokens, generator=generator).tolist())


@dataclass
class _Batch:
    """B rows in progress, right-aligned. The last token of each is not in the cache yet."""

    rows: list[int]
    tokens: list[list[int]]
    draws: list[Iterator[float]]
    going: list[int]  # positions in the batch of rows that have not ended
    cache: Cache
    width: int  # columns of the cache


@torch.inference_mode()
def decode(
    model: PreTrainedModel,
    work: Work,
    order: Sequence[int],
    *,
    batch: int,
    pad: int,
    ends: Sequence[int],
) -> Iterator[list[tuple[int, list[int]]]]:
    """Answer the prompts of rows `order`, at most `batch` at a time; yield rows as they end.

    Each is a row number and its tokens: up to and including an end token, or as many as it has room
    for. A row without room must not be in `order`.
    """
    waiting = deque(order)
    live: _Batch | None = None
    while live or waiting:
        free = batch - len(live.going) if live else batch
        if waiting and (live is None or (free * LEAVE >= batch and can_join(live.cache))):
            rows = [waiting.popleft() for _ in range(min(free, len(waiting)))]
            logits, begun = _begin(model, work, rows, pad)
            yield _note(begun, logits, work, ends)
            live = _grouped([live, begun] if live else [begun], work)
        elif live and (len(live.rows) - len(live.going)) * LEAVE >= len(live.rows):
            live = _grouped([live], work)
        if live:
            yield _note(live, _step(model, live, work), work, ends)
            live = live if live.going else None


def sample_tokens(
    logits: torch.Tensor, numbers: Sequence[float], temperature: float
) -> torch.Tensor:
    """Return tokens (B,) for logits (B, V): the likeliest, or drawn by `numbers` in [0, 1)."""
    if temperature == 0:
        return logits.argmax(dim=-1)
    mass = torch.softmax(logits.float() / temperature, dim=-1).cumsum(dim=-1)
    target = torch.tensor(numbers, device=mass.device)[:, None] * mass[:, -1:]
    return torch.searchsorted(mass, target).squeeze(1).clamp(max=mass.shape[1] - 1)


def _begin(
    model: PreTrainedModel, work: Work, rows: list[int], pad: int
) -> tuple[torch.Tensor, _Batch]:
    """Return the logits (B, V) after the prompts of `rows`, and the rows as a batch."""
    prompts = [work.prompts[row] for row in rows]
    width = max(map(len, prompts))
    ids = [[pad] * (width - len(prompt)) + prompt for prompt in prompts]
    logits, cache = _forward(model, ids, [len(prompt) for prompt in prompts], None, width)
    draws = [work.draws(row) for row in rows]
    return logits, _Batch(rows, [[] for _ in rows], draws, [*range(len(rows))], cache, width)


def _step(model: PreTrainedModel, live: _Batch, work: Work) -> torch.Tensor:
    """Return the logits (B, V) after the last tokens."""
    live.width += 1
    last = [[tokens[-1]] for tokens in live.tokens]
    lengths = [length + 1 for length in _lengths(live, work)]
    logits, _ = _forward(model, last, lengths, live.cache, live.width)
    return logits


def _lengths(live: _Batch, work: Work) -> list[int]:
    """Return the number of tokens of each row in the cache."""
    pairs = zip(live.rows, live.tokens, strict=True)
    return [len(work.prompts[row]) + len(tokens) - 1 for row, tokens in pairs]


def _forward(
    model: PreTrainedModel, ids: list[list[int]], lengths: list[int], cache: Any, width: int
) -> tuple[torch.Tensor, Cache]:
    """Return the logits (B, V) after `ids` (B, T), the last tokens of rows of `lengths` tokens.

    Rows are right-aligned in `width` columns; positions count from each row's first token.
    """
    columns = torch.arange(width) - width + torch.tensor(lengths)[:, None]  # (B, width) positions
    tokens = torch.tensor(ids)
    out: Any = model(
        input_ids=tokens.to(model.device),
        attention_mask=(columns >= 0).long().to(model.device),
        position_ids=columns[:, -tokens.shape[1] :].clamp(min=0).to(model.device),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return out.logits[:, -1], out.past_key_values


def _note(
    batch: _Batch, logits: torch.Tensor, work: Work, ends: Sequence[int]
) -> list[tuple[int, list[int]]]:
    """Choose each row's next token; return the rows that end with it."""
    numbers = [next(draws, 0.0) for draws in batch.draws]
    chosen = sample_tokens(logits, numbers, work.temperature).tolist()
    ended: list[int] = []
    going: list[int] = []
    for place in batch.going:
        tokens = batch.tokens[place]
        tokens.append(chosen[place])
        over = tokens[-1] in ends or len(tokens) == work.room(batch.rows[place])
        (ended if over else going).append(place)
    batch.going = going
    return [(batch.rows[place], batch.tokens[place]) for place in ended]


def _grouped(parts: Sequence[_Batch], work: Work) -> _Batch | None:
    """Return the unfinished rows of all `parts` as one batch; None if there are none."""
    [first, *_] = parts
    places = [(part, place) for part in parts for place in part.going]
    if not places:
        return None
    whole = _Batch(
        rows=[part.rows[place] for part, place in places],
        tokens=[part.tokens[place] for part, place in places],
        draws=[part.draws[place] for part, place in places],
        going=[*range(len(places))],
        cache=first.cache,
        width=first.width,
    )
    kept = [torch.tensor(part.going, dtype=torch.long) for part in parts]
    if can_join(first.cache):
        whole.width = max(_lengths(whole, work))
        join([part.cache for part in parts], kept, width=whole.width)
    elif len(kept[0]) < len(first.rows):
        first.cache.reorder_cache(kept[0])  # type: ignore[arg-type]
    return whole


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
