"""The end of the game is announced when the referee's own noise explains what it says."""

import random

import pytest

from lion.evaluate.equilibrium import equilibrium
from tests.evaluate.test_quality import Scores, reviews


def played(
    count: int, *, lead: float, spread: float, bias: float, noise: float
) -> list[list[Scores]]:
    """Pairs of reviews: the student leads by `lead`, by pair give or take `spread`."""
    rng = random.Random(1)

    def pair() -> list[Scores]:
        own = lead + rng.gauss(0, spread)
        first, second = (rng.gauss(0, noise) for _ in range(2))
        return [(5 + bias, 5 + own + first), (5, 5 + own + second + bias)]

    return [pair() for _ in range(count)]


@pytest.mark.parametrize("bias", [0.0, 0.3, 3.0])
def test_a_student_as_good_in_every_answer_cannot_be_told_from_the_teacher(bias: float) -> None:
    result = equilibrium(reviews(played(400, lead=0, spread=0, bias=bias, noise=0.5)))
    assert result.reached
    assert "can no longer tell the student from the teacher" in result.finding()


def test_a_worse_student_is_told_from_the_teacher() -> None:
    result = equilibrium(reviews(played(400, lead=-0.5, spread=0, bias=0.3, noise=0.5)))
    assert not result.reached
    assert result.finding().startswith(
        "The referee prefers the teacher: the student's win rate is "
    )
    assert result.mean_gap == pytest.approx(0.5, abs=0.1)


def test_as_many_wins_are_no_equilibrium_while_both_orders_agree_on_each() -> None:
    result = equilibrium(reviews(played(400, lead=0, spread=3, bias=0.3, noise=0.5)))
    assert not result.reached
    assert result.finding().startswith("400 pairs do not show who is better: ")


@pytest.mark.parametrize(
    ("pairs", "finding"),
    [
        (
            [[(9, 3), (9, 3)]] * 3,
            "3 pairs do not show who is better: the student's win rate",
        ),
        ([[(9, 3), (9, 3)], [(3, 9), (3, 9)], [(9, 3), (9, 3)]], "3 pairs do not show"),
        ([[(9, 9), (9, 9)]] * 5, "5 pairs do not show"),
        ([[(9, 3), (9, 3)]] * 14 + [[(3, 9), (3, 9)]] * 6, "20 pairs do not show"),
    ],
)
def test_few_pairs_show_nothing(pairs: list[list[Scores]], finding: str) -> None:
    result = equilibrium(reviews(pairs))
    assert not result.reached
    assert result.finding().startswith(finding)


def test_equal_answers_always_scored_alike_are_an_equilibrium() -> None:
    result = equilibrium(reviews([[(9, 9), (9, 9)]] * 50))
    assert (result.reached, result.win_rate, result.flip_rate) == (True, 50.0, 0.0)


def test_without_a_pair_read_in_both_orders_nothing_is_said() -> None:
    result = equilibrium(reviews([[(9, 8), (None, None)]]))
    assert not result.reached
    assert "nothing can be said" in result.finding()
