"""Each role its own model and endpoint; structured output; models that think."""

import pytest

from lion.chat import Reply, Request, ask_with_retries, connect
from lion.params import Params
from lion.support.errors import ChatError
from tests.chat.conftest import ParamsOf, requests
from tests.chat.server import Answer, Body, Server, completion

# Of a reply whose thinking is counted in the total alone.
TOTAL = {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 29}


def ask(params: Params, asked: list[Request]) -> list[Reply]:
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        return chat.ask(asked, label="teach")


def test_each_role_asks_its_own_model_at_its_own_endpoint(
    server: Server, params_at: ParamsOf
) -> None:
    with Server() as other:
        raw = params_at(server.url).model_dump()
        raw["referee"]["model"] = "judge-model"
        raw["endpoints"]["referee"] = {"base_url": other.url}
        params = Params.model_validate(raw)
        for role in ("teacher", "referee"):
            with connect(params, role, stage="any", round="r0") as chat:
                chat.ask(requests(1), label="any")
        assert [asked.body["model"] for asked in server.asked] == ["m"]
        assert [asked.body["model"] for asked in other.asked] == ["judge-model"]


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ({}, "is also the referee and judge"),
        ({"judge": "other"}, "is also the referee:"),
        ({"teacher": "large"}, ""),
        ({"teacher": "oracle", "referee": "oracle", "judge": "oracle"}, ""),
    ],
)
def test_a_model_that_judges_its_own_answers_is_named_once(
    params_at: ParamsOf,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    models: dict[str, str],
    expected: str,
) -> None:
    monkeypatch.setattr("lion.chat.notices._said", set())
    raw = params_at("http://127.0.0.1:9/v1").model_dump()
    for role, model in models.items():
        raw[role]["model"] = model
    params = Params.model_validate(raw)
    for role in ("teacher", "referee", "judge", "referee"):
        with connect(params, role, stage="any", round="r0"):
            pass
    err = capsys.readouterr().err
    assert err.count("prefers its own answers") == bool(expected)
    assert expected in err


def test_the_oracle_is_asked_in_this_process_even_offline(
    params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LION_OFFLINE", "1")
    (reply,) = ask(params_at(None, model="oracle"), requests(1))
    assert (reply.model, reply.finish_reason) == ("oracle", "stop")


def test_an_oracle_that_was_set_otherwise_answers_anew(params_at: ParamsOf) -> None:
    for bias in (0.3, 0.0, 0.3):
        params = params_at(
            None, model="oracle", top={"oracle": {"position_bias": bias, "unreadable": 0.0}}
        )
        ask(params, requests(1))
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        (entry,) = chat._store.entries()
    assert (entry.requests, entry.saved_requests) == (2, 1)


def test_an_azure_deployment_gets_its_version_and_key_in_its_own_way(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "azure-key")
    ask(params_at(f"{server.url}/deployments/d?api-version=2024-10-21&x=a%20b&y"), requests(1))
    (asked,) = server.asked
    assert asked.path == "/v1/deployments/d/chat/completions"
    assert asked.query == "api-version=2024-10-21&x=a+b&y="
    assert asked.headers["api-key"] == "azure-key"


SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}}


@pytest.mark.parametrize("structured", [True, False])
def test_a_schema_is_sent_where_the_server_offers_it(
    server: Server, params_at: ParamsOf, structured: bool
) -> None:
    ask(params_at(server.url, structured=structured), requests(1, schema=SCHEMA))
    sent = server.asked[0].body.get("response_format")
    assert (sent and sent["json_schema"]["schema"]) == (SCHEMA if structured else None)


def test_a_server_gets_the_body_in_its_own_dialect(server: Server, params_at: ParamsOf) -> None:
    params = params_at(
        server.url,
        limit_field="max_completion_tokens",
        omit=["temperature", "seed"],
        thinking_tokens=1000,
        extra={"reasoning_effort": "low"},
    )
    ask(params, requests(1))
    assert server.asked[0].body == {
        "model": "m",
        "messages": [{"role": "user", "content": "question 0"}],
        "max_completion_tokens": 1020,
        "reasoning_effort": "low",
    }


@pytest.mark.parametrize(
    ("content", "thinking_tokens", "text"),
    [
        ("<think>hm</think>\n\nanswer", 0, "answer"),
        ("hm</think>answer", 100, "answer"),
        ("say </think> in HTML", 0, "say </think> in HTML"),
        ("<think>hm, it nev", 0, ""),
        ("plain", 100, "plain"),
    ],
)
def test_thinking_is_no_part_of_the_answer(
    server: Server, params_at: ParamsOf, content: str, thinking_tokens: int, text: str
) -> None:
    server.answering = lambda asked: Answer(completion(content))
    (reply,) = ask(params_at(server.url, thinking_tokens=thinking_tokens), requests(1))
    assert reply.text == text


def thinking(tokens: int, *, answer: str = "", finish: str = "length") -> Body:
    """A completion of a model that reports the tokens it thought with."""
    body = completion(answer, finish=finish)
    details = {"reasoning_tokens": tokens}
    body["usage"] |= {"completion_tokens": tokens, "completion_tokens_details": details}
    return body


def test_tokens_of_thinking_are_counted(server: Server, params_at: ParamsOf) -> None:
    server.answering = lambda asked: Answer(thinking(50, answer="yes", finish="stop"))
    (reply,) = ask(params_at(server.url), requests(1))
    assert (reply.text, reply.completion_tokens, reply.reasoning_tokens) == ("yes", 50, 50)


@pytest.mark.parametrize(
    "body",
    [
        thinking(20),
        {**completion("", finish="length"), "usage": TOTAL},
        completion("<think>and on and on", finish="length"),
        completion("", finish="length", reasoning_content="and on"),
        completion("", finish="length", reasoning="and on"),
    ],
    ids=["counted", "counted in the total", "inline", "reasoning_content", "reasoning"],
)
def test_a_limit_without_room_for_answers_is_an_error_in_every_run(
    server: Server, params_at: ParamsOf, body: Body
) -> None:
    if body["usage"] is not TOTAL and body["usage"]["completion_tokens"] == 0:
        body["usage"]["completion_tokens"] = 20
    server.answering = lambda asked: Answer(body)
    for count in (100, 8):
        with pytest.raises(ChatError, match=r"for thinking .* raise thinking_tokens of endpoints"):
            ask(params_at(server.url, concurrency=4), requests(count))
    assert len(server.asked) <= 12


def test_a_few_rows_cut_while_thinking_are_the_callers_to_ask_again(
    server: Server, params_at: ParamsOf
) -> None:
    def answering(asked: object) -> Answer:
        first = len(server.asked) <= 2
        return Answer(thinking(20) if first else completion("done"))

    server.answering = answering
    with connect(params_at(server.url, concurrency=1), "teacher", stage="s", round="r0") as chat:
        attempts = ask_with_retries(
            chat, requests(9), label="s", retries=2, usable=lambda _, reply: bool(reply.text)
        )
    assert [len(replies) for replies in attempts] == [2, 2] + [1] * 7


def test_asking_again_is_bounded_and_changes_attempt_and_seed(
    server: Server, params_at: ParamsOf
) -> None:
    server.answering = lambda asked: Answer(completion(""))
    with connect(params_at(server.url), "teacher", stage="s", round="r0") as chat:
        attempts = ask_with_retries(
            chat, requests(2), label="s", retries=2, usable=lambda row, reply: False
        )
    assert [len(replies) for replies in attempts] == [3, 3]
    assert len({asked.body["seed"] for asked in server.asked}) == 6
