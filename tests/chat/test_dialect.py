"""An endpoint learns from the first error what its server accepts; no reply is paid for twice."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from lion.chat import Reply, connect
from lion.params import Params
from lion.support.errors import ChatError
from tests.chat.batch_server import BatchServer, echoed
from tests.chat.conftest import ParamsOf, requests, unanswered
from tests.chat.server import Answer, Asked, Body, Server, completion, echo, refusal

SYSTEM = {"role": "system", "content": "Be kind."}
SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}}


def ask(params: Params, count: int = 6, *, system: bool = False, **fields: Any) -> list[Reply]:
    asked = requests(count, **fields)
    if system:
        asked = [type(a)(**{**vars(a), "messages": (SYSTEM, *a.messages)}) for a in asked]
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        return chat.ask(asked, label="teach")


def has_system(body: Body) -> bool:
    return any(message["role"] == "system" for message in body["messages"])


REJECTED: dict[str, tuple[Callable[[Body], bool], int, str, str]] = {
    "limit": (
        lambda body: "max_tokens" in body,
        400,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
        " 'max_completion_tokens' instead.",
        "limit_field: max_completion_tokens",
    ),
    "temperature": (
        lambda body: "temperature" in body,
        400,
        "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default"
        " (1) value is supported.",
        "omit: [temperature]",
    ),
    "seed": (
        lambda body: "seed" in body,
        422,
        '[{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not"}]',
        "omit: [seed]",
    ),
    "response_format": (
        lambda body: "response_format" in body,
        400,
        "This response_format type is unavailable now",
        "structured: false",
    ),
    "system, Gemma": (has_system, 500, "System role not supported", "system: fold"),
    "system, Mistral": (
        has_system,
        400,
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "system: fold",
    ),
    "system, Google": (has_system, 400, "Developer instruction is not enabled", "system: fold"),
    "stream, DashScope": (
        lambda body: not body.get("stream"),
        400,
        "parameter.enable_thinking must be set to false for non-streaming calls",
        "stream: true",
    ),
    "stream": (
        lambda body: not body.get("stream"),
        400,
        "This model only support stream mode, please enable the stream parameter.",
        "stream: true",
    ),
    "stream, as it was sent": (
        lambda body: not body.get("stream"),
        400,
        "stream=false is not supported",
        "stream: true",
    ),
    "response_format, by another name": (
        lambda body: "response_format" in body,
        400,
        "guided decoding is not supported",
        "structured: false",
    ),
    "system, in Chinese": (has_system, 400, "该模型不支持 system 角色", "system: fold"),
    "temperature, in Chinese": (
        lambda body: "temperature" in body,
        400,
        "该模型不支持 temperature 参数",
        "omit: [temperature]",
    ),
    "limit, by its new name alone": (
        lambda body: "max_tokens" in body,
        400,
        "this model requires max_completion_tokens",
        "limit_field: max_completion_tokens",
    ),
    "temperature, fixed": (
        lambda body: "temperature" in body,
        400,
        "`temperature` may only be set to 1 when thinking is enabled",
        "omit: [temperature]",
    ),
    "temperature, as a limitation": (
        lambda body: "temperature" in body,
        400,
        "this model has beta-limitations, temperature and top_p are fixed at 1",
        "omit: [temperature]",
    ),
    "seed, not recognized": (
        lambda body: "seed" in body,
        422,
        "seed is not a recognized field",
        "omit: [seed]",
    ),
    "seed, in Russian": (
        lambda body: "seed" in body,
        400,
        "Параметр seed не поддерживается",
        "omit: [seed]",
    ),
    "response_format, as a grammar": (
        lambda body: "response_format" in body,
        400,
        "Failed to parse grammar",
        "structured: false",
    ),
    "system, as the first message": (
        has_system,
        400,
        "the first message must have the role user",
        "system: fold",
    ),
    "usage of a stream": (
        lambda body: "stream_options" in body,
        400,
        "Unknown parameter: stream_options",
        "omit: [stream_options]",
    ),
}


def strict(rejects: Callable[[Body], bool], status: int, message: str) -> Callable[..., Answer]:
    def answering(asked: Asked) -> Answer:
        if rejects(asked.body):
            return refusal(status, message)
        return Answer(streamed()) if asked.body.get("stream") else echo(asked)

    return answering


def streamed(*, end: str = "data: [DONE]\n\n", text: str = "Four is it.") -> bytes:
    """A stream in which thoughts precede the text."""
    finish = "stop" if end else None
    chunks: list[Body] = [
        {"model": "served", "choices": [{"delta": {"role": "assistant", "content": ""}}]},
        {"choices": [{"delta": {"reasoning_content": "Two plus two."}}]},
        *({"choices": [{"delta": {"content": word}}]} for word in (text[:3], text[3:])),
        {"choices": [{"delta": {}, "finish_reason": finish}]},
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 7}},
    ]
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return f": hi\n\n{events}{end}".encode()


@pytest.mark.parametrize(("rejects", "status", "message", "key"), REJECTED.values(), ids=REJECTED)
def test_the_first_error_that_names_a_field_adapts_the_endpoint(
    server: Server,
    params_at: ParamsOf,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rejects: Callable[[Body], bool],
    status: int,
    message: str,
    key: str,
) -> None:
    monkeypatch.setattr("lion.chat.notices._said", set())
    monkeypatch.setattr("lion.chat.sender._LONGEST", 0.05)
    server.answering = strict(rejects, status, message)
    settings = {"structured": True, "stream": "stream_options" in message}
    params = params_at(server.url, concurrency=2, retries=0, **settings)
    replies = ask(params, system=True, schema=SCHEMA)
    assert all(reply.text for reply in replies)
    assert 6 < len(server.asked) <= 8
    assert capsys.readouterr().err.count(f"Write `{key}` under endpoints.default") == 1
    last = server.asked[-1].body
    assert "Be kind." in str(last["messages"])
    assert not rejects(last)
    # What the line says makes the adaptation permanent, and what was paid for is not asked again.
    name, value = key.split(": ")
    kept = {"true": True, "false": False}.get(value, value)
    permanent = {**settings, name: value.strip("[]").split() if "[" in value else kept}
    before = len(server.asked)
    params = params_at(server.url, retries=0, **permanent)
    assert ask(params, system=True, schema=SCHEMA) == replies
    assert len(server.asked) == before
    ask(params, start=90, system=True, schema=SCHEMA)
    assert not any(rejects(asked.body) for asked in server.asked[before:])


def test_two_errors_adapt_twice(server: Server, params_at: ParamsOf) -> None:
    def answering(asked: Asked) -> Answer:
        for field in ("temperature", "seed"):
            if field in asked.body:
                return refusal(400, f"Unrecognized request argument supplied: {field}")
        return echo(asked)

    server.answering = answering
    assert len(ask(params_at(server.url, retries=0, concurrency=1), 5)) == 5
    assert len(server.asked) == 7


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 9004. This model supports at most 4096 completion tokens.",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 4096]",
        "`max_tokens` must be less than or equal to `4096`, the maximum value for `max_tokens` is"
        " less than the `context_window` for this model",
        "max_tokens: 9004 > 4096, which is the maximum allowed number of output tokens for m-1.5",
        "Invalid value for 'max_tokens': 9004 exceeds the maximum of 4,096",
        "max_tokens exceeds the model limit 4096",
        "Range of max_tokens should be [1, 4096]",
    ],
)
def test_a_token_limit_that_the_server_states_is_kept(
    server: Server,
    params_at: ParamsOf,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    message: str,
) -> None:
    monkeypatch.setattr("lion.chat.notices._said", set())
    server.answering = strict(lambda body: body["max_tokens"] > 4096, 400, message)
    params = params_at(server.url, concurrency=2, retries=0)
    replies = ask(params, max_tokens=9004)
    assert all(reply.finish_reason == "stop" for reply in replies)
    assert 6 < len(server.asked) <= 8
    assert server.asked[-1].body["max_tokens"] == 4096
    assert capsys.readouterr().err.count("Write `most_tokens: 4096` under endpoints.default") == 1
    before = len(server.asked)
    assert ask(params_at(server.url, most_tokens=4096), max_tokens=9004) == replies
    assert len(server.asked) == before


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 9014 tokens"
        " (10 in the messages, 9004 in the completion).",
        "max_tokens is too large",
    ],
)
def test_a_limit_that_counts_the_prompt_changes_no_request(
    server: Server, params_at: ParamsOf, message: str
) -> None:
    server.answering = strict(lambda body: body["max_tokens"] > 4096, 400, message)
    with pytest.raises(ChatError):
        ask(params_at(server.url, concurrency=1), 8, max_tokens=9004)
    assert {asked.body["max_tokens"] for asked in server.asked} == {9004}


@pytest.mark.parametrize(
    "stream",
    [
        'data: {"choices":[{"delta":{"content":"A long"}}]}\n\n'
        'data: {"error":{"code":502,"message":"gone"},"choices":[{"delta":{"content":""},'
        '"finish_reason":"error"}]}\n\n',
        'data: {"choices":[{"delta":{"content":"A long"}}]}\n\n'
        'data: {"error":{"code":502,"message":"gone"}}\n\n',
    ],
)
def test_a_stream_that_breaks_off_with_an_error_is_asked_again_and_may_be_charged(
    server: Server, params_at: ParamsOf, stream: str
) -> None:
    server.answering = lambda asked: (
        Answer(stream.encode()) if len(server.asked) == 1 else Answer(streamed())
    )
    (reply,) = ask(params_at(server.url, stream=True), 1)
    assert (reply.text, len(server.asked)) == ("Four is it.", 2)
    assert unanswered() == 1


@pytest.mark.parametrize(
    "message",
    [
        "temperature must be between 0 and 1",
        "temperature must be 1 or lower",
        "max_tokens is too large: 5000. This model supports at most 4096",
        "the model `m` does not exist",
        "seedling is not supported",
        "Unknown parameter: reasoning_effort",
    ],
)
def test_an_error_that_no_adaptation_mends_ends_the_stage(
    server: Server, params_at: ParamsOf, message: str
) -> None:
    server.answering = lambda asked: refusal(400, message)
    with pytest.raises(ChatError):
        ask(params_at(server.url, concurrency=1))
    assert len(server.asked) == 1


def test_a_field_that_stays_refused_is_an_error(server: Server, params_at: ParamsOf) -> None:
    server.answering = lambda asked: refusal(400, "temperature is not supported")
    with pytest.raises(ChatError, match="temperature is not supported"):
        ask(params_at(server.url, concurrency=1))
    assert len(server.asked) == 2


def test_the_lines_of_a_batch_adapt_the_next_batch(server: Server, params_at: ParamsOf) -> None:
    server.answering = batches = BatchServer()
    error = {"error": {"message": "Unsupported parameter: 'max_tokens'"}}
    batches.result = lambda line: (400, error) if "max_tokens" in line["body"] else echoed(line)
    assert len(ask(params_at(server.url, mode="batch", poll=0.01, stream=True))) == 6


@pytest.mark.parametrize("stream", [True, False])
def test_a_stream_is_one_reply_even_if_nobody_asked_for_it(
    server: Server, params_at: ParamsOf, stream: bool
) -> None:
    server.answering = lambda asked: Answer(streamed())
    (reply,) = ask(params_at(server.url, stream=stream), 1)
    assert (reply.text, reply.finish_reason, reply.model) == ("Four is it.", "stop", "served")
    assert (reply.prompt_tokens, reply.completion_tokens) == (9, 7)


OTHER_STREAMS = {
    "the whole reply at its end": (
        'data: {"choices":[{"delta":{"content":"Four is"}}]}\n\n'
        'data: {"choices":[{"message":{"content":"Four is it."},"finish_reason":"stop"}]}\n\n'
    ),
    "messages for deltas": (
        'data: {"choices":[{"message":{"content":"Four is"}}]}\n\n'
        'data: {"choices":[{"message":{"content":" it."},"finish_reason":"stop"}]}\n\n'
    ),
    "a second choice": (
        'data: {"choices":[{"index":0,"delta":{"content":"Four is it."}}]}\n\n'
        'data: {"choices":[{"index":1,"delta":{"content":"Five."}}]}\n\ndata: [DONE]\n\n'
    ),
    "no blank lines": (
        'data: {"choices":[{"delta":{"content":"Four is"}}]}\n'
        'data: {"choices":[{"delta":{"content":" it."},"finish_reason":"stop"}]}\ndata: [DONE]\n'
    ),
    "an event on two lines": (
        'data: {"choices":[{"delta":\ndata: {"content":"Four is it."}}]}\n\ndata: [DONE]\n\n'
    ),
    "JSON alone on each line": (
        '{"choices":[{"delta":{"content":"Four is"}}]}\n'
        '{"choices":[{"delta":{"content":" it."}, "finish_reason":"stop"}]}\n[DONE]\n'
    ),
    "texts for deltas": (
        'data: {"choices":[{"text":"Four is"}]}\n\n'
        'data: {"choices":[{"text":" it.","finish_reason":"stop"}]}\n\n'
    ),
    "carriage returns": (
        'data: {"choices":[{"delta":{"content":"Four is it."}}]}\r\rdata: [DONE]\r\r'
    ),
    "pings": (
        "data:\n\ndata: ping\n\nevent: ping\ndata: {}\n\n"
        'data: {"choices":[{"delta":{"content":"Four is it."},"finish_reason":"stop"}]}\n\n'
    ),
}


@pytest.mark.parametrize("stream", OTHER_STREAMS.values(), ids=OTHER_STREAMS)
def test_a_stream_in_another_form_is_read_and_asked_once(
    server: Server, params_at: ParamsOf, stream: str
) -> None:
    server.answering = lambda asked: Answer(stream.encode())
    (reply,) = ask(params_at(server.url, stream=True), 1)
    assert (reply.text, reply.finish_reason) == ("Four is it.", "stop")
    assert len(server.asked) == 1


def test_two_events_may_share_a_character(server: Server, params_at: ParamsOf) -> None:
    events = (json.dumps({"choices": [{"delta": {"content": half}}]}) for half in "\ud83d\ude00")
    stream = "".join(f"data: {event}\n\n" for event in events) + "data: [DONE]\n\n"
    server.answering = lambda asked: Answer(stream.encode())
    assert ask(params_at(server.url, stream=True), 1)[0].text == "😀"


DELTAS = {
    "parts": [
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Two "}]}]},
        {"content": [{"type": "thinking", "text": "and two."}]},
        {"content": [{"type": "text", "text": "Four"}]},
        {"content": " is it."},
    ],
    "a flag": [
        {"content": [{"text": "Two and two.", "thought": True}, {"text": "Four is it."}]},
    ],
    "a field": [{"thinking": "Two and two."}, {"content": "Four is it."}],
    "two fields": [
        {"reasoning": "Two and two."} | {"reasoning_details": [{"text": "Two and two."}]},
        {"content": "Four is it."},
    ],
}


@pytest.mark.parametrize("deltas", DELTAS.values(), ids=DELTAS)
@pytest.mark.parametrize("first", [": hi\n\n", ":\n\n", ":ping\r\n\r\n", "id: 1\n", "retry: 3\n\n"])
def test_the_thoughts_of_a_stream_stand_beside_its_answer(
    server: Server, params_at: ParamsOf, deltas: list[Body], first: str
) -> None:
    end = {"delta": {}, "finish_reason": "stop"}
    choices = [*({"delta": delta} for delta in deltas), end]
    events = "".join(f"data: {json.dumps({'choices': [choice]})}\n\n" for choice in choices)
    server.answering = lambda asked: Answer((first + events).encode())
    (reply,) = ask(params_at(server.url, stream=True), 1)
    assert (reply.text, reply.thoughts) == ("Four is it.", "Two and two.")
    assert len(server.asked) == 1


@pytest.mark.parametrize("cut", [b"", b"data: {"])
def test_a_stream_that_breaks_off_is_asked_again(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch, cut: bytes
) -> None:
    monkeypatch.setattr("lion.chat.sender._LONGEST", 0.05)
    broken = streamed(end="") + cut
    server.answering = lambda asked: Answer(broken if len(server.asked) == 1 else streamed())
    assert ask(params_at(server.url, stream=True), 1)[0].text == "Four is it."
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "event",
    [
        {"error": {"code": 402, "message": "pay first"}},
        {"object": "error", "message": "pay first", "code": 402},
        {"detail": "pay first", "code": 402},
    ],
)
def test_an_error_in_a_stream_is_an_error(server: Server, params_at: ParamsOf, event: Body) -> None:
    body = f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n".encode()
    server.answering = lambda asked: Answer(body)
    with pytest.raises(ChatError, match="pay first"):
        ask(params_at(server.url, stream=True), 1)


def test_another_port_does_not_pay_again(server: Server, params_at: ParamsOf) -> None:
    replies = ask(params_at(server.url, identity=None))
    with Server(lambda asked: Answer(completion("other"))) as other:
        assert ask(params_at(other.url, identity=None)) == replies
        assert not other.asked
        ask(params_at(other.url, identity=None, model="m2"))
        assert len(other.asked) == 6


def test_an_identity_names_the_server_wherever_it_moves(
    server: Server, params_at: ParamsOf
) -> None:
    replies = ask(params_at(server.url, identity="our cluster"))
    moved = server.url.replace("127.0.0.1", "localhost")
    assert ask(params_at(moved, identity="our cluster")) == replies
    assert len(server.asked) == 6


def test_an_identity_is_not_inherited_by_another_server(params_at: ParamsOf) -> None:
    raw = params_at("http://a.example/v1", identity="a").model_dump(exclude_unset=True)
    raw["endpoints"]["referee"] = {"base_url": "http://b.example/v1"}
    assert Params.model_validate(raw).endpoint_of("referee").identity is None


JSON_WORD = (
    "'messages' must contain the word 'json' to use 'response_format' of type 'json_object'."
)


def test_an_error_about_a_field_that_the_user_demands_ends_the_stage(
    server: Server, params_at: ParamsOf
) -> None:
    server.answering = lambda _: refusal(400, JSON_WORD)
    extra = {"response_format": {"type": "json_object"}}
    with pytest.raises(ChatError, match="must contain the word 'json'"):
        ask(params_at(server.url, concurrency=2, extra=extra))
    assert len(server.asked) <= 2


def test_a_server_that_rejects_both_names_of_the_limit_ends_the_stage(
    server: Server, params_at: ParamsOf
) -> None:
    def answering(asked: Asked) -> Answer:
        name = "max_tokens" if "max_tokens" in asked.body else "max_completion_tokens"
        return refusal(400, f"Unsupported parameter: '{name}'")

    server.answering = answering
    with pytest.raises(ChatError, match="Unsupported parameter"):
        ask(params_at(server.url, concurrency=1))
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (500, "upstream error: do request failed, please try again later"),
        (500, "upstream service requires more time"),
        (500, "the stream was closed by the backend, please try again"),
    ],
)
def test_a_passing_error_of_a_gateway_is_only_repeated(
    server: Server,
    params_at: ParamsOf,
    status: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.answering = lambda asked: (
        refusal(status, message) if len(server.asked) == 1 else echo(asked)
    )
    assert len(ask(params_at(server.url, concurrency=1), 3)) == 3
    assert not any(asked.body.get("stream") for asked in server.asked)
    assert "streams" not in capsys.readouterr().err
