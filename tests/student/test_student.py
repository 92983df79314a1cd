"""The student learns the answer's tokens and its end, and answers the same in any batch."""

import json
from pathlib import Path

import polars as pl
import pytest
import torch

from lion.params import Compute, Imitate
from lion.student.batches import IGNORED, Collator
from lion.student.decoding import sample_tokens
from lion.student.models import Loaded, load_student, write_base
from lion.student.saving import save_student
from lion.student.template import encode_example, encode_prompt, pad_id
from lion.student.training import train
from lion.support.errors import EmptyError, InputError
from tests.student.tiny import ANSWERS, LESSONS, TASKS, answered, make_tiny_base, make_tokenizer

SETTINGS = Imitate(
    epochs=60, learning_rate=1e-2, warmup=0.03, weight_decay=0.0, batch=4, max_length=40
)


def load(folder: Path, tmp_path: Path) -> Loaded:
    write_base(tmp_path / "base", base=str(folder), revision=None)
    return load_student(tmp_path / "base")


def said(
    loaded: Loaded, tasks: list[str], *, temperature: float = 0.0, batch: int = 8
) -> list[str]:
    return answered(loaded, tasks, temperature=temperature, batch=batch)["answer"].to_list()


def learn(loaded: Loaded, settings: Imitate) -> pl.DataFrame:
    return train(loaded, LESSONS, settings=settings, compute=Compute(), seed=1, label="imitate r0")


@pytest.fixture(scope="module")
def trained(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    loaded = load(tiny_base, folder)
    losses = learn(loaded, SETTINGS)
    assert losses["loss"][-1] < 0.1 < losses["loss"][0]
    assert losses["step"].to_list() == list(range(1, 61))
    save_student(loaded, folder / "r0")
    return folder / "r0"


def test_a_trained_student_says_what_it_learnt_and_stops_by_itself(trained: Path) -> None:
    answers = answered(load_student(trained), TASKS, batch=2)
    assert answers["answer"].to_list() == ANSWERS
    assert set(answers["finish_reason"]) == {"stop"}
    assert set(answers["completion_tokens"]) == {2}


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_answer_does_not_depend_on_the_batch(trained: Path, temperature: float) -> None:
    loaded = load_student(trained)
    tasks = [f"{task} {more}".strip() for task in TASKS for more in ("", "red", "one two blue")]
    whole = said(loaded, tasks, temperature=temperature, batch=12)
    assert whole == said(loaded, tasks, temperature=temperature, batch=1)
    assert whole[::-1] == said(loaded, tasks[::-1], temperature=temperature, batch=5)


def test_sampling_is_seeded_by_the_row_and_varies_with_the_seed(tiny_base: Path) -> None:
    loaded = load_student(tiny_base)

    def sample(seed: int) -> list[str]:
        return answered(loaded, TASKS, temperature=1.0, seed=seed)["answer"].to_list()

    assert sample(1) == sample(1) != sample(2)


def test_sampling_follows_the_models_probabilities() -> None:
    rows = 4000
    scores = torch.tensor([[0.0, 1.0, 2.0, -1.0, 0.5]]).expand(rows, -1)
    numbers = torch.rand(rows, generator=torch.Generator().manual_seed(1)).tolist()
    counts = torch.bincount(sample_tokens(scores, numbers, 0.7), minlength=5)
    expected = torch.softmax(scores[0] / 0.7, dim=-1)
    assert 0.5 * (counts / rows - expected).abs().sum() < 0.02


def test_training_twice_gives_the_same_weights(tiny_base: Path, tmp_path: Path) -> None:
    digests = []
    for name in ("a", "b"):
        loaded = load_student(tiny_base)
        few = SETTINGS.model_copy(update={"epochs": 3})
        learn(loaded, few)
        save_student(loaded, tmp_path / name)
        digests.append((tmp_path / name / "model.safetensors").read_bytes())
    assert digests[0] == digests[1]


def test_only_safetensors_are_written(trained: Path) -> None:
    weights = [path.name for path in trained.iterdir() if path.suffix not in {".json", ".jinja"}]
    assert weights == ["model.safetensors"]


def test_the_loss_is_on_the_answer_and_its_end_alone() -> None:
    tokenizer = make_tokenizer()
    example = encode_example(tokenizer, "say red", "red two")
    batch = Collator(pad_id(tokenizer))([[example, encode_example(tokenizer, "say", "one")]])
    learnt = [[i for i in row if i != IGNORED] for row in batch["labels"].tolist()]
    eos = tokenizer.eos_token_id
    assert [tokenizer.convert_ids_to_tokens(row) for row in learnt] == [
        ["red", "two", "<eos>"],
        ["one", "<eos>"],
    ]
    assert batch["attention_mask"].sum(dim=1).tolist() == [len(example), 5]
    assert pad_id(tokenizer) != eos


def test_a_tokenizer_whose_pad_is_its_end_mark_still_learns_the_end() -> None:
    tokenizer = make_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    batch = Collator(pad_id(tokenizer))([[encode_example(tokenizer, "say", "one")]])
    assert batch["labels"][0, -1] == tokenizer.eos_token_id != pad_id(tokenizer)


def test_a_base_without_chat_template_gets_our_template() -> None:
    tokenizer = make_tokenizer(chat=False)
    text = tokenizer.decode(encode_prompt(tokenizer, "say red"))
    assert "Task say red" in text.replace("<unk> ", "")


def test_a_tokenizer_without_end_mark_is_refused() -> None:
    tokenizer = make_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(InputError, match="no end-of-text token"):
        encode_example(tokenizer, "say", "red")


def test_a_row_that_is_too_long_is_counted_before_training(tiny_base: Path) -> None:
    short = SETTINGS.model_copy(update={"max_length": 8})
    with pytest.raises(InputError, match=r"1 of 4 rows are longer .*max_length=8"):
        learn(load_student(tiny_base), short)


@pytest.mark.parametrize("cause", ["rate", "weights"])
def test_a_training_that_diverges_ends_in_one_line(tiny_base: Path, cause: str) -> None:
    loaded = load_student(tiny_base)
    settings = SETTINGS
    if cause == "rate":
        settings = SETTINGS.model_copy(update={"learning_rate": 1e30})
    else:
        torch.nn.init.constant_(next(loaded.model.parameters()), float("nan"))
    with pytest.raises(InputError, match=r"x: the loss .* not a finite number at step \d+; lower"):
        train(loaded, LESSONS, settings=settings, compute=Compute(), seed=1, label="x")


def test_an_empty_train_pool_is_refused(tiny_base: Path) -> None:
    with pytest.raises(EmptyError, match="no complete answer"):
        train(load_student(tiny_base), [], settings=SETTINGS, compute=Compute(), seed=1, label="x")


@pytest.mark.parametrize("base", ["data/nowhere", "./nowhere", "/nowhere/at/all"])
def test_a_missing_model_folder_is_named(tmp_path: Path, base: str) -> None:
    with pytest.raises(InputError, match=f"student.base: {base}: no such folder"):
        write_base(tmp_path / "base", base=base, revision=None)


def test_a_folder_that_holds_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(InputError, match="not a causal language model"):
        load(tmp_path / "model", tmp_path)


def test_a_base_that_changed_since_it_was_pinned_is_refused(tmp_path: Path) -> None:
    folder = make_tiny_base(tmp_path / "model")
    write_base(tmp_path / "base", base=str(folder), revision=None)
    make_tiny_base(folder, seed=1)
    with pytest.raises(InputError, match="changed since the seed stage read it"):
        load_student(tmp_path / "base")
