"""An exported student is the trained one, or nothing is written."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from lion.params import Compute, Imitate, Lora
from lion.student import merge as merging
from lion.student.likelihood import log_probabilities
from lion.student.merge import merge
from lion.student.models import Loaded, load_student, write_base
from lion.student.saving import save_student
from lion.student.template import encode_example
from lion.student.training import train
from lion.support.errors import InputError, ParamsError
from tests.student.tiny import LESSONS, make_tokenizer, write_tiny


def make_base(folder: Path, *, tied: bool, chat: bool = True) -> Path:
    return write_tiny(folder, make_tokenizer(chat=chat), tie_word_embeddings=tied)


def student(folder: Path, base: Path, targets: list[str] | str) -> Path:
    """A student trained with an adapter on `targets`."""
    write_base(folder / "base", base=str(base), revision=None)
    loaded = load_student(folder / "base")
    settings = Imitate(
        epochs=30,
        learning_rate=2e-2,
        warmup=0.0,
        weight_decay=0.0,
        batch=4,
        max_length=40,
        lora=Lora.model_validate({"rank": 4, "alpha": 8, "targets": targets}),
    )
    train(loaded, LESSONS, settings=settings, compute=Compute(), seed=1, label="imitate")
    save_student(loaded, folder / "r0")
    return folder / "r0"


@pytest.mark.parametrize(
    "targets", [["lm_head"], ["embed_tokens"], ["q_proj", "lm_head", "embed_tokens"]]
)
def test_tied_embeddings_are_no_target(tmp_path: Path, targets: list[str]) -> None:
    base = make_base(tmp_path / "model", tied=True)
    with pytest.raises(ParamsError, match=r"shares its weight with another layer"):
        student(tmp_path, base, targets)


@pytest.mark.parametrize(
    ("tied", "targets"),
    [
        (True, "all-linear"),
        (False, ["lm_head"]),
        (False, ["q_proj", "embed_tokens", "lm_head"]),
    ],
)
def test_the_merged_model_is_the_student(
    tmp_path: Path, tied: bool, targets: list[str] | str
) -> None:
    trained = student(tmp_path, make_base(tmp_path / "model", tied=tied), targets)
    merge(trained, tmp_path / "whole", lessons=LESSONS)
    loaded = load_student(trained)
    examples = [encode_example(loaded.tokenizer, *lesson) for lesson in LESSONS]
    whole = AutoModelForCausalLM.from_pretrained(tmp_path / "whole")
    before, after = (
        torch.cat(log_probabilities(model, examples)) for model in (loaded.model, whole)
    )
    assert torch.allclose(before, after, atol=1e-3)
    base = load_student(tmp_path / "base")
    untrained = torch.cat(log_probabilities(base.model, examples))
    assert not torch.allclose(before, untrained, atol=0.1)


def unload(loaded: Loaded) -> None:
    loaded.model = loaded.model.unload()  # type: ignore[operator]


def merge_half(loaded: Loaded) -> None:
    model: Any = loaded.model
    loaded.model = model.merge_and_unload()
    with torch.no_grad():
        loaded.model.get_output_embeddings().weight.mul_(1.5)  # type: ignore[operator]


@pytest.mark.parametrize("broken", [unload, merge_half])
def test_a_broken_merge_is_not_written(
    tmp_path: Path, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = student(tmp_path, make_base(tmp_path / "model", tied=False), ["q_proj", "v_proj"])
    monkeypatch.setattr(merging, "_merge_adapter", broken)
    with pytest.raises(InputError, match=r"is not the trained student: .* differ by"):
        merge(trained, tmp_path / "whole", lessons=LESSONS)
    assert not (tmp_path / "whole").exists()
    assert not list(tmp_path.glob(".whole*"))


def test_nothing_to_compare_is_refused(tmp_path: Path) -> None:
    base = make_base(tmp_path / "model", tied=True)
    with pytest.raises(InputError, match="no answered row to compare"):
        merge(base, tmp_path / "whole", lessons=[])


def test_an_exported_student_carries_the_template_it_was_trained_with(tmp_path: Path) -> None:
    base = make_base(tmp_path / "model", tied=False, chat=False)
    merge(student(tmp_path, base, ["q_proj"]), tmp_path / "whole", lessons=LESSONS)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "whole")
    turn = [{"role": "user", "content": "say red"}]
    ids = tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=False)
    assert ids == encode_example(load_student(tmp_path / "base").tokenizer, "say red", "").prompt


def test_prompts_longer_than_what_is_compared_are_compared_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = student(tmp_path, make_base(tmp_path / "model", tied=False), "all-linear")
    monkeypatch.setattr(merging, "TOKENS", 1)
    long = [(f"{task} {'red ' * 20}", answer) for task, answer in LESSONS]
    merge(trained, tmp_path / "whole", lessons=long)
    assert (tmp_path / "whole" / "model.safetensors").exists()
