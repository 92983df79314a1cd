"""Intervals and the length-controlled win rate, against known answers and scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lion.evaluate.statistics import draws, length_controlled, mean, ratio


def test_an_interval_covers_the_truth_about_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        result = mean(draws(60), rng.normal(1.0, 1.0, 60))
        held += result.low <= 1.0 <= result.high
    assert 180 <= held <= 198


def test_the_value_is_that_of_all_items_and_the_draws_are_the_same_each_time() -> None:
    above, below = np.array([1.0, 2.0, 6.0]), np.array([2.0, 2.0, 8.0])
    first, second = (ratio(draws(3), above, below) for _ in range(2))
    assert first == second
    assert first.value == 9 / 12


@pytest.mark.parametrize("below", [[0.0, 8.0], [0.0, 0.0, 9.0], [1.0, 0.0]])
def test_a_reference_without_points_in_many_draws_leaves_no_upper_bound(below: list[float]) -> None:
    result = ratio(draws(len(below)), np.full(len(below), 4.0), np.array(below))
    assert result.low <= result.value < result.high == np.inf


def test_the_length_controlled_rate_is_that_of_the_regression() -> None:
    rng = np.random.default_rng(1)
    longer = rng.normal(50, 200, 300)
    column = np.tanh(longer / longer.std())[:, None]
    wins = (rng.random(300) < 1 / (1 + np.exp(-(0.4 + 1.2 * column[:, 0])))).astype(float)
    theirs = LogisticRegression(C=100, tol=1e-8).fit(column, wins).intercept_[0]
    result = length_controlled(draws(300), wins, longer)
    assert result.value == pytest.approx(1 / (1 + np.exp(-theirs)), abs=1e-3)
    assert result.low < result.value < wins.mean()  # the longer answers had won by length


def test_a_candidate_that_wins_by_length_alone_has_no_lead_at_equal_length() -> None:
    longer = np.array([100.0, -100.0] * 50)
    wins = (longer > 0).astype(float)
    assert length_controlled(draws(100), wins, longer).value == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("wins", "rate"), [(1.0, 1.0), (0.0, 0.0), (0.5, 0.5)])
def test_no_variation_in_wins_or_length_is_no_problem(wins: float, rate: float) -> None:
    result = length_controlled(draws(40), np.full(40, wins), np.zeros(40))
    assert result.value == pytest.approx(rate, abs=0.01)
