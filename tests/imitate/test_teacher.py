"""The teacher answers; what is cut, empty or refused is asked again and marked."""

from dataclasses import replace
from typing import Literal

import polars as pl
import pytest

from lion.chat.types import Reply, Request
from lion.imitate.teacher import check_thoughts, teach
from lion.params import Teacher
from lion.pools.instructions import turns_text
from lion.pools.tables import ANSWER, INSTRUCTION, from_rows
from lion.prompts import render
from lion.support.errors import EmptyError
from tests.fakes import FakeChat, reply, user_text
from tests.pools.test_pools import instruction

SETTINGS = Teacher(temperature=0.7, max_tokens=50, retries=2)
KEPT = {"answer": "Hello", "finish_reason": "stop", "model": "log.jsonl"}
POOL = from_rows([instruction("Add up:", input="1 2"), instruction("Say hi")], INSTRUCTION)


def test_every_row_is_asked_with_its_input_and_answered_in_order() -> None:
    chat = FakeChat(lambda request: reply(f"re: {user_text(request)}"))
    answers = teach(POOL, chat, SETTINGS, label="teach r0")
    assert answers["answer"].to_list() == ["re: Add up:\n\n1 2", "re: Say hi"]
    assert answers["id"].to_list() == POOL["id"].to_list()


@pytest.mark.parametrize(
    "bad",
    [
        reply("too lo", finish_reason="length"),
        reply(" "),
        reply("", finish_reason="content_filter"),
    ],
)
def test_a_bad_answer_is_asked_again_with_another_seed(bad: Reply) -> None:
    def answer(request: Request) -> Reply:
        return bad if request.attempt == 0 else reply("good")

    chat = FakeChat(answer)
    answers = teach(POOL, chat, SETTINGS, label="teach r0")
    assert answers["answer"].to_list() == ["good", "good"]
    assert len({request.seed for request in chat.asked}) == 4


def test_a_row_that_stays_bad_keeps_its_mark() -> None:
    def answer(request: Request) -> Reply:
        cut = "hi" in user_text(request)
        return reply("I was say", finish_reason="length") if cut else reply("3")

    chat = FakeChat(answer)
    answers = teach(POOL, chat, SETTINGS, label="teach r0")
    assert answers["finish_reason"].to_list() == ["stop", "length"]
    assert len(chat.asked) == 4


def test_no_whole_answer_at_all_is_an_error_with_one_raw_reply() -> None:
    chat = FakeChat(lambda request: reply("bla bla", finish_reason="length"))
    with pytest.raises(EmptyError, match=r"teach r0: none of 2 answers is complete.*'bla bla'"):
        teach(POOL, chat, SETTINGS, label="teach r0")


@pytest.mark.parametrize("choice", ["drop", "learn"])
def test_thoughts_are_kept_where_they_are_learnt(choice: Literal["drop", "learn"]) -> None:
    chat = FakeChat(lambda _: replace(reply("Hello"), thoughts="hm"))
    settings = SETTINGS.model_copy(update={"thoughts": choice})
    answers = teach(POOL, chat, settings, label="teach r0")
    assert answers["answer"].to_list() == ["Hello"] * 2
    assert answers["thoughts"].to_list() == [{"drop": None, "learn": "hm"}[choice]] * 2


def test_a_teacher_without_thoughts_is_named_where_they_are_learnt() -> None:
    kept = from_rows([dict.fromkeys(ANSWER) | KEPT | {"id": POOL["id"][1]}], ANSWER)
    chat = FakeChat(lambda _: reply("Hello"))
    answers = teach(POOL, chat, SETTINGS, label="teach r0", kept=kept)
    with pytest.raises(EmptyError, match=r"teach r0: .* none of 1 answers of fake came with"):
        check_thoughts(answers, kept, label="teach r0")
    check_thoughts(answers.filter(id=POOL["id"][1]), kept, label="teach r0")
    half = pl.Series(["hm", None])
    check_thoughts(answers.with_columns(thoughts=half), None, label="teach r0")


def test_a_kept_answer_is_not_asked_for() -> None:
    kept = from_rows([dict.fromkeys(ANSWER) | KEPT | {"id": POOL["id"][1]}], ANSWER)
    chat = FakeChat(lambda request: reply(f"re: {user_text(request)}"))
    answers = teach(POOL, chat, SETTINGS, label="teach r0", kept=kept)
    assert answers["id"].to_list() == POOL["id"].to_list()
    assert answers["answer"].to_list() == ["re: Add up:\n\n1 2", "Hello"]
    assert answers["model"][1] == "log.jsonl"
    assert len(chat.asked) == 1


def test_nobody_is_asked_where_all_answers_are_kept() -> None:
    rows = [dict.fromkeys(ANSWER) | KEPT | {"id": id} for id in reversed(POOL["id"].to_list())]
    chat = FakeChat(lambda _: reply("never"))
    answers = teach(POOL, chat, SETTINGS, label="teach r0", kept=from_rows(rows, ANSWER))
    assert answers["id"].to_list() == POOL["id"].to_list()
    assert not chat.asked


def test_the_teacher_has_the_conversation_as_chat_messages() -> None:
    turns = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hi."}]
    rows = [
        instruction("Add.", input="1 2", system="Be brief."),
        instruction("And?", turns=turns_text(turns)),
        instruction("And?", turns=turns_text(turns), system="Be kind."),
    ]
    for number, row in enumerate(rows):
        row["id"] = str(number)
    chat = FakeChat(lambda _: reply("fine"))
    teach(from_rows(rows, INSTRUCTION), chat, SETTINGS, label="teach r0")
    talks = [[(m["role"], m["content"]) for m in request.messages] for request in chat.asked]
    [default, _] = render("teacher.txt", task="")
    told = [("user", "Hi?"), ("assistant", "Hi.")]
    assert talks == [
        [("system", "Be brief."), ("user", "Add.\n\n1 2")],
        [("system", default["content"]), *told, ("user", "And?")],
        [("system", "Be kind."), *told, ("user", "And?")],
    ]
