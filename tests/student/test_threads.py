"""`compute.threads` bounds the threads of training and answering."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lion.params import Compute, load_params
from lion.student.answering import answer_tasks
from lion.student.models import load_student
from lion.student.training import train
from tests.repository import ROOT
from tests.student.tiny import LESSONS, TASKS, talking


@pytest.fixture(autouse=True)
def threads() -> Iterator[int]:
    """The number of this process, which is restored afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield 2
    torch.set_num_threads(before)


@pytest.mark.parametrize(("chosen", "used"), [(1, 1), (None, 2)])
def test_answering_uses_so_many_threads(tiny_base: Path, chosen: int | None, used: int) -> None:
    settings = talking(temperature=0, max_tokens=2)
    loaded = load_student(tiny_base)
    compute = Compute(threads=chosen)
    answer_tasks(loaded, TASKS, settings=settings, compute=compute, seed=1, label="x")
    assert torch.get_num_threads() == used


@pytest.mark.parametrize(("chosen", "used"), [(1, 1), (None, 2)])
def test_training_uses_so_many_threads(tiny_base: Path, chosen: int | None, used: int) -> None:
    settings = load_params(ROOT / "params.yaml").imitate.model_copy(update={"epochs": 1})
    loaded = load_student(tiny_base)
    compute = Compute(threads=chosen)
    train(loaded, LESSONS, settings=settings, compute=compute, seed=1, label="x")
    assert torch.get_num_threads() == used
