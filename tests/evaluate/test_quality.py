"""The summary of an evaluation: what counts, what does not, and what is refused."""

from collections.abc import Sequence

import polars as pl
import pytest

from lion.discriminate.scores import ORDERS, Order
from lion.evaluate.quality import summarise
from lion.evaluate.questions import KEYED
from lion.pools.tables import REVIEW, from_rows
from lion.support.errors import EmptyError

Scores = tuple[float | None, float | None]  # teacher, student


def questions(*categories: str) -> pl.DataFrame:
    rows = [
        {
            "category": name,
            "id": f"q{at}",
            "input": "",
            "instruction": f"Question {at}",
            "key": None,
        }
        for at, name in enumerate(categories)
    ]
    return from_rows(rows, KEYED)


def reviews(pairs: Sequence[Sequence[Scores]], orders: Sequence[Order] = ORDERS) -> pl.DataFrame:
    """A review for each question and order."""
    rows = [
        {"id": f"q{at}", "order": order, "attempt": 0, "reply": "", "model": "judge"}
        | {"prompt_tokens": 0, "completion_tokens": 0, "teacher": teacher, "student": student}
        for at, pair in enumerate(pairs)
        for order, (teacher, student) in zip(orders, pair, strict=True)
    ]
    return from_rows(rows, REVIEW)


TABLE = reviews([[(8, 6), (8, 4)], [(5, 9), (7, 9)], [(6, 7), (7, 6)], [(9, 1), (None, None)]])
ASKED = questions("math", "math", "prose", "prose", "prose")


def test_quality_is_the_ratio_of_sums_over_what_was_judged() -> None:
    total = summarise(ASKED, TABLE).total
    assert total.scores == (20.5, 20.5)
    assert (total.quality.value, total.judged, total.asked) == (100.0, 3, 5)
    assert (total.win, total.tie, total.lose) == pytest.approx((33.33, 33.33, 33.33), abs=0.01)


def test_categories_have_figures_of_their_own() -> None:
    math, prose = summarise(ASKED, TABLE).categories
    assert (math.category, math.quality.value, math.judged, math.asked) == (
        "math",
        87.5 + 12.5,
        2,
        2,
    )
    assert (prose.quality.value, prose.judged, prose.asked) == (100.0, 1, 3)


def test_the_flip_rate_counts_winners_that_change_with_the_places() -> None:
    summary = summarise(ASKED, TABLE)
    assert summary.flip_rate == pytest.approx(33.33, abs=0.01)
    assert summary.position_bias == pytest.approx(-1.0, abs=0.01)


def test_one_order_alone_has_no_flip_rate() -> None:
    single = reviews([[(8, 6)], [(5, 9)]], ("teacher_first",))
    summary = summarise(questions("a", "a"), single, orders=("teacher_first",))
    assert (summary.flip_rate, summary.position_bias) == (None, None)
    assert summary.total.scores == (15, 13)


def test_several_samples_weigh_each_order_alike() -> None:
    more = pl.concat([reviews([[(9, 3), (5, 5)]]), reviews([[(9, 3)]], ("teacher_first",))])
    assert summarise(questions("a"), more).total.scores == (4, 7)


def test_a_longer_answer_is_told_from_a_better_one() -> None:
    even = reviews([[(8, 9)] * 2, [(9, 8)] * 2] * 20)
    asked = questions(*["a"] * 40)
    lengths = asked.select(
        "id", student=pl.int_range(40) % 2 * -90 + 100, teacher=pl.lit(55, pl.Int64)
    )
    summary = summarise(asked, even, lengths=lengths)
    assert summary.win_rate.value == 50
    assert summary.length_controlled is not None
    assert summary.length_controlled.value == pytest.approx(50, abs=1)
    assert summary.length == (55, 55)


def test_an_answer_that_is_not_there_has_no_length_but_counts() -> None:
    asked = questions("a", "a")
    lengths = asked.select("id", student=pl.Series([10, None]), teacher=pl.Series([20, 30]))
    summary = summarise(asked, reviews([[(8, 9)] * 2, [(9, 8)] * 2]), lengths=lengths)
    assert (summary.total.judged, summary.length) == (2, (10, 20))
    assert summary.length_controlled is not None


def test_a_judge_that_is_unreadable_throughout_is_an_error() -> None:
    nothing = reviews([[(None, None)] * 2])
    with pytest.raises(EmptyError, match="0 of 1 questions are judged"):
        summarise(questions("a"), nothing)


def test_a_reference_with_zero_total_is_an_error() -> None:
    zero = reviews([[(0, 5)] * 2])
    with pytest.raises(EmptyError, match=r"reference scores 0\.0 in all"):
        summarise(questions("a"), zero)
