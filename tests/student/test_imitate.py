"""The stage imitate: what a round's student learns from."""

from pathlib import Path

import pytest

from lion.tables import LOSS, REPLAY, read_table
from tests.student.project import TASKS, Project


@pytest.mark.parametrize(("share", "again"), [(0, 0), (0.34, 3), (1, 9), (99, 9)])
def test_rows_of_earlier_rounds_are_learnt_again(
    tmp_path: Path, tiny_base: Path, share: float, again: int
) -> None:
    project = Project(tmp_path, tiny_base, imitate={"epochs": 1, "batch": 1, "replay": share})
    told = project.here("imitate", project.imitate("out", cache="cache"))
    steps = read_table(tmp_path / "out.jsonl", LOSS).height
    assert steps == len(TASKS) + again
    assert read_table(tmp_path / "out-again.jsonl", REPLAY)["id"].n_unique() == again
    assert (f"{again} rows of earlier rounds" in told) == (again > 0)
