"""What servers reply, one line each of replies.jsonl, through a real server, as teacher or referee.

The reply under test is for the second of three rows; the others get a plain one.
"""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lion.chat import connect
from lion.discriminate.referee import review
from lion.imitate.teacher import teach
from tests.chat.conftest import ParamsOf
from tests.chat.server import Answer, Asked, Server, completion

LINES = Path(__file__).with_name("replies.jsonl").read_text(encoding="utf-8").splitlines()
CASES: dict[str, dict[str, Any]] = {case["id"]: case for case in map(json.loads, LINES)}
PLAIN = {"teacher": "Plain.", "referee": "Both fine.\n\nAssistant 1: 7\nAssistant 2: 7"}
POOL = pl.DataFrame(
    {
        "id": ["a", "b", "c"],
        "instruction": ["Row a", "Row b", "Row c"],
        "input": ["", "", ""],
        "answer": ["yes", "yes", "yes"],
        "response": ["no", "no", "no"],
    }
)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_reply_is_read_for_what_it_is(
    server: Server, params_at: ParamsOf, case: dict[str, Any]
) -> None:
    def answering(asked: Asked) -> Answer:
        if "Row b" not in str(asked.body["messages"]):
            return Answer(completion(PLAIN[case["role"]]))
        if "status" in case:
            return Answer(case["body"], status=case["status"])
        body = completion("", **case["message"])
        body["choices"][0]["finish_reason"] = case.get("finish_reason", "stop")
        return Answer(body | {"usage": case.get("usage", {"completion_tokens": 5})})

    server.answering = answering
    params = params_at(server.url)
    with connect(params, case["role"], stage="any", round="r0") as chat:
        if case["role"] == "teacher":
            settings = params.teacher.model_copy(update={"retries": 1})
            answers = teach(POOL, chat, settings, label="teach")
            expected = ("b", case["answers"], case.get("ends", "stop"))
            assert answers.select("id", "answer", "finish_reason").rows()[1] == expected
            assert answers["answer"][0] == "Plain."
            asked = [request for request in server.asked if b"Row b" in request.content]
            assert len(asked) == case.get("asked", 1)
        else:
            settings_ = params.referee.model_copy(update={"retries": 0})
            reviews = review(POOL, chat, settings_, label="referee", orders=("teacher_first",))
            expected_ = tuple(case["scores"] or (None, None))
            assert reviews.select("teacher", "student").rows() == [(7, 7), expected_, (7, 7)]
