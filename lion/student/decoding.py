"""Token by token, a batch at a time; rows that have ended leave the batch.

transformers' own `generate` computes every row until the last one ends, which for answers of
Alpaca's lengths is most of the work.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

LEAVE = 8  # one in so many rows must have ended before the batch is made smaller


class Picker:
    """The next token of every row: the likeliest, or one drawn by a number of the row's own.

    A row's draws come from its seed alone, one a step, so its neighbours change nothing.
    """

    def __init__(self, seeds: Sequence[int], *, steps: int, temperature: float) -> None:
        self._temperature = temperature
        if temperature > 0:
            draws = [torch.rand(steps, generator=torch.Generator().manual_seed(s)) for s in seeds]
            self._draws = torch.stack(draws)  # (B, steps)

    def __call__(self, logits: torch.Tensor, rows: torch.Tensor, step: int) -> torch.Tensor:
        """Tokens (B,) for logits (B, V); `rows` (B,) are the rows' numbers in the first batch."""
        if self._temperature == 0:
            return logits.argmax(dim=-1)
        mass = torch.softmax(logits.float() / self._temperature, dim=-1).cumsum(dim=-1)
        target = self._draws[rows.cpu(), step, None].to(mass.device) * mass[:, -1:]
        return torch.searchsorted(mass, target).squeeze(1).clamp(max=mass.shape[1] - 1)


@torch.inference_mode()
def decode(
    model: PreTrainedModel,
    prompts: Sequence[list[int]],
    pick: Picker,
    *,
    pad: int,
    ends: Sequence[int],
    max_tokens: int,
) -> list[list[int]]:
    """What follows each prompt: tokens up to an end mark, which is the last, or `max_tokens`."""
    ids, mask = _left_padded(prompts, pad, model.device)
    stops = torch.tensor(ends, device=ids.device)
    rows = torch.arange(len(prompts), device=ids.device)
    said = torch.full((len(prompts), max_tokens), pad, device=ids.device)
    lengths = torch.full((len(prompts),), max_tokens, device=ids.device)
    cache: Any = None
    for step in range(max_tokens):
        positions = (mask.cumsum(dim=-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        out: Any = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache, chosen = out.past_key_values, pick(out.logits[:, -1], rows, step)
        running = lengths[rows] == max_tokens
        said[rows[running], step] = chosen[running]
        lengths[rows[running & torch.isin(chosen, stops)]] = step + 1
        left = (lengths[rows] == max_tokens).nonzero().squeeze(1)
        if len(left) == 0:
            break
        if len(left) <= len(rows) * (1 - 1 / LEAVE):
            cache.batch_select_indices(left)
            rows, chosen, mask = rows[left], chosen[left], mask[left]
        ids = chosen[:, None]
        mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
    return [row[:length] for row, length in zip(said.tolist(), lengths.tolist(), strict=True)]


def _left_padded(
    prompts: Sequence[list[int]], pad: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask (B, T), so that all prompts end in the last column."""
    width = max(len(prompt) for prompt in prompts)
    ids = [[pad] * (width - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
