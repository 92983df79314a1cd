"""Two real processes train and answer as one does; a killed one goes on where it was."""

import re
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from safetensors.torch import load_file

from lion.chat.store import Store
from lion.pools.tables import ANSWER, ANSWER_LOSS, LOSS, REVIEW, read_table
from lion.student.models import load_student
from lion.student.monitor import WHOLE
from tests.student.project import TASKS, Make, Project

LORA = {"rank": 4, "alpha": 8, "dropout": 0.1, "targets": ["q_proj", "v_proj"]}
TWO = {"launcher": "torchrun", "processes": 2, "launcher_args": ["--standalone"]}


@pytest.fixture
def make(tmp_path: Path, tiny_base: Path) -> Make:
    return lambda **sections: Project(tmp_path, tiny_base, **sections)


def losses(project: Project, name: str) -> pl.DataFrame:
    return read_table(project.folder / f"{name}.jsonl", LOSS)


def distance(project: Project, name: str, *, contrast: bool = False) -> float:
    """How far the weights of student `name`, trained with the same losses, are from one process's.

    The largest difference of any weight.
    """
    project.set(compute={"launcher": None, "processes": 1, "launcher_args": []})
    project.set(compute={"sharding": "none", "micro_batch": None, "checkpoint_steps": None})
    project.here("imitate", project.contrast("one") if contrast else project.imitate("one"))
    assert_frame_equal(losses(project, "one"), losses(project, name), abs_tol=2e-5)
    one = load_file(project.folder / "one" / "model.safetensors")
    other = load_file(project.folder / name / "model.safetensors")
    assert one.keys() == other.keys()
    load_student(project.folder / name)
    return max(float((one[key] - other[key]).abs().max()) for key in one)


def steps_done_before(output: str) -> int:
    """Return how many steps the first line of progress counts as done."""
    first = re.search(r"([\d,]+)/[\d,]+ steps", output)
    assert first, output
    return int(first[1].replace(",", ""))


def test_two_sharded_processes_go_on_after_a_kill_and_train_as_one(make: Make) -> None:
    project = make(compute=TWO | {"sharding": "fsdp", "micro_batch": 2, "checkpoint_steps": 5})
    project.kill(project.start("imitate", project.imitate("two")), when=f"*/{WHOLE}")
    folders = project.folder.glob("home/training/*/checkpoint-*/pytorch_model_fsdp_0")
    assert 2 in [len([*folder.glob("*.distcp")]) for folder in folders]  # one shard per process
    assert steps_done_before(project.run("imitate", project.imitate("two"))) >= 5
    assert distance(project, "two") < 1e-3


def test_two_processes_train_and_contrast_as_one(make: Make) -> None:
    # The last step has fewer pairs than forward passes: some of them are empty.
    own = {"contrast": {"epochs": 4, "batch": 7, "learning_rate": 1e-3}}
    project = make(compute=TWO | {"micro_batch": 2}, imitate=own)
    project.run("imitate", project.contrast("two"))
    assert losses(project, "two")["accuracy"].drop_nulls().len() == 5
    assert distance(project, "two", contrast=True) < 1e-3


def test_two_processes_answer_as_one(make: Make) -> None:
    project = make()
    project.here("respond", project.respond("base", "one.jsonl"))
    project.set(compute=TWO | {"answer_batch": 2})
    project.run("respond", project.respond("base", "two.jsonl"))
    one, two = (read_table(project.folder / f"{name}.jsonl", ANSWER) for name in ("one", "two"))
    assert one.equals(two)
    assert one.height == len(TASKS)


def test_two_processes_evaluate_as_one_and_ask_the_judge_once(make: Make) -> None:
    project = make(oracle={"unreadable": 0.0})
    project.here("evaluate", project.evaluate("base", "one"))
    project.set(compute=TWO | {"sharding": "fsdp"})  # concerns training alone
    output = project.run("evaluate", project.evaluate("base", "two"))
    assert output.count("4 of 4 questions judged") == 1
    for name, schema in (("responses.jsonl", ANSWER), ("reviews.jsonl", REVIEW)):
        one, two = (read_table(project.folder / run / name, schema) for run in ("one", "two"))
        assert one.equals(two)
    one, two = (
        read_table(project.folder / run / "losses.parquet", ANSWER_LOSS) for run in ("one", "two")
    )
    assert_frame_equal(one, two, abs_tol=1e-4)
    with Store(project.folder / "home" / "replies.sqlite") as store:
        [spent] = store.spent()
    assert spent.requests == 8  # four questions in both orders; the second run replays them


@pytest.mark.parametrize("lora", [None, LORA])
def test_a_killed_training_ends_with_the_same_weights(make: Make, lora: dict[str, object]) -> None:
    project = make(imitate={"epochs": 200, "lora": lora}, compute={"checkpoint_steps": 20})
    project.kill(project.start("imitate", project.imitate("killed")), when=f"*/{WHOLE}")
    assert not (project.folder / "killed").exists()
    output = project.here("imitate", project.imitate("killed"))
    assert 20 <= steps_done_before(output) < 300
    assert not list((project.folder / "home" / "training").iterdir())

    project.set(compute={"checkpoint_steps": None})
    project.here("imitate", project.imitate("whole"))
    assert losses(project, "killed").equals(losses(project, "whole"))
    name = "adapter_model.safetensors" if lora else "model.safetensors"
    killed, whole = ((project.folder / run / name).read_bytes() for run in ("killed", "whole"))
    assert killed == whole
