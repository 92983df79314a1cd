"""Replay: rows of earlier rounds beside the new ones."""

import polars as pl
import pytest

from lion.imitate.replay import replayed
from lion.pools.tables import ANSWERED, from_rows
from tests.pools.test_pools import answered

OLD = from_rows([answered(f"old {n}") for n in range(30)], ANSWERED)


def replay(
    count: float, cache: pl.DataFrame = OLD, *, seed: int = 1, round: str = "r1"
) -> list[str]:
    return replayed(cache, count, seed=seed, round=round)["instruction"].to_list()


@pytest.mark.parametrize(("wanted", "count"), [(0, 0), (1.5, 2), (6, 6), (14.7, 15), (99, 30)])
def test_so_many_are_drawn_and_none_twice(wanted: float, count: int) -> None:
    again = replay(wanted)
    assert len(again) == len(set(again)) == count
    assert set(again) <= set(OLD["instruction"])


def test_before_the_first_round_there_is_nothing_to_replay() -> None:
    assert replay(6, pl.DataFrame(schema=ANSWERED)) == []


def test_seed_and_round_decide_which() -> None:
    assert replay(6) == replay(6)
    assert replay(6) != replay(6, seed=2)
    assert replay(6) != replay(6, round="r2")


def test_only_whole_answers_are_learnt_again() -> None:
    cut = OLD.with_columns(finish_reason=pl.lit("length"))
    whole = from_rows([answered("whole")], ANSWERED)
    assert replay(9, pl.concat([cut, whole])) == ["whole"]
