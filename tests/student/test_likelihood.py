"""The student's loss on given answers: the model's own figures, whatever shares its batch."""

from pathlib import Path

import polars as pl
import pytest
import torch

from lion.params import load_params
from lion.student import likelihood
from lion.student.likelihood import answer_losses, log_probabilities
from lion.student.models import load_student, write_base
from lion.student.template import encode_example
from tests.student.tiny import ANSWERS, LESSONS, TASKS, make_tiny_base

ROOT = Path(__file__).parents[2]


def write_student(folder: Path) -> Path:
    write_base(folder / "r0", base=str(make_tiny_base(folder / "model")), revision=None)
    return folder / "r0"


def pairs(answers: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [str(row) for row in range(len(answers))],
            "instruction": TASKS,
            "input": [""] * len(TASKS),
            "answer": answers,
        }
    ).with_columns(pl.lit(None, pl.String).alias(name) for name in ("system", "turns", "thoughts"))


def test_it_is_the_loss_of_training(tmp_path: Path) -> None:
    student = write_student(tmp_path)
    losses = answer_losses(load_params(ROOT / "params.yaml"), student, pairs(ANSWERS), label="test")
    loaded = load_student(student)
    for lesson, row in zip(LESSONS, losses.iter_rows(named=True), strict=True):
        example = encode_example(loaded.tokenizer, *lesson)
        ids = torch.tensor([example.prompt + example.answer])
        labels = torch.tensor([[-100] * len(example.prompt) + example.answer])
        loss = float(loaded.model(input_ids=ids, labels=labels).loss.detach())
        assert row["loss"] == pytest.approx(loss, abs=1e-5)
        assert row["tokens"] == len(example.answer)


@pytest.mark.parametrize("tokens", [1, 12, 2048])
def test_rows_of_one_pass_do_not_change_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokens: int
) -> None:
    loaded = load_student(write_student(tmp_path))
    lessons = [*LESSONS, ("say red " * 9, "red " * 17), ("next", "what comes next")]
    examples = [encode_example(loaded.tokenizer, *lesson) for lesson in lessons]
    alone = [log_probabilities(loaded.model, [example])[0] for example in examples]
    monkeypatch.setattr(likelihood, "TOKENS", tokens)
    finished: list[int] = []
    together = log_probabilities(loaded.model, examples, advance=finished.append)
    assert [len(row) for row in together] == [len(example.answer) for example in examples]
    assert sum(finished) == len(examples)
    assert (len(finished) == 1) == (tokens == 2048)
    for single, batched in zip(alone, together, strict=True):
        assert torch.allclose(single, batched, atol=1e-5)


def test_an_answer_beyond_the_context_is_cut_and_a_prompt_beyond_it_has_no_loss(
    tmp_path: Path,
) -> None:
    student = write_student(tmp_path)
    table = pairs(["red " * 500, *ANSWERS[1:]])
    instruction = pl.Series("instruction", [TASKS[0], "say " * 500, *TASKS[2:]])
    table = table.with_columns(instruction)
    losses = answer_losses(load_params(ROOT / "params.yaml"), student, table, label="test")
    prompt = len(encode_example(load_student(student).tokenizer, *LESSONS[0]).prompt)
    assert losses["tokens"].to_list() == [128 - prompt, 0, 2, 2]
    assert losses["loss"].is_null().to_list() == [False, True, False, False]


def test_another_engine_has_no_losses(tmp_path: Path) -> None:
    params = load_params(ROOT / "params.yaml")
    served = params.student.model_copy(update={"engine": "vllm"})
    params = params.model_copy(update={"student": served})
    assert not answer_losses(params, tmp_path, pairs(ANSWERS), label="test").height
