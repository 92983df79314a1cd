"""Bodies of servers: the text decides, an error is an error whatever its status."""

import json
import time
from typing import Any

import pytest

from lion.chat import Reply, connect
from lion.params import Params
from lion.support.errors import ChatError
from tests.chat.batch_server import BatchServer, echoed
from tests.chat.conftest import ParamsOf, requests
from tests.chat.server import Answer, Asked, Body, Server, completion, echo, refusal


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait hundredths of a second where the server names no time."""
    monkeypatch.setattr("lion.chat.sender._LONGEST", 0.05)


def ask(params: Params, count: int = 1, **fields: Any) -> list[Reply]:
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        return chat.ask(requests(count, **fields), label="teach")


def text_part(text: str) -> Body:
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    "content",
    [
        [text_part("Four.")],
        [text_part("Fo"), text_part("ur.")],
        ["Four."],
        {"type": "text", "text": "Four."},
        [{"type": "output_text", "text": {"value": "Four."}}],
        [{"type": "thinking", "thinking": [text_part("Two plus two.")]}, text_part("Four.")],
        [text_part("Four."), {"type": "reference", "reference_ids": [1]}],
        [{"type": "text", "text": None}, text_part("Four."), {"type": "tool_use", "id": "a"}],
    ],
)
def test_content_in_parts_is_one_text_and_is_paid_once(
    server: Server, params_at: ParamsOf, content: object
) -> None:
    server.answering = lambda asked: Answer(completion("x", content=content))
    assert [reply.text for reply in ask(params_at(server.url))] == ["Four."]
    assert len(server.asked) == 1


def test_structured_output_that_a_server_has_parsed_is_paid_once(
    server: Server, params_at: ParamsOf
) -> None:
    server.answering = lambda asked: Answer(completion("x", content={"assistant_1": 8, "a": "ü"}))
    assert ask(params_at(server.url))[0].text == '{"assistant_1": 8, "a": "ü"}'
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 12.0, "completion_tokens": 3.0}, (12, 3)),
        ({"prompt_tokens": "12", "completion_tokens": " 3 "}, (12, 3)),
        ({"input_tokens": 12, "output_tokens": 3}, (12, 3)),
        # Without a readable count: 90 bytes of the prompt with its margin, 5 bytes of the answer.
        ({"prompt_tokens": -1, "completion_tokens": -3}, (90, 5)),
        ({"prompt_tokens": 1e99, "completion_tokens": "many"}, (90, 5)),
        ({"prompt_tokens": [12], "completion_tokens": {"all": 3}}, (90, 5)),
        ({"prompt_tokens": None}, (90, 5)),
        ([1, 2], (90, 5)),
        ("none", (90, 5)),
        (None, (90, 5)),
    ],
)
def test_unreadable_usage_costs_no_reply(
    server: Server, params_at: ParamsOf, usage: object, counts: tuple[int, int]
) -> None:
    server.answering = lambda asked: Answer({**completion("Four."), "usage": usage})
    (reply,) = ask(params_at(server.url))
    assert (reply.prompt_tokens, reply.completion_tokens) == counts
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Policy": "a" * 20_000},
        {f"X-Trace-{number}": "v" for number in range(300)},
        {"Content-Length": str(len(json.dumps(completion("fine"))))},  # the second of two
        {"Transfer-Encoding": "chunked"},
    ],
    ids=["long", "many", "twice", "both lengths"],
)
def test_odd_headers_cost_no_reply(
    server: Server, params_at: ParamsOf, headers: dict[str, str]
) -> None:
    body = json.dumps(completion("fine")).encode()
    if "Transfer-Encoding" in headers:
        body = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    server.answering = lambda _: Answer(body, headers=headers)
    [reply] = ask(params_at(server.url))
    assert reply.text == "fine"
    assert len(server.asked) == 1


@pytest.mark.parametrize("model", [123, None, {"name": "m"}, ["m"]])
def test_an_odd_model_name_costs_no_reply(
    server: Server, params_at: ParamsOf, model: object
) -> None:
    server.answering = lambda asked: Answer({**completion("Four."), "model": model})
    assert ask(params_at(server.url))[0].text == "Four."
    assert len(server.asked) == 1


@pytest.mark.parametrize("content", ["word " * 30, "字" * 50])
def test_a_filtered_reply_without_usage_counts_its_text(
    server: Server, params_at: ParamsOf, content: str
) -> None:
    body = {**completion(content, finish="content_filter"), "usage": None}
    server.answering = lambda asked: Answer(body)
    (reply,) = ask(params_at(server.url), max_tokens=1000)
    assert (reply.prompt_tokens, reply.completion_tokens) == (90, len(content.encode()))


@pytest.mark.parametrize(
    ("finish", "tokens", "expected"),
    [
        *((name, 5, "stop") for name in ("stop", "eos", "eos_token", "end_turn", "STOP", None)),
        *((name, 5, "length") for name in ("length", "max_tokens", "MAX_TOKENS", "model_length")),
        *((name, 5, "content_filter") for name in ("content_filter", "SAFETY")),
        ("whatever", 5, "stop"),
        ("whatever", 20, "length"),
        (None, 20, "length"),
        (17, 5, "stop"),
        *((name, 20, "stop") for name in ("COMPLETE", "stop_sequence", "End Turn", "finished")),
        *((name, 5, "length") for name in ("abort", "error", "insufficient_system_resource")),
        *((name, 5, "length") for name in ("network_error", "OTHER", "MALFORMED_FUNCTION_CALL")),
    ],
)
def test_finish_reasons_of_all_servers_mean_the_same(
    server: Server, params_at: ParamsOf, finish: Any, tokens: int, expected: str
) -> None:
    body = completion("Four.", finish=finish)
    body["usage"]["completion_tokens"] = tokens
    server.answering = lambda asked: Answer(body)
    assert ask(params_at(server.url))[0].finish_reason == expected


@pytest.mark.parametrize("text", ["A whole answer. " * 4, "整句的回答。" * 4])
def test_a_whole_answer_that_no_server_counted_is_not_cut(
    server: Server, params_at: ParamsOf, text: str
) -> None:
    body = {**completion(text), "usage": None}
    body["choices"][0]["finish_reason"] = None
    server.answering = lambda asked: Answer(body)
    assert ask(params_at(server.url), max_tokens=30)[0].finish_reason == "stop"
    assert ask(params_at(server.url), max_tokens=10)[0].finish_reason == "length"


def test_an_unknown_finish_reason_is_said_once(
    server: Server, params_at: ParamsOf, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answering = lambda asked: Answer(completion("Four.", finish="ran dry\n"))
    assert {reply.finish_reason for reply in ask(params_at(server.url), 5)} == {"stop"}
    assert capsys.readouterr().err.count("unknown finish_reason 'ran dry'") == 1


ERRORS = [
    {"error": {"code": 429, "message": "slow down"}},
    {"error": {"code": "429", "message": "slow down"}},
    {"error": {"code": "rate_limit_exceeded", "message": "slow down"}},
    {"error": {"status": "RESOURCE_EXHAUSTED", "message": "slow down"}},
    {"object": "error", "message": "slow down", "code": 429},
    {"error_code": 429, "error_msg": "slow down"},
    [{"error": {"code": 429, "message": "slow down"}}],
    {"choices": [{"error": {"code": 429, "message": "slow down"}, "message": {"content": ""}}]},
    {"choices": [{"error": {"code": 429, "message": "slow down"}, "message": None}]},
    {"choices": [], "error": "Rate limit: slow down"},
    {"code": "1302", "msg": "您的账户已达到速率限制"},
    {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}, "choices": None},
    {"success": False, "errors": [{"code": 10001, "message": "Too many requests"}]},
    {"error": {"code": "concurrency_limit_exceeded", "message": "slow down"}},
]


@pytest.mark.parametrize("body", ERRORS)
@pytest.mark.parametrize("status", [200, 429])
def test_a_rate_limit_in_a_body_slows_down_and_costs_nothing(
    server: Server, params_at: ParamsOf, body: Any, status: int
) -> None:
    server.answering = lambda asked: (
        Answer(body, status=status, headers={"retry-after": "0.1"})
        if len(server.asked) <= 4
        else echo(asked)
    )
    params = params_at(server.url, retries=0, top={"budget": {"requests": 8}})
    assert len(ask(params, 8)) == 8


@pytest.mark.parametrize(
    "error",
    [
        {"code": 402, "message": "pay first"},
        {"code": "insufficient_quota", "message": "pay first"},
        {"code": 401, "message": "pay first"},
        {"type": "billing_error", "message": "pay first"},
        {"code": 404, "message": "pay first"},
        [{"code": 10000, "message": "Authentication error: pay first"}],
    ],
)
def test_an_error_in_a_body_that_no_retry_can_help_ends_the_stage(
    server: Server, params_at: ParamsOf, error: Body
) -> None:
    server.answering = lambda asked: Answer({"error": error})
    params = params_at(server.url, concurrency=1, top={"budget": {"requests": 8}})
    with pytest.raises(ChatError, match=r"row 0: .*pay first.*0 of 8 replies"):
        ask(params, 8)
    assert len(server.asked) == 1
    server.answering = echo
    assert len(ask(params, 8)) == 8


def test_a_passing_error_in_a_body_costs_no_budget(server: Server, params_at: ParamsOf) -> None:
    error = {"error": {"message": "overloaded"}}
    server.answering = lambda asked: Answer(error) if len(server.asked) <= 3 else echo(asked)
    assert len(ask(params_at(server.url, top={"budget": {"requests": 8}}), 8)) == 8


def test_an_error_in_a_batchs_result_is_treated_as_its_code(
    server: Server, params_at: ParamsOf
) -> None:
    server.answering = batches = BatchServer()
    params = params_at(server.url, mode="batch", poll=0.01)
    batches.result = lambda line: (
        echoed(line) if len(batches.batches) > 1 else (200, {"error": {"code": 429}})
    )
    assert len(ask(params, 3)) == 3
    batches.result = lambda line: (200, {"error": {"code": 402, "message": "pay first"}})
    with pytest.raises(ChatError, match="row 3: pay first"):
        ask(params, 4)


@pytest.mark.parametrize(
    "answer",
    [
        Answer({"error": "Unexpected endpoint or method. (POST /chat/completions)"}),
        Answer({"detail": "Not Found"}, status=404),
        Answer(b"Cannot POST /chat/completions", status=404),
    ],
)
def test_a_wrong_path_hints_at_the_version(
    server: Server, params_at: ParamsOf, answer: Answer
) -> None:
    server.answering = lambda asked: answer
    url = server.url.removesuffix("/v1")
    with pytest.raises(ChatError, match="base_url may have to end in /v1"):
        ask(params_at(url, concurrency=1))
    assert len(server.asked) == 1
    with pytest.raises(ChatError) as error:
        ask(params_at(server.url))
    assert "may have to end" not in error.value.message
    with pytest.raises(ChatError, match="base_url must end before /chat/completions"):
        ask(params_at(f"{server.url}/chat/completions", concurrency=1))


@pytest.mark.parametrize(
    "extra",
    [
        {"tools": [{"type": "function", "function": {"name": "f", "description": "x " * 2000}}]},
        {"documents": ["word " * 1000]},
        {"chat_template_kwargs": {"preamble": "word " * 1000}},
        {"thinking": {"budget_tokens": 5000}},
    ],
)
def test_what_an_endpoint_adds_to_each_request_is_in_the_budget(
    server: Server, params_at: ParamsOf, extra: Body
) -> None:
    def answering(asked: Asked) -> Answer:
        body = completion("two words")
        body["usage"]["prompt_tokens"] = 3000
        return Answer(body)

    server.answering = answering
    params = params_at(server.url, extra=extra, top={"budget": {"tokens": 6000}})
    with pytest.raises(ChatError, match="budget has left"):
        ask(params, 20)
    assert len(server.asked) * 3002 <= 6000


@pytest.mark.parametrize("depth", [3_000, 200_000])
@pytest.mark.parametrize("status", [200, 400, 500])
def test_deeply_nested_json_ends_in_one_line(
    server: Server, params_at: ParamsOf, depth: int, status: int
) -> None:
    body = b'{"error": ' + b"[" * depth + b"]" * depth + b"}"
    server.answering = lambda asked: Answer(body, status=status)
    with pytest.raises(ChatError) as error:
        ask(params_at(server.url, retries=1))
    assert len(error.value.message) < 1500


def test_deeply_nested_json_in_a_batch_ends_in_one_line(
    server: Server, params_at: ParamsOf
) -> None:
    deep = b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    server.answering = lambda asked: Answer(deep)
    with pytest.raises(ChatError, match="unusable reply"):
        ask(params_at(server.url, mode="batch", poll=0.01, retries=1))


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": [{"message": {"content": "Four\n."}, "finish_reason": "stop"}]}',
        b'{"choices": [{"message": {"content": "Four\\n."}}]}\ndata: [DONE]\n',
        b'\xef\xbb\xbf{"node": "M\xfcnchen", "choices": [{"message": {"content": "Four\\n."}}]}',
    ],
    ids=["bare line end", "junk behind", "foreign bytes"],
)
def test_json_that_is_not_quite_right_costs_no_reply(
    server: Server, params_at: ParamsOf, body: bytes
) -> None:
    server.answering = lambda asked: Answer(body, headers={"content-type": "text/plain"})
    assert ask(params_at(server.url))[0].text == "Four\n."
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [400, 422, 500])
@pytest.mark.parametrize("piece", ["x", "prompt ", "max_tokens ", "<", "/not found"])
def test_megabytes_of_an_error_stall_nothing(
    server: Server, params_at: ParamsOf, status: int, piece: str
) -> None:
    message = piece * (5_000_000 // len(piece))
    server.answering = lambda asked: Answer({"error": {"message": message}}, status=status)
    begun = time.process_time()
    with pytest.raises(ChatError) as error:
        ask(params_at(server.url, retries=1))
    assert len(str(error.value)) < 2_000
    assert time.process_time() - begun < 1.0


@pytest.mark.parametrize(
    ("choice", "text", "finish"),
    [
        ({"finish_reason": "content_filter: PROHIBITED_CONTENT"}, "", "content_filter"),
        ({"finish_reason": "length", "message": {}}, "", "length"),
        (
            {"finish_reason": "content_filter: RECITATION", "message": {"content": "It was"}},
            "It was",
            "content_filter",
        ),
        (
            {"finish_reason": "function_call_filter: MALFORMED", "message": {"content": "I"}},
            "I",
            "length",
        ),
    ],
)
def test_a_choice_without_a_message_says_how_it_ended(
    server: Server, params_at: ParamsOf, choice: Body, text: str, finish: str
) -> None:
    server.answering = lambda _: Answer({"model": "gemini", "choices": [{"index": 0, **choice}]})
    [reply] = ask(params_at(server.url))
    assert (reply.text, reply.finish_reason) == (text, finish)
    assert len(server.asked) == 1


def test_half_a_character_in_an_error_is_shown_as_a_question_mark(
    server: Server, params_at: ParamsOf
) -> None:
    body = b'{"error": {"message": "no such model \\ud83d"}}'
    server.answering = lambda _: Answer(body, status=404)
    with pytest.raises(ChatError, match=r"no such model \?"):
        ask(params_at(server.url))


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Failed to generate JSON. Please adjust your prompt.", "json_validate_failed"),
        ("Could not finish the message because max_tokens was reached.", ""),
    ],
)
def test_a_withheld_answer_is_a_cut_reply_and_the_others_go_on(
    server: Server, params_at: ParamsOf, message: str, code: str
) -> None:
    server.answering = lambda asked: (
        refusal(400, message, code=code) if "question 1" in str(asked.body) else echo(asked)
    )
    replies = ask(params_at(server.url, concurrency=1), 3)
    assert [reply.finish_reason for reply in replies] == ["stop", "length", "stop"]
    assert replies[1].text == ""
    assert replies[1].completion_tokens == 20
    assert len(server.asked) == 3


def test_a_reset_that_is_a_time_is_a_wait_until_then(server: Server, params_at: ParamsOf) -> None:
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": f"{time.time() + 1:.0f}",
    }
    server.answering = lambda asked: (
        refusal(429, "slow down", **headers) if len(server.asked) == 1 else echo(asked)
    )
    assert len(ask(params_at(server.url, patience=5))) == 1


def test_a_generation_that_failed_in_passing_is_asked_again(
    server: Server, params_at: ParamsOf
) -> None:
    server.answering = lambda asked: (
        refusal(424, "Request failed during generation") if len(server.asked) == 1 else echo(asked)
    )
    assert len(ask(params_at(server.url))) == 1
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"choices": []}, "content_filter"),
        ({"choices": None}, "content_filter"),
        ({"choices": "parts"}, "refusal"),
    ],
)
def test_a_completion_without_text_is_a_row_without_an_answer(
    server: Server, params_at: ParamsOf, changes: dict[str, object], reason: str
) -> None:
    def answering(_: object) -> Answer:
        if changes["choices"] == "parts":
            return Answer(completion("", content=[{"type": "refusal", "refusal": "No."}]))
        return Answer(completion("") | changes)

    server.answering = answering
    replies = ask(params_at(server.url), count=2)
    assert [(reply.text, reply.finish_reason) for reply in replies] == [("", reason)] * 2
