"""A stage starts itself under a launcher, and its errors stay one line."""

import sys
from pathlib import Path
from typing import Any

import pytest

from lion.params import Compute, Imitate
from lion.student import launch
from lion.student.batches import make_plan
from lion.student.template import Example
from lion.support.errors import ParamsError

SETTINGS = Imitate(
    epochs=1, learning_rate=1e-2, warmup=0.0, weight_decay=0.0, batch=2, max_length=64
)
ROWS = [Example([1], [2])] * 4
TWO = ["--standalone", "--nproc-per-node=2", "-m", "tests.student.failing"]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have been started in place of this process."""
    calls: list[Any] = []
    monkeypatch.setattr("os.environ", {})
    monkeypatch.setattr(sys, "argv", ["imitate", "--round", "r1"])
    monkeypatch.setattr("os.execv", lambda *command: calls.append(command))
    monkeypatch.setattr(launch, "_torchrun", calls.append)
    return calls


def test_without_a_launcher_the_stage_goes_on(started: list[Any]) -> None:
    launch.relaunch("stages.imitate", Compute())
    assert started == []


def test_with_a_launcher_the_stage_is_launched(started: list[Any]) -> None:
    launch.relaunch("stages.imitate", Compute(launcher="torchrun", processes=2))
    assert started == [["--nproc-per-node=2", "-m", "stages.imitate", "--round", "r1"]]


@pytest.mark.parametrize("name", ["WORLD_SIZE", "LION_LAUNCHED"])
def test_a_launched_process_is_not_launched_again(
    name: str, started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    launch.relaunch("stages.imitate", Compute(launcher="torchrun", processes=2))
    assert started == []


def test_accelerate_gets_its_own_arguments_and_the_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[str] = []
    monkeypatch.setattr("os.execv", lambda _, command: run.extend(command))
    monkeypatch.setattr(launch, "_torchrun", lambda _: None)
    monkeypatch.setattr("os.environ", {})
    monkeypatch.setattr(sys, "argv", ["imitate", "--round", "r1"])
    own = ["--config_file", "fsdp.yaml"]
    launch.relaunch(
        "stages.imitate", Compute(launcher="accelerate", processes=4, launcher_args=own)
    )
    launcher = ["-m", "accelerate.commands.launch", "--num_processes", "4", *own]
    assert run[1:] == [*launcher, "-m", "stages.imitate", "--round", "r1"]


@pytest.mark.parametrize("own", [[], ["--own"]])
def test_an_error_under_torchrun_is_told_once_without_a_traceback(
    own: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent.parent.parent)
    monkeypatch.setattr(launch, "YIELD", 0.1)
    with pytest.raises(SystemExit) as ended:
        launch._torchrun([*TWO, *own])
    told = capfd.readouterr().err
    assert ended.value.code == 1
    assert told.count("Error: pool.jsonl: row 3 has no id; add it") == 1
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("rows", "batch", "told"),
    [
        (ROWS, 2, r"imitate.batch: 2 rows a step for 3 processes; .* to 2 or less"),
        (ROWS[:2], 8, r"imitate: 3 processes for 2 rows; lower compute.processes to 2 or less"),
    ],
)
def test_more_processes_than_rows_are_refused(
    rows: list[Example], batch: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ParamsError, match=told):
        make_plan(rows, SETTINGS.model_copy(update={"batch": batch}), Compute(), seed=1)


def test_one_process_cannot_share_weights() -> None:
    told = Compute(launcher="torchrun", sharding="fsdp")
    with pytest.raises(ParamsError, match="fsdp needs two or more processes"):
        make_plan(ROWS, SETTINGS, told, seed=1)
