"""The stages replay, imitate and respond: what a student learns from, and how long it answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lion.pools.tables import ANSWER, ANSWERED, LOSS, read_table
from lion.student import answering
from lion.student.decoding import decode
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


def test_the_clock_of_the_answers_is_of_all_of_them(tmp_path: Path, tiny_base: Path) -> None:
    project = Project(tmp_path, tiny_base)
    clock = tmp_path / "home" / "speed" / "answers-r0.csv"
    project.here("respond", project.respond("base", "answers.jsonl"))
    answers = read_table(tmp_path / "answers.jsonl", ANSWER)
    told = pl.read_csv(clock).row(0, named=True)
    assert told["seconds"] > 0
    assert told["answers"] == answers.height
    assert told["tokens"] == answers["completion_tokens"].sum()


def test_answers_that_a_killed_run_had_begun_have_no_clock(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path, tiny_base, compute={"answer_batch": 2})

    def killed(*args: Any, **told: Any) -> Iterator[Any]:
        yield next(iter(decode(*args, **told)))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(AssertionError, match="Aborted"):
        patch.setattr(answering, "decode", killed)
        project.here("respond", project.respond("base", "answers.jsonl"))
    project.here("respond", project.respond("base", "answers.jsonl"))
    assert not list((tmp_path / "home").glob("speed/*"))
