"""The need for memory is told before training, near to what is measured."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lion.params import Compute
from lion.student import memory
from lion.student.memory import Need, advice, check_memory, explained
from lion.support.errors import ParamsError


def model(layers: int = 3) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=500,
            hidden_size=64,
            intermediate_size=172,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
        )
    )


def estimate(made: LlamaForCausalLM, tokens: int, shards: int = 1, recompute: bool = False) -> Need:
    compute = Compute(
        launcher="torchrun",
        sharding="fsdp" if shards > 1 else "none",
        activation_checkpointing=recompute,
    )
    return memory.estimate(made, compute, torch.float32, tokens=tokens, processes=shards)


def kept_bytes(made: LlamaForCausalLM, ids: torch.Tensor) -> int:
    """What autograd really keeps, each storage once, weights not counted."""
    weights = {weight.untyped_storage().data_ptr() for weight in made.parameters()}
    kept: dict[int, int] = {}

    def pack(saved: torch.Tensor) -> torch.Tensor:
        storage = saved.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        made(input_ids=ids, labels=ids)
    return sum(kept.values())


@pytest.mark.parametrize("layers", [2, 6])
def test_the_estimate_of_activations_is_near_the_truth(layers: int) -> None:
    made = model(layers)
    need = estimate(made, tokens=4 * 50)
    assert 0.7 < need.activations / kept_bytes(made, torch.ones(4, 50, dtype=torch.long)) < 1.6


def test_weights_gradients_and_moments_are_counted() -> None:
    made = model()
    weights = 4 * made.num_parameters()
    need = estimate(made, tokens=1)
    assert (need.weights, need.gradients, need.optimizer) == (weights, weights, 2 * weights)
    assert estimate(made, tokens=1, shards=8).total < need.total
    assert estimate(made, tokens=1000, recompute=True).total < estimate(made, tokens=1000).total


def test_too_little_memory_is_told_with_what_to_change() -> None:
    compute = Compute(device="cpu")
    hint = advice(compute, rows=8, adapter=False)
    with pytest.raises(
        ParamsError, match=r"needs about .* GiB .* cpu has .* free; set compute.micro_batch below 8"
    ) as caught:
        check_memory(model(), compute, torch.float32, tokens=10**12, advice=hint)
    for way in ("activation_checkpointing", "imitate.lora", "sharding: fsdp", "memory_check"):
        assert way in caught.value.message


def test_a_real_lack_of_memory_says_the_same() -> None:
    with (
        pytest.raises(ParamsError, match="out of memory: no room; set compute"),
        explained("set compute"),
    ):
        raise torch.OutOfMemoryError("no room. Tried to allocate")
