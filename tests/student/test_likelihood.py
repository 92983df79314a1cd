"""The student's loss on the teacher's answers: as in training, and resumable."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import yaml

from lion.params import Compute, Params
from lion.pools.instructions import task_of, turns_text
from lion.pools.tables import ANSWERED, from_rows
from lion.student import likelihood
from lion.student.likelihood import check_losses, log_probabilities, losses_of, losses_on
from lion.student.models import load_student
from lion.student.resumable import Resumable
from lion.student.template import encode_example
from lion.support.errors import LionError
from tests.pools.test_pools import answered
from tests.repository import ROOT
from tests.student.tiny import LESSONS, make_tiny_base

WORDS = ["red", "blue", "green", "解释", "اشرح", "grün"]
TURNS = turns_text([{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}])


def row(task: str, answer: str, **more: Any) -> dict[str, Any]:
    return answered(task, answer=answer) | {"thoughts": None} | more


POOL = from_rows(
    [
        row("say red", "red"),
        row("say 解释", "解释 اشرح"),
        row("اشرح", "grün grün red"),
        row("say blue", "blue", system="say green", turns=TURNS),
        row("what comes next one two", "three three three three three"),
        row("say green", ""),
    ],
    ANSWERED,
)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_base(tmp_path_factory.mktemp("student"), chat=False, more=WORDS)


def losses(
    student: Path, pool: pl.DataFrame = POOL, *, limit: int = 64, **more: Any
) -> pl.DataFrame:
    return losses_on(
        load_student(student),
        pool,
        limit=limit,
        compute=Compute(device="cpu"),
        label="loss",
        **more,
    )


def test_the_loss_is_that_of_training(student: Path) -> None:
    loaded = load_student(student)
    for known, instruction in zip(losses(student).rows(), POOL.iter_rows(named=True), strict=True):
        example = encode_example(loaded.tokenizer, task_of(instruction), instruction["answer"])
        ids = torch.tensor([[*example.prompt, *example.answer]])
        labels = torch.tensor([[-100] * len(example.prompt) + example.answer])
        with torch.inference_mode():
            wanted = loaded.model(input_ids=ids, labels=labels).loss.item()
        assert known[1:] == (len(example.answer), pytest.approx(wanted, abs=1e-5))


def test_the_rows_of_a_pass_change_nothing_but_rounding(
    student: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = losses(student)
    monkeypatch.setattr(likelihood, "TOKENS", 1)
    other = losses(student)
    assert other["id"].equals(whole["id"])
    assert other["loss"].to_list() == pytest.approx(whole["loss"].to_list(), abs=1e-5)


def test_a_row_is_cut_as_in_training_and_has_no_loss_without_an_answer(student: Path) -> None:
    prompts = losses(student, limit=10)
    assert prompts["loss"].is_null().any()
    assert (
        prompts.filter(pl.col("loss").is_null())["tokens"].to_list()
        == [0] * prompts["loss"].null_count()
    )
    assert losses(student, POOL.clear()).height == 0


def test_what_a_killed_run_has_computed_is_kept_to_the_byte(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likelihood, "TOKENS", 1)  # a pass for each row
    whole = losses(student)
    real, calls = likelihood.log_probabilities, []

    def forward(*args: Any, **more: Any) -> Any:
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **more)

    monkeypatch.setattr(likelihood, "log_probabilities", forward)
    with pytest.raises(KeyboardInterrupt), Resumable(tmp_path) as resumable:
        losses(student, resumable=resumable)
    [file] = tmp_path.glob("*/*.jsonl")
    file.write_text(file.read_text() + "[[5, 1, 0.")  # cut by the kill
    calls.clear()
    calls.extend([()] * 3)
    with Resumable(tmp_path) as resumable:
        resumed = losses(student, resumable=resumable)
    assert len(calls) - 3 == POOL.height - 2
    assert resumed.equals(whole)
    assert not list(tmp_path.iterdir())


def _params(student: Path) -> Params:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["student"]["base"] = str(student)
    return Params.model_validate(raw)


def _broken(student: Path, folder: Path, words: Sequence[str]) -> Path:
    """A student that knows nothing but NaN after `words`."""
    loaded = load_student(student)
    ids = loaded.tokenizer.convert_tokens_to_ids(list(words))
    with torch.no_grad():
        loaded.model.get_input_embeddings().weight[ids] = float("nan")  # type: ignore[operator]
    loaded.model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    return folder


def test_a_loss_that_is_no_number_is_null_and_told(
    student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = _broken(student, tmp_path / "some", ["解释"])
    made = losses_of(_params(student), broken, POOL, label="loss r1")
    assert made["loss"].is_null().to_list() == [False, True, False, False, False, False]
    assert "loss r1: 1 of 6 answers have no finite loss" in capsys.readouterr().err


def test_a_student_of_nothing_but_nan_is_refused_in_a_line(student: Path, tmp_path: Path) -> None:
    every = list(load_student(student).tokenizer.get_vocab())
    broken = _broken(student, tmp_path / "all", every)
    made = losses_of(_params(student), broken, POOL, label="loss")
    with pytest.raises(LionError, match="none of 6 answers has a finite loss; check the student"):
        check_losses(made, label="loss")


def test_rows_of_one_pass_do_not_change_each_other(tmp_path: Path) -> None:
    loaded = load_student(make_tiny_base(tmp_path))
    lessons = [*LESSONS, ("say red " * 9, "red " * 17), ("next", "what comes next")]
    examples = [encode_example(loaded.tokenizer, *lesson) for lesson in lessons]
    alone = [log_probabilities(loaded.model, [example])[0] for example in examples]
    together = log_probabilities(loaded.model, examples)
    assert [len(row) for row in together] == [len(example.answer) for example in examples]
    for single, batched in zip(alone, together, strict=True):
        assert torch.allclose(single, batched, atol=1e-5)
