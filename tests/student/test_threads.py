"""`compute.threads` and `compute.portable` decide how the CPU computes."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lion.params import Compute, load_params
from lion.student.models import load_options, load_student
from lion.student.training import train
from tests.repository import ROOT
from tests.student.tiny import LESSONS

PARAMS = load_params(ROOT / "params.yaml")


@pytest.fixture
def threads() -> Iterator[int]:
    """The number of this process, which is restored afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield 2
    torch.set_num_threads(before)


@pytest.mark.parametrize(("chosen", "used"), [(1, 1), (None, 2)])
def test_a_student_computes_with_so_many_threads(
    chosen: int | None, used: int, threads: int
) -> None:
    load_options(PARAMS.student, Compute(threads=chosen), trained=True)
    assert torch.get_num_threads() == used


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other kernels")
def test_portable_sums_do_not_depend_on_the_threads(tiny_base: Path) -> None:
    digests = subprocess.check_output(
        [sys.executable, "-m", __name__, tiny_base],
        text=True,
        env=os.environ | {"OMP_WAIT_POLICY": "passive"},
    )
    one, two = digests.splitlines()
    assert "AVX2" in one
    assert one == two


def main(base: Path, threads: int) -> None:
    """Train a student and print its weights' digest with the kernels that were used."""
    compute = Compute(threads=threads, portable=True)
    options = load_options(PARAMS.student, compute, trained=True)
    loaded = load_student(base, options=options)
    settings = PARAMS.imitate.model_copy(update={"epochs": 2})
    train(loaded, LESSONS * 10, settings=settings, compute=compute, seed=1, label="x")
    weights = b"".join(value.numpy().tobytes() for value in loaded.model.state_dict().values())
    print(hashlib.blake2b(weights).hexdigest(), torch.backends.cpu.get_cpu_capability())


if __name__ == "__main__":
    for number in (1, 2):
        main(Path(sys.argv[1]), number)
