"""LoRA: only the adapter is kept, it goes on from round to round, and merges into a whole model."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, BertConfig, BertForMaskedLM, T5Config

from lion.params import Compute, Imitate, Lora, Student
from lion.student.merge import merge
from lion.student.models import (
    Loaded,
    LoadOptions,
    load_options,
    load_student,
    precision,
    write_base,
)
from lion.student.saving import save_student
from lion.student.training import train
from lion.support.errors import InputError, ParamsError
from tests.student.tiny import ANSWERS, LESSONS, TASKS, answered, make_tiny_base, make_tokenizer

LORA = Lora(rank=8, alpha=16)
STUDENT = Student(base="x", revision=None, temperature=0.0, max_tokens=8)


def settings(lora: Lora | None, *, epochs: int = 40) -> Imitate:
    return Imitate(
        epochs=epochs,
        learning_rate=2e-2,
        warmup=0.03,
        weight_decay=0.0,
        batch=4,
        max_length=40,
        lora=lora,
    )


def learn(loaded: Loaded, lora: Lora | None, out: Path, **told: Any) -> list[float]:
    """Train and save; the loss of each step."""
    made = train(
        loaded, LESSONS, settings=settings(lora, **told), compute=Compute(), seed=1, label="imitate"
    )
    save_student(loaded, out)
    return made["loss"].to_list()


@pytest.fixture(scope="module")
def project(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the student `base`, and `r0` with an adapter on it."""
    folder = tmp_path_factory.mktemp("lora")
    write_base(folder / "base", base=str(tiny_base), revision=None)
    learn(load_student(folder / "base"), LORA, folder / "r0")
    return folder


def test_a_round_stores_the_adapter_alone(project: Path, tiny_base: Path) -> None:
    assert not (project / "r0" / "model.safetensors").exists()
    weights = load_file(project / "r0" / "adapter_model.safetensors")
    assert weights
    assert all(".lora_" in name for name in weights)
    assert json.loads((project / "r0" / "base.json").read_text())["base"] == str(tiny_base)


def test_a_stored_adapter_answers_what_it_learnt(project: Path) -> None:
    assert answered(load_student(project / "r0"), TASKS)["answer"].to_list() == ANSWERS


def test_the_same_adapter_goes_on_in_the_next_round(project: Path, tmp_path: Path) -> None:
    first = learn(load_student(project / "base"), LORA, tmp_path / "r0")
    second = learn(load_student(tmp_path / "r0"), LORA, tmp_path / "r1", epochs=2)
    assert second[0] == pytest.approx(first[-1], abs=1e-3)
    assert second[0] < first[0] - 0.3
    before, after = (load_file(tmp_path / r / "adapter_model.safetensors") for r in ("r0", "r1"))
    assert before.keys() == after.keys()
    assert any(not before[name].equal(after[name]) for name in before)


def test_a_merged_student_is_a_whole_model_that_answers_the_same(project: Path) -> None:
    merge(project / "r0", project / "whole", lessons=LESSONS)
    assert not (project / "whole" / "base.json").exists()
    assert answered(load_student(project / "whole"), TASKS)["answer"].to_list() == ANSWERS
    AutoModelForCausalLM.from_pretrained(project / "whole")


def test_a_whole_student_is_merged_as_it_is(tiny_base: Path, tmp_path: Path) -> None:
    merge(tiny_base, tmp_path / "whole", lessons=LESSONS)
    assert (tmp_path / "whole" / "model.safetensors").exists()


def test_targets_that_match_nothing_are_named_with_what_there_is(project: Path) -> None:
    wrong = LORA.model_copy(update={"targets": ["query_key_value"]})
    with pytest.raises(ParamsError, match=r"query_key_value.* match no layer .*q_proj"):
        learn(load_student(project / "base"), wrong, project / "no")


def test_an_adapter_keeps_its_shape(project: Path) -> None:
    wider = LORA.model_copy(update={"rank": 16})
    with pytest.raises(InputError, match=r"rank 8 and alpha 16, imitate.lora says 16 and 16"):
        learn(load_student(project / "r0"), wider, project / "no")


def test_an_adapter_is_not_trained_as_if_it_were_a_whole_model(project: Path) -> None:
    with pytest.raises(InputError, match=r"is an adapter, but imitate.lora is null"):
        learn(load_student(project / "r0"), None, project / "no")


def test_an_adapter_is_not_hung_on_a_student_that_was_trained_whole(
    tiny_base: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"is a whole model, trained without imitate.lora"):
        learn(load_student(tiny_base), LORA, tmp_path / "no")


def copied(project: Path, tmp_path: Path, name: str, **changed: Any) -> Path:
    """The student r0 with other values in its file `name`."""
    folder = tmp_path / "r0"
    folder.mkdir()
    for path in (project / "r0").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    told = json.loads((folder / name).read_text()) | changed
    (folder / name).write_text(json.dumps(told))
    return folder


def test_an_adapter_of_another_base_is_refused(project: Path, tmp_path: Path) -> None:
    folder = copied(project, tmp_path, "adapter_config.json", base_model_name_or_path="other")
    with pytest.raises(InputError, match=r"an adapter of other, but base.json names the base"):
        load_student(folder)


def test_an_adapter_of_another_width_is_refused(project: Path, tmp_path: Path) -> None:
    folder = copied(project, tmp_path, "adapter_config.json", r=4)
    with pytest.raises(InputError, match=r"an adapter of another model"):
        load_student(folder)


def test_an_adapter_is_no_base(project: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is an adapter; merge it first"):
        write_base(tmp_path / "base", base=str(project / "r0"), revision=None)


def test_a_hub_name_needs_a_commit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pin it by student.revision"):
        write_base(tmp_path / "base", base="some/model", revision=None)


def test_a_masked_model_is_no_base(tmp_path: Path) -> None:
    tiny = BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertForMaskedLM(tiny).save_pretrained(tmp_path / "bert")
    make_tokenizer().save_pretrained(tmp_path / "bert")
    with pytest.raises(InputError, match=r"not a causal language model: .*BertForMaskedLM"):
        load_student(tmp_path / "bert")


def test_an_encoder_decoder_is_no_base(tmp_path: Path) -> None:
    T5Config(architectures=["T5ForConditionalGeneration"]).save_pretrained(tmp_path / "t5")
    with pytest.raises(InputError, match=r"not a causal language model: .*T5For"):
        load_student(tmp_path / "t5")


def test_a_half_precision_base_is_trained_in_float32(tiny_base: Path, tmp_path: Path) -> None:
    loaded = load_student(tiny_base)
    loaded.model.to(torch.float16)  # type: ignore[arg-type]
    save_student(loaded, tmp_path / "half")
    learn(load_student(tmp_path / "half"), None, tmp_path / "r0", epochs=1)
    assert {w.dtype for w in load_file(tmp_path / "r0" / "model.safetensors").values()} == {
        torch.float32
    }


def test_frozen_weights_take_the_arithmetics_type_and_trained_ones_float32() -> None:
    told = STUDENT.model_copy(update={"precision": "bfloat16"})
    assert precision(told, Compute()) == torch.bfloat16
    assert load_options(told, Compute(), trained=True).dtype == torch.float32
    assert load_options(told, Compute(), trained=False).dtype == torch.bfloat16
    assert precision(STUDENT, Compute(device="cpu")) == torch.float32


def test_four_bits_without_the_library_are_refused(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ParamsError, match=r"pip install 'lion\[qlora\]'"):
        load_student(tiny_base, options=LoadOptions(four_bit=True))


def test_truncation_is_counted_and_never_learns_an_end_that_is_not_there(
    tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = settings(None, epochs=1).model_copy(update={"max_length": 5, "truncate": True})
    train(load_student(tiny_base), LESSONS, settings=short, compute=Compute(), seed=1, label="x")
    assert "4 of 4 rows are cut to 5 tokens; 1 of these" in capsys.readouterr().out


def test_the_base_of_these_tests_is_made_the_same_each_time(tmp_path: Path) -> None:
    first, second = make_tiny_base(tmp_path / "a"), make_tiny_base(tmp_path / "b")
    assert (first / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
