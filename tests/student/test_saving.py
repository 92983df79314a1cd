"""A student is saved in its base's number type, and trained in float32 again."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from lion.params import Compute, Imitate
from lion.student.models import load_student, write_base
from lion.student.saving import save_student
from lion.student.training import train
from tests.student.tiny import LESSONS, make_tokenizer, write_tiny

SETTINGS = Imitate(
    epochs=2, learning_rate=1e-2, warmup=0.0, weight_decay=0.0, batch=4, max_length=40, lora=None
)


def base_in(folder: Path, dtype: torch.dtype, *, tied: bool = False) -> Path:
    """Write a base in `dtype`; return a student's folder that points to it."""
    model = write_tiny(folder / "model", make_tokenizer(), tie_word_embeddings=tied)
    AutoModelForCausalLM.from_pretrained(model, dtype=dtype).save_pretrained(model)
    write_base(folder / "base", base=str(model), revision=None)
    return folder / "base"


@pytest.mark.parametrize("gathered", [False, True])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_student_keeps_its_bases_type(
    tmp_path: Path, dtype: torch.dtype, tied: bool, gathered: bool
) -> None:
    loaded = load_student(base_in(tmp_path, dtype, tied=tied))
    train(loaded, LESSONS, settings=SETTINGS, compute=Compute(), seed=1, label="imitate")
    trained = {name: weight.clone() for name, weight in loaded.model.state_dict().items()}
    assert {weight.dtype for weight in trained.values()} == {torch.float32}
    if gathered:  # as from a sharded model
        loaded.gather = loaded.model.state_dict
    save_student(loaded, tmp_path / "r0")

    written = load_file(tmp_path / "r0" / "model.safetensors")
    assert ("lm_head.weight" in written) is not tied
    for name, weight in written.items():
        assert torch.equal(weight, trained[name].to(dtype))
    config = json.loads((tmp_path / "r0" / "config.json").read_text())
    assert config["dtype"] == str(dtype).removeprefix("torch.")


def test_the_next_round_trains_float32_weights_and_saves_the_same_type(tmp_path: Path) -> None:
    for before, after in (("base", "r0"), ("r0", "r1")):
        folder = tmp_path / before if before != "base" else base_in(tmp_path, torch.bfloat16)
        loaded = load_student(folder)
        assert loaded.model.dtype == torch.float32
        train(loaded, LESSONS, settings=SETTINGS, compute=Compute(), seed=1, label="imitate")
        save_student(loaded, tmp_path / after)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("model", "r1")]
    assert sizes[0] == sizes[1]
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("r0", "r1"))
    assert any(not torch.equal(first[name], second[name]) for name in first)
