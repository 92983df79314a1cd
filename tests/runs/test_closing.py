"""The sentence that says what to do after a run."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from lion.discriminate.scores import ORDERS
from lion.pools.tables import DRAW, REVIEW, SCORE, VERDICT, from_rows
from lion.runs.closing import next_step
from lion.runs.gain import gain_between
from lion.runs.run import Tables, read_run

TAU = 1.0


def _run(*students: float, rounds: int | None = None) -> Tables:
    """A run whose students score so many points of the teacher's eight, on 40 questions."""
    names = [f"r{number}" for number in range(rounds or len(students))]
    empty = read_run({}, names)
    evaluated = [
        from_rows(
            [
                {"id": str(n), "gap": 8 - s, "student": s + n % 3 - 1, "teacher": 8.0}
                for n in range(40)
            ],
            SCORE,
        ).with_columns(round=pl.lit(name))
        for name, s in zip(names, students, strict=False)
    ]
    return replace(empty, evaluated=pl.concat([empty.evaluated, *evaluated]))


def _with_verdicts(tables: Tables, *, flips: int, unread: int = 0) -> Tables:
    """Add 40 hard verdicts of the last round; in some of them, the answer shown first wins."""
    rest: dict[str, Any] = dict.fromkeys(REVIEW)
    reviews = [
        rest | {"id": str(n), "order": order} | _points(order, n < flips, n < unread)
        for n in range(40)
        for order in ORDERS
    ]
    scores = [dict.fromkeys(VERDICT) | {"id": str(n), "verdict": "hard"} for n in range(40)]
    name = pl.lit(tables.rounds[-1])
    return replace(
        tables,
        reviews=from_rows(reviews, REVIEW).with_columns(round=name),
        scores=from_rows(scores, VERDICT).with_columns(round=name),
    )


def _points(order: str, flips: bool, unread: bool) -> dict[str, float | None]:
    if unread:
        return {"teacher": None, "student": None}
    first = order == "teacher_first" or not flips
    return {"teacher": 8.0 if first else 4.0, "student": 4.0 if first else 8.0}


def test_the_gain_is_paired_by_question() -> None:
    gain = gain_between(_run(3.0, 5.0), "r0", "r1")
    assert gain == ("r0", 25.0, 25.0, 25.0, 40, 40, 0)  # every question gained two of eight points
    assert gain_between(_run(3.0, rounds=2), "r0", "r1") is None


@pytest.mark.parametrize(
    ("students", "start"),
    [
        ((3.0, 5.0), "Go on: r1 gained 25.0 points on r0 (95%: +25.0 to +25.0); `dvc exp run -S +"),
        ((5.0, 5.0), "Stop: r1 gained 0.0 points on r0"),
        ((5.0, 3.0), "Stop: r1 lost 25.0 points on r0 (95%: -25.0 to -25.0); use the student of"),
        ((3.0,), "Go on: only the seeds are learnt; `dvc exp run -S +rounds.r1=r0` adds a round"),
    ],
)
def test_the_gain_of_the_last_round_decides(students: tuple[float, ...], start: str) -> None:
    assert next_step(_run(*students), TAU).startswith(start)


def test_a_run_under_way_is_told_by_its_last_evaluated_round() -> None:
    assert next_step(_run(rounds=2), TAU) == ""
    seeds = "Go on: only the seeds are learnt; r1 is not evaluated yet."
    assert next_step(_run(3.0, rounds=2), TAU) == seeds
    advice = next_step(_run(3.0, 5.0, rounds=4), TAU)
    assert advice.endswith("on r0 (95%: +25.0 to +25.0); r2 is not evaluated yet.")


def test_without_a_gain_a_pool_that_repeats_itself_needs_more_seeds() -> None:
    rows = [dict.fromkeys(DRAW) | {"verdict": "too similar" if n < 6 else "x"} for n in range(10)]
    draws = from_rows(rows, DRAW).with_columns(round=pl.lit("r1"))
    advice = next_step(replace(_run(5.0, 5.0), draws=draws), TAU)
    assert advice.startswith("More seeds: r1 gained 0.0 points")
    assert "6 of 10 drafts repeat the pool" in advice
    assert next_step(replace(_run(3.0, 5.0), draws=draws), TAU).startswith("Go on")


def test_flips_among_hard_verdicts_ask_for_another_referee() -> None:
    assert next_step(_with_verdicts(_run(3.0, 5.0), flips=2), TAU).startswith("Go on")
    advice = next_step(_with_verdicts(_run(3.0, 5.0), flips=3), TAU)
    assert advice == (
        "Another referee: the answers' order decides 3 of 40 hard verdicts in r1; set "
        "referee.model."
    )


@pytest.mark.parametrize(("soft", "start"), [(20, "Another referee: 20 of 40"), (4, "Go on")])
def test_orders_that_disagree_on_what_is_hard_ask_for_another_referee(
    soft: int, start: str
) -> None:
    tables = _with_verdicts(_run(3.0, 5.0), flips=0)
    is_soft = (pl.col("order") == "student_first") & (pl.col("id").cast(pl.Int64) < soft)
    student = pl.when(is_soft).then(7.5).otherwise("student")
    tables = replace(tables, reviews=tables.reviews.with_columns(student=student))
    assert next_step(tables, TAU).startswith(start)
    assert next_step(tables, None).startswith("Go on")
    assert next_step(tables, 0.0).startswith("Go on")  # the winner is the same in both orders


def test_unreadable_replies_ask_for_another_referee() -> None:
    assert next_step(_with_verdicts(_run(3.0, 5.0), flips=0, unread=4), TAU).startswith("Go on")
    advice = next_step(_with_verdicts(_run(3.0, 5.0), flips=0, unread=5), TAU)
    assert advice.startswith("Another referee: 10 of its 80 replies in r1 have no readable scores")


def test_without_a_gain_a_referee_that_cannot_tell_ends_the_run() -> None:
    tables = _with_verdicts(_run(5.0, 5.0), flips=40)
    easy = tables.scores.with_columns(verdict=pl.lit("easy"))
    near = tables.reviews.with_columns((pl.col("teacher", "student") + 42) / 8)
    advice = next_step(replace(tables, reviews=near, scores=easy), TAU)
    assert advice.endswith("the referee can no longer tell student from teacher.")
    advice = next_step(replace(tables, scores=easy), TAU)
    assert advice.startswith("Another referee: 40 of 40 instructions in r1 are hard in one order")


def test_the_lines_are_of_the_last_round_alone() -> None:
    tables = _with_verdicts(_run(3.0, 5.0), flips=40)
    earlier = tables.reviews.with_columns(round=pl.lit("r0"))
    assert next_step(replace(tables, reviews=earlier), TAU).startswith("Go on")
