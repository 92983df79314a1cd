"""Which rows of the cache pool are examined: the newest round first, then others at random."""

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from pydantic import ValidationError

from lion.params import Params, load_params
from lion.params.pools import Examine
from lion.pools.cache import drawn_for_exam, in_exam_order
from lion.pools.tables import ANSWERED, from_rows
from lion.support.errors import ParamsError
from tests.pools.test_pools import answered
from tests.repository import ROOT

OLD = [answered(f"Erkläre «{n}» 解释 اشرح") for n in range(40)]
NEW = [answered(f"New {n}") | {"round": "r1"} for n in range(10)]
POOL = from_rows([*OLD, *NEW], ANSWERED)


def drawn(count: int, *, pool: pl.DataFrame = POOL, **more: Any) -> list[str]:
    options = {"newest": "r1", "round": "r2", "seed": 1, **more}
    return drawn_for_exam(pool, count, **options)["id"].to_list()


def test_the_newest_round_is_in_full_and_the_rest_is_drawn() -> None:
    ids = drawn(25)
    assert len(ids) == 25
    assert ids[-10:] == [row["id"] for row in NEW]
    assert ids == [id for id in POOL["id"] if id in ids]  # in the pool's order


def test_a_newest_round_that_is_larger_is_sampled() -> None:
    new = {row["id"] for row in NEW}
    assert len(drawn(4)) == 4
    assert set(drawn(4)) < new
    assert drawn(4) != [row["id"] for row in NEW][:4]


def test_more_rows_include_the_fewer_and_other_seeds_and_rounds_draw_others() -> None:
    assert set(drawn(15)) < set(drawn(25)) < set(drawn(49))
    assert drawn(20) != drawn(20, seed=2)
    assert drawn(20) != drawn(20, round="r3")


def test_a_draw_depends_on_no_other_row() -> None:
    fewer = POOL.filter(pl.col("id") != drawn(25)[0])
    assert set(drawn(25)) - set(drawn(25, pool=fewer)) == {drawn(25)[0]}
    assert drawn(25) == sorted(drawn(25, pool=POOL.reverse()), key=POOL["id"].to_list().index)


def test_an_empty_newest_round_leaves_all_to_chance() -> None:
    old = POOL.filter(round="r0")
    assert len(drawn(7, pool=old)) == 7
    assert drawn(0, pool=old.clear()) == []


@pytest.mark.parametrize("count", [50, 51, 10**9])
def test_as_many_rows_as_the_pool_has_are_the_pool_itself(count: int) -> None:
    assert drawn_for_exam(POOL, count, newest="r1", round="r2", seed=1).equals(POOL)


def test_the_whole_order_has_every_row_once() -> None:
    ordered = in_exam_order(POOL, newest="r1", round="r2", seed=1)
    assert sorted(ordered["id"]) == sorted(POOL["id"])
    assert ordered["round"].to_list() == ["r1"] * 10 + ["r0"] * 40
    assert ordered.columns == POOL.columns


@pytest.mark.parametrize(
    ("rows", "size", "count"),
    [
        *((None, 7, 7), (0, 7, 0), (5, 7, 5), (8, 7, 7), (1, 7, 1), (1, 0, 0)),
        *((1.0, 7, 7), (0.25, 8, 2), (0.25, 9, 3), (1e-9, 7, 1), (0.5, 0, 0)),
    ],
)
def test_a_whole_number_is_rows_and_a_fraction_is_a_share(
    rows: float | None, size: int, count: int
) -> None:
    assert Examine(rows=rows).count(size) == count


@pytest.mark.parametrize("rows", [-1, 0.0, 1.5, 2.0, math.nan, math.inf, -0.5, True, "all"])
def test_what_is_neither_is_refused(rows: Any) -> None:
    with pytest.raises(ValidationError):
        Examine(rows=rows)


def test_a_budget_needs_no_price_of_a_referee_that_judges_nothing() -> None:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["referee"]["model"], raw["budget"] = "dear", {"money": 1.0}
    with pytest.raises(ValidationError, match=r"prices\.models has no dear"):
        Params.model_validate(raw)
    raw["examine"]["rows"], raw["sampling"]["by"] = 0, "chance"
    assert Params.model_validate(raw).budget.money == 1.0


def test_no_verdicts_but_sampling_by_them_is_refused_in_a_line(tmp_path: Path) -> None:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    raw["examine"]["rows"] = 0
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(ParamsError, match=r"sampling.by: referee needs verdicts.*set sampling.by"):
        load_params(tmp_path / "params.yaml")
    raw["sampling"]["by"] = "chance"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    assert load_params(tmp_path / "params.yaml").examine.rows == 0
