"""The stages replay, imitate and respond: what a student learns from."""

from pathlib import Path

import pytest

from lion.pools.tables import ANSWERED, LOSS, read_table
from tests.student.project import TASKS, Project


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.34, 3), (1, 9), (99, 9)])
def test_as_many_rows_of_earlier_rounds_are_drawn_as_the_parameters_want(
    tmp_path: Path, tiny_base: Path, share: float, count: int
) -> None:
    project = Project(tmp_path, tiny_base)
    project.raw["replay"] = share
    project.set()
    told = project.here("replay", project.replay("again.parquet"))
    assert read_table(tmp_path / "again.parquet", ANSWERED)["id"].n_unique() == count
    assert told == f"{count} rows of earlier rounds beside {len(TASKS)} new ones\n"


def test_they_are_learnt_beside_the_new_ones(tmp_path: Path, tiny_base: Path) -> None:
    project = Project(tmp_path, tiny_base, imitate={"epochs": 1, "batch": 1})
    project.here("imitate", project.imitate("out", replay="earlier.parquet"))
    assert read_table(tmp_path / "out.jsonl", LOSS).height == len(TASKS) + 5
