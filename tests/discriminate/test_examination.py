"""The second order is asked only where it matters; what one order says is corrected and checked."""

import random
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from lion.chat.types import Reply, Request
from lion.discriminate.examination import MEASURED, Exam
from lion.discriminate.referee import review
from lion.discriminate.scores import ORDERS, bias_of, discriminate, score, unselected
from lion.evaluate.equilibrium import equilibrium
from lion.params import Referee
from lion.params.pools import Examine
from lion.pools.instructions import stable_seed, turns_text
from lion.pools.tables import REVIEW
from lion.support.errors import EmptyError
from tests.fakes import FakeChat, reply

SETTINGS = Referee(temperature=0.2, max_tokens=99, retries=1)
TURNS = turns_text([{"role": "user", "content": "早上好"}, {"role": "assistant", "content": "Hi"}])
BIAS = 0.5  # of the fake referee, with some noise


def pairs_of(count: int, **more: Any) -> pl.DataFrame:
    rows = {
        "id": [f"{n:05d}" for n in range(count)],
        "instruction": [f"Explique «{n}» 解释 اشرح" for n in range(count)],
        "input": [""] * count,
        "answer": [f"good {n}" for n in range(count)],
        "response": [f"fair {n}" for n in range(count)],
        "system": ["Sois bref." if n % 3 else None for n in range(count)],
        "turns": [TURNS if n % 5 == 0 else None for n in range(count)],
        "round": ["r1" if n % 4 == 0 else "r0" for n in range(count)],
    }
    return pl.DataFrame(rows | more)


def true_gap(id: str) -> float:
    return random.Random(id).choice([-1, 0, 0.5, 1, 1.5, 2, 3, 4, 5, 6])


def judge(gap: Callable[[str], float] = true_gap, *, bias: float = BIAS) -> Any:
    """A referee whose scores are `gap` apart; the first position biass `bias`, more or less."""

    def answer(request: Request) -> Reply:
        first = is_first(request)
        gained = bias + random.Random(request.id).choice([-0.2, 0, 0.2])
        teacher, student = 2.2 + gap(request.id), 2.2
        teacher, student = (teacher + gained, student) if first else (teacher, student + gained)
        scores = (teacher, student) if first else (student, teacher)
        return reply("Evidence.\nAssistant 1: {:.2f}\nAssistant 2: {:.2f}".format(*scores))

    return FakeChat(answer)


def examined(
    pairs: pl.DataFrame,
    chat: Any,
    *,
    threshold: float | None = 1.0,
    round: str = "r2",
    hard: int | None = None,
    seed: int = 1,
) -> pl.DataFrame:
    options = Examine(second_order=threshold, hard=hard)
    exam = Exam(chat, SETTINGS, options, label="referee", round=round, newest="r1", seed=seed)
    return exam.examine(pairs)


def test_without_the_option_all_is_as_before() -> None:
    pairs = pairs_of(20)
    assert examined(pairs, judge(), threshold=None).equals(
        review(pairs, judge(), SETTINGS, label="referee")
    )


def test_clear_pairs_are_asked_once_and_close_ones_twice() -> None:
    pairs, chat = pairs_of(1000), judge()
    reviews = examined(pairs, chat)
    assert len(chat.asked) < 1.8 * pairs.height
    second = dict(reviews.filter(order=ORDERS[1]).select("id", "purpose").iter_rows())
    purposes = list(second.values())
    assert purposes.count("measure") == MEASURED
    gain = bias_of(reviews)
    assert gain is not None
    assert gain.points == pytest.approx(BIAS, abs=0.05)
    for id in pairs["id"]:
        if true_gap(id) == 1.0:
            assert id in second
        if abs(true_gap(id) - 1.0) >= 2:
            assert second.get(id) != "close"
    clear = [id for id in pairs["id"] if second.get(id) not in ("measure", "close")]
    assert purposes.count("check") == pytest.approx(len(clear) / 10, abs=len(clear) / 25)


def test_the_verdicts_are_those_of_both_orders() -> None:
    pairs = pairs_of(1000)
    thrifty = discriminate(score(examined(pairs, judge())), tau=1.0)
    whole = discriminate(score(review(pairs, judge(), SETTINGS, label="all")), tau=1.0)
    assert thrifty["id"].equals(whole["id"])
    assert thrifty["verdict"].equals(whole["verdict"])
    one = thrifty.filter(orders=1)
    assert 0 < one.height < 700
    errors = (one["gap"] - whole.filter(pl.col("id").is_in(one["id"].to_list()))["gap"]).abs()
    assert errors.max() < 0.35  # type: ignore[operator]
    both = thrifty.filter(pl.col("orders").is_null()).drop("orders", "first_verdict")
    assert both.equals(whole.filter(pl.col("id").is_in(both["id"].to_list())))


def test_what_is_asked_depends_on_the_replies_alone() -> None:
    pairs = pairs_of(600)
    first, again, other = (examined(pairs, judge(), round=name) for name in ("r2", "r2", "r3"))
    assert first.equals(again)
    assert not first.equals(other)


def points(teacher: float, student: float, *, first: bool) -> Reply:
    scores = (teacher, student) if first else (student, teacher)
    return reply("Evidence.\nAssistant 1: {:g}\nAssistant 2: {:g}".format(*scores))


def is_first(request: Request) -> bool:
    return request.seed == stable_seed("referee", request.id, "teacher_first")


def test_a_checked_verdict_that_changes_is_counted() -> None:
    pairs = pairs_of(700)
    measured = set(examined(pairs, judge()).filter(purpose="measure")["id"])

    def moody(request: Request) -> Reply:
        """Changes its mind on every pair that the position bias is not measured on."""
        first = is_first(request)
        return points(*((8, 2) if first or request.id in measured else (1, 9)), first=first)

    verdicts = discriminate(score(examined(pairs, FakeChat(moody))), tau=1.0)
    checked = verdicts.drop_nulls("first_verdict")
    assert checked.height == pytest.approx(40, abs=15)
    assert set(checked["first_verdict"]) == {"hard"}
    assert set(checked["verdict"]) == {"easy"}
    assert verdicts.filter(orders=1).height == 400 - checked.height


def test_few_pairs_are_all_judged_in_both_orders() -> None:
    for count in (1, 29, MEASURED):
        pairs = pairs_of(count)
        reviews = examined(pairs, judge())
        assert set(reviews.filter(order=ORDERS[1])["purpose"]) == {"measure"}
        plain = review(pairs, judge(), SETTINGS, label="all")
        assert reviews.drop("purpose").equals(plain.drop("purpose"))
        assert score(reviews)["gap"].equals(score(plain)["gap"])


def test_every_verdict_unreadable_ends_after_the_first_order() -> None:
    chat = FakeChat(lambda request: reply("No idea."))
    with pytest.raises(EmptyError, match="scored none of 500 pairs"):
        examined(pairs_of(500), chat)
    assert len(chat.asked) == 2 * (500 + MEASURED)  # one retry, and no further second order


def test_an_unreadable_first_order_is_unjudged_and_not_asked_again() -> None:
    real = judge()

    def answer(request: Request) -> Reply:
        return reply("Hm.") if int(request.id) >= 400 else real.answer(request)

    reviews = examined(pairs_of(500), FakeChat(answer))
    verdicts = discriminate(score(reviews), tau=1.0)
    unread = verdicts.filter(pl.col("id") >= "00400")
    assert set(unread["verdict"]) == {"unjudged"}
    assert unread["orders"].is_null().all()
    asked_twice = reviews.filter(pl.col("id") >= "00400", order=ORDERS[1])
    assert set(asked_twice["purpose"]) == {"measure"}


def test_without_a_known_position_bias_all_are_judged_in_both_orders() -> None:
    real = judge()

    def answer(request: Request) -> Reply:
        first = is_first(request)
        return real.answer(request) if first or int(request.id) % 20 == 0 else reply("Hm.")

    reviews = examined(pairs_of(400), FakeChat(answer))
    assert reviews.filter(order=ORDERS[1])["id"].n_unique() == 400
    assert score(reviews)["gap"].count() == 20


def test_a_referee_without_noise_is_asked_again_only_at_the_threshold_itself() -> None:
    exact = FakeChat(lambda r: points(2 + int(r.id) % 5, 2, first=is_first(r)))
    close = examined(pairs_of(600), exact).filter(purpose="close")
    assert {int(id) % 5 for id in close["id"]} == {1}


def test_trust_is_measured_on_pairs_that_were_not_chosen_by_their_gap() -> None:
    reviews = examined(pairs_of(1000), judge())
    assert unselected(reviews)["id"].n_unique() == MEASURED
    assert equilibrium(reviews).pairs == MEASURED


def test_edited_tables_without_measured_pairs_leave_single_orders_unjudged() -> None:
    reviews = examined(pairs_of(1000), judge())
    measured = reviews.filter(purpose="measure")["id"].to_list()
    rest = reviews.filter(~pl.col("id").is_in(measured))
    gaps = score(rest)
    assert gaps.filter(orders=1).height == 0
    assert gaps["gap"].count() == rest.drop_nulls("purpose")["id"].n_unique()


def test_the_schema_of_replies_is_kept() -> None:
    assert dict(examined(pairs_of(400), judge()).schema) == REVIEW


def hard_rows(reviews: pl.DataFrame) -> int:
    return score(reviews).filter(pl.col("gap") >= 1.0).height


@pytest.mark.parametrize("threshold", [None, 1.0])
def test_waves_end_once_enough_rows_are_hard(threshold: float | None) -> None:
    pairs, chat = pairs_of(2000), judge()
    reviews = examined(pairs, chat, threshold=threshold, hard=300)
    judged = reviews["id"].n_unique()
    assert 300 <= hard_rows(reviews) < 345
    assert judged < 700
    ids = set(reviews["id"])
    newest = set(pairs.filter(round="r1")["id"])
    assert ids <= newest or newest <= ids  # 500 rows, examined first
    assert chat.labels[0] == "referee, wave 1"
    assert len(set(chat.labels)) < 8
    first = reviews.filter(order=ORDERS[0])["id"].to_list()
    assert first == sorted(first)  # in the pool's order
    assert reviews.equals(examined(pairs, judge(), threshold=threshold, hard=300))
    assert not reviews.equals(examined(pairs, judge(), threshold=threshold, hard=300, seed=2))


def test_the_replies_of_a_wave_are_those_without_waves() -> None:
    pairs = pairs_of(400)
    whole = review(pairs, judge(), SETTINGS, label="all")
    some = examined(pairs, judge(), threshold=None, hard=20)
    assert some.equals(whole.filter(pl.col("id").is_in(some["id"].unique().to_list())))


@pytest.mark.parametrize("hard", [1, 50, 10**6])
def test_an_easy_pool_ends_at_its_bound_and_says_so(
    hard: int, capsys: pytest.CaptureFixture[str]
) -> None:
    chat = judge(lambda id: 0.0)
    reviews = examined(pairs_of(90), chat, threshold=None, hard=hard)
    assert reviews["id"].n_unique() == 90
    printed = capsys.readouterr().out
    assert "90 of 90 rows are judged, 0 of them are hard." in printed
    assert "The pool has fewer" in printed
    assert "equilibrium" in printed
    assert len(set(chat.labels)) < 9  # waves double while nothing is hard


def test_no_newest_row_and_more_hard_rows_than_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pairs = pairs_of(120, round=["r0"] * 120)
    reviews = examined(pairs, judge(), hard=119)
    assert reviews["id"].n_unique() == 120
    assert "The pool has fewer than 119" in capsys.readouterr().out
    assert hard_rows(examined(pairs, judge(lambda id: 5.0), hard=10)) == 10


def test_unreadable_waves_end_after_the_first() -> None:
    chat = FakeChat(lambda request: reply("No idea."))
    with pytest.raises(EmptyError, match="scored none of 30 pairs"):
        examined(pairs_of(500), chat, threshold=None, hard=30)
    assert len(chat.asked) == 30 * 2 * 2
