"""Rows that end give their place to others, whatever the model keeps of the past."""

from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    Lfm2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.cache_utils import DynamicLayer

from lion.student import decoding
from lion.student.decoding import GrowingLayer, Work, decode, join

SHAPE: dict[str, Any] = {
    "vocab_size": 24,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "eos_token_id": 1,
    "pad_token_id": 0,
    "bos_token_id": None,
}
KINDS: dict[str, PreTrainedConfig] = {
    "full attention": LlamaConfig(**SHAPE),
    "sliding window": MistralConfig(**SHAPE, sliding_window=5),
    "both by turns": Gemma3TextConfig(
        **SHAPE, sliding_window=5, layer_types=["sliding_attention", "full_attention"]
    ),
    "learnt positions": GPT2Config(
        vocab_size=24, n_embd=32, n_layer=2, n_head=4, n_positions=32, eos_token_id=1
    ),
    "a state of its own": Lfm2Config(**SHAPE, layer_types=["conv", "full_attention"]),
}
PROMPTS = [[2 + (7 * row + place) % 20 for place in range(20 - row)] for row in range(18)]
LIMIT = 12  # tokens of an answer, most


def made(config: PreTrainedConfig) -> PreTrainedModel:
    torch.manual_seed(0)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1 and "conv" not in name:
                weight.normal_(std=0.3)
    return model.eval()


def said(model: PreTrainedModel, work: Work, batch: int) -> list[list[int]]:
    order = range(len(PROMPTS))
    found = decode(model, work, order, batch=batch, pad=0, ends=[1, 2, 3])
    told = dict(pair for ended in found for pair in ended)
    assert len(told) == len(order)
    return [told[row] for row in order]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_the_same_alone_and_among_others(kind: str, temperature: float) -> None:
    model = made(KINDS[kind])
    work = Work(PROMPTS, [*range(len(PROMPTS))], temperature, LIMIT)
    alone = said(model, work, batch=1)
    assert len({len(tokens) for tokens in alone}) > 1
    assert all(len(tokens) == LIMIT or tokens[-1] in (1, 2, 3) for tokens in alone)
    assert said(model, work, batch=5) == alone
    assert said(model, work, batch=18) == alone


def test_greedy_answers_are_those_of_generate() -> None:
    model = made(KINDS["both by turns"])
    ours = said(model, Work(PROMPTS, [0] * len(PROMPTS), 0.0, LIMIT), batch=4)
    for prompt, tokens in zip(PROMPTS, ours, strict=True):
        generate: Any = model.generate
        told = torch.tensor([prompt])
        out = generate(
            input_ids=told,
            attention_mask=torch.ones_like(told),
            do_sample=False,
            max_new_tokens=LIMIT,
            eos_token_id=[1, 2, 3],
        )
        assert out[0, len(prompt) :].tolist() == tokens


def test_keys_are_written_in_place_until_the_spare_columns_are_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "SPARE", 2)
    states = torch.arange(36.0).reshape(2, 1, 6, 3)
    theirs = DynamicLayer()  # type: ignore[no-untyped-call]
    theirs.update(states[:, :, :1], -states[:, :, :1])
    ours = GrowingLayer(states[:, :, :1].clone(), -states[:, :, :1], width=1)
    places = []
    for at in range(1, 6):
        new = states[:, :, at : at + 1]
        expected = theirs.update(new, -new)
        found = ours.update(new, -new)
        assert all(a.equal(b) for a, b in zip(expected, found, strict=True))
        places.append(found[0].data_ptr())
    assert len(set(places[:3])) == len(set(places[3:])) == 1 < len(set(places))


@torch.no_grad()
def test_joined_rows_end_in_the_same_column() -> None:
    model = made(KINDS["full attention"])
    parts = [
        model(input_ids=torch.tensor(ids), use_cache=True).past_key_values
        for ids in ([[5, 6, 7], [8, 9, 10]], [[11, 12]])
    ]
    before = [part.layers[1].keys.clone() for part in parts]
    whole = join(parts, [torch.tensor([1]), torch.tensor([0])], width=3)
    keys = whole.layers[1].keys
    assert isinstance(keys, torch.Tensor)
    assert keys.shape[:3] == (2, 2, 3)
    assert keys[0].equal(before[0][1])
    assert keys[1, :, 1:].equal(before[1][0])
    assert not keys[1, :, 0].any()
