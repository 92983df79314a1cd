"""Replay: rows of earlier rounds beside the new ones."""

import polars as pl
import pytest

from lion.replay import with_replay
from lion.tables import ANSWERED, from_rows
from tests.test_pools import answered

NEW = from_rows([answered(f"new {n}") for n in range(6)], ANSWERED)
OLD = from_rows([answered(f"old {n}") for n in range(30)], ANSWERED)


def replay(share: float, cache: pl.DataFrame = OLD, *, seed: int = 1) -> list[str]:
    rows = with_replay(NEW, cache, share=share, seed=seed, round="r1")
    return rows["instruction"].to_list()


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.25, 2), (1, 6), (2.5, 15), (99, 30)])
def test_so_many_for_each_new_one_and_none_twice(share: float, count: int) -> None:
    rows = replay(share)
    assert rows[:6] == NEW["instruction"].to_list()
    again = rows[6:]
    assert len(again) == len(set(again)) == count
    assert set(again) <= set(OLD["instruction"])


def test_before_the_first_round_there_is_nothing_to_replay() -> None:
    assert replay(1.0, pl.DataFrame(schema=ANSWERED)) == replay(0.0)


def test_the_seed_decides_which() -> None:
    assert replay(1.0) == replay(1.0)
    assert replay(1.0) != replay(1.0, seed=2)


def test_only_whole_answers_are_learnt_again() -> None:
    cut = OLD.with_columns(finish_reason=pl.lit("length"))
    whole = from_rows([answered("whole")], ANSWERED)
    assert replay(9.0, pl.concat([cut, whole]))[6:] == ["whole"]
