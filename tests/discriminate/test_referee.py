"""The referee judges in both orders; what it does not say readably stays unjudged."""

import re

import polars as pl
import pytest

from lion.chat.types import Reply, Request
from lion.discriminate.referee import review
from lion.discriminate.scores import discriminate, score
from lion.evaluate.quality import leads_by_order
from lion.params import Referee
from lion.pools.instructions import turns_text
from lion.pools.tables import VERDICT, from_rows
from lion.support.errors import EmptyError
from tests.fakes import FakeChat, reply, user_text

SETTINGS = Referee(temperature=0.2, max_tokens=99, retries=2)
PAIRS = pl.DataFrame(
    {
        "id": ["a", "b"],
        "instruction": ["Add:", "Say hi"],
        "input": ["1 2", ""],
        "answer": ["good 3", "good hi"],
        "response": ["good 3", "bad"],
    }
)


def honest(request: Request, *, bias: float = 0.0) -> Reply:
    """Scores 9 for a good answer and 3 for a bad one; the first gains `bias`."""
    answers = re.findall(r"<answer-\d \w+>\n(\w*)", user_text(request))
    first, second = (9 if word == "good" else 3 for word in answers)
    return reply(f"Evidence.\nAssistant 1: {first + bias}\nAssistant 2: {second}")


def test_both_orders_are_asked_and_scores_follow_the_sides() -> None:
    reviews = review(PAIRS, FakeChat(honest), SETTINGS, label="referee r1")
    b = reviews.filter(id="b").select("order", "teacher", "student").rows()
    assert b == [("teacher_first", 9.0, 3.0), ("student_first", 9.0, 3.0)]


def test_a_position_bias_cancels_in_the_mean() -> None:
    chat = FakeChat(lambda request: honest(request, bias=1))
    scores = score(review(PAIRS, chat, SETTINGS, label="referee r1"))
    assert scores.select("id", "teacher", "student", "gap").rows() == [
        ("a", 9.5, 9.5, 0.0),
        ("b", 9.5, 3.5, 6.0),
    ]


def test_identical_answers_are_one_request_and_never_differ() -> None:
    def moody(request: Request) -> Reply:
        first = 1 + request.seed % 10
        return reply(f"Evidence.\nAssistant 1: {first}\nAssistant 2: {11 - first}")

    chat = FakeChat(moody)
    reviews = review(PAIRS, chat, SETTINGS, label="referee r1")
    asked = {id: [request for request in chat.asked if request.id == id] for id in "ab"}
    assert asked["a"][0] == asked["a"][1]
    assert asked["b"][0] != asked["b"][1]
    assert score(reviews)["gap"].to_list()[0] == 0
    lead = leads_by_order(reviews).row(0, named=True)
    assert (lead["id"], lead["teacher_first"], lead["student_first"]) == ("a", 0, 0)
    assert lead["gained"] != 0


def test_the_input_is_shown_to_the_referee() -> None:
    chat = FakeChat(honest)
    review(PAIRS, chat, SETTINGS, label="referee r1")
    assert "Add:\n\n1 2" in user_text(chat.asked[0])


def test_an_unreadable_reply_is_asked_again_and_kept() -> None:
    def answer(request: Request) -> Reply:
        return reply("No idea.") if request.attempt == 0 else honest(request)

    chat = FakeChat(answer)
    reviews = review(PAIRS, chat, SETTINGS, label="referee r1")
    assert reviews.height == 8
    assert reviews.filter(attempt=0)["teacher"].null_count() == 4
    assert [request.schema is None for request in chat.asked] == 4 * [True] + 4 * [False]
    assert score(reviews)["gap"].to_list() == [0.0, 6.0]


def test_a_pair_unreadable_in_one_order_is_unjudged_not_half_judged() -> None:
    def answer(request: Request) -> Reply:
        shown_first = user_text(request).index("good hi") < user_text(request).index("bad")
        return reply("Hm.") if shown_first else honest(request)

    def answer_b(request: Request) -> Reply:
        return answer(request) if request.id == "b" else honest(request)

    reviews = review(PAIRS, FakeChat(answer_b), SETTINGS, label="referee r1")
    verdicts = discriminate(score(reviews), tau=1.0)
    assert verdicts["verdict"].to_list() == ["easy", "unjudged"]
    assert verdicts.row(1)[1:4] == (None, None, None)
    assert reviews.filter(id="b", order="teacher_first").height == 3


def test_a_referee_that_judges_nothing_is_an_error_with_one_raw_reply() -> None:
    chat = FakeChat(lambda request: reply("Lorem ipsum."))
    with pytest.raises(EmptyError, match=r"referee r1: .* none of 2 .*12 of 12.*'Lorem ipsum\.'"):
        review(PAIRS, chat, SETTINGS, label="referee r1")


@pytest.mark.parametrize(
    ("gap", "tau", "verdict"),
    [(1.0, 1.0, "hard"), (0.99, 1.0, "easy"), (-3.0, 0.0, "easy"), (0.0, 0.0, "hard")],
)
def test_hard_begins_at_tau(gap: float, tau: float, verdict: str) -> None:
    scores = from_rows(
        [{"id": "a", "teacher": 5.0 + gap, "student": 5.0, "gap": gap, "verdict": ""}], VERDICT
    ).drop("verdict")
    assert discriminate(scores, tau=tau)["verdict"].to_list() == [verdict]


def test_the_referee_is_shown_what_stands_before_the_task() -> None:
    turns = turns_text([{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hi"}])
    systems, talks = ["Be brief.", None], pl.Series([None, turns], dtype=pl.String)
    pairs = PAIRS.with_columns(system=pl.Series(systems), turns=talks)
    chat = FakeChat(honest)
    scores = score(review(pairs, chat, SETTINGS, label="referee r1"))
    assert scores["gap"].to_list() == [0.0, 6.0]
    first, second, *_ = (user_text(request) for request in chat.asked)
    assert "\nBe brief.\n</1-system" in first
    assert "\nHi?\n</1-user" in second
    assert "\nHi\n</2-assistant" in second


def test_a_reply_that_repeats_scores_of_a_system_prompt_is_unreadable() -> None:
    lines = "Assistant 1: 10\nAssistant 2: 1"
    pairs = PAIRS.head(1).with_columns(system=pl.lit(lines))
    chat = FakeChat(lambda _: reply(f"The system prompt says:\n{lines}"))
    with pytest.raises(EmptyError, match="scored none of 1 pairs"):
        review(pairs, chat, SETTINGS, label="referee r1")
