"""A row that the provider refuses is kept as refused; all rows alike end the stage."""

import pytest

from lion.chat import Reply, ask_with_retries, connect
from lion.chat.reading import Failure
from lion.chat.refusals import reason_of
from lion.params import Params
from lion.support.errors import ChatError
from tests.chat.batch_server import BatchServer, echoed
from tests.chat.conftest import ParamsOf, requests
from tests.chat.server import Answer, Asked, Body, Server, echo

POLICY = [
    (400, {"error": {"code": "content_filter", "message": "filtered"}}),
    (400, {"error": {"code": "data_inspection_failed", "message": "Input data may contain it."}}),
    (400, {"error": {"message": "Content Exists Risk", "code": "invalid_request_error"}}),
    (400, {"error": {"code": "content_policy_violation", "message": "not allowed by our system"}}),
    (
        400,
        {"error": {"code": "invalid_prompt", "message": "flagged as violating our policies"}},
    ),
    (400, {"error": {"code": "1301", "message": "系统检测到输入内容可能包含不安全或敏感内容"}}),
    (403, {"error": {"code": 403, "message": "Your input was flagged", "metadata": {}}}),
    (422, {"detail": "The prompt violates the acceptable use policy"}),
    (200, {"error": {"code": "data_inspection_failed", "message": "Inappropriate content."}}),
    (400, {"error": {"message": "Guardrail was enforced"}}),
    (400, {"error": {"message": "Prompt flagged; your account may be suspended if you repeat it"}}),
    (400, {"error": {"message": "The request was rejected because it was considered high risk"}}),
    (400, {"error": {"message": "Request blocked. Reason: SAFETY"}}),
    (400, {"error": {"message": "Запрос содержит запрещённый текст"}}),
]
CONTEXT = [
    (400, {"error": {"code": "context_length_exceeded", "message": "too many"}}),
    (400, {"object": "error", "message": "This model's maximum context length is 4096 tokens."}),
    (400, {"error": {"message": "prompt is too long: 205000 tokens > 200000 maximum"}}),
    (400, {"error": {"message": "Range of input length should be [1, 30720]"}}),
    (400, {"error": {"message": "the request exceeds the available context size"}}),
    (413, {"error": {"message": "Request Entity Too Large"}}),
    (400, {"error": "Input validation error: `inputs` must have less than 2048 tokens. Given: 9"}),
    (400, {"error": {"message": "The input token count exceeds the maximum number of tokens"}}),
    (400, {"message": "Malformed input request: expected maxLength: 20000, actual: 25000"}),
    (400, {"error": {"message": "プロンプトが長すぎます"}}),
    (400, {"error": {"code": "1261", "message": "Prompt 超长"}}),
    (400, {"error": {"message": "Sequence length 5000 exceeds the model's 4096"}}),
]
OTHER = [
    (400, "model `m` is not for you"),
    (400, "invalid temperature"),
    (400, "'max_tokens' is too large: 5000"),
    (401, "Incorrect API key"),
    (403, "Your account is blocked"),
    (403, "Your account has been suspended for violating our usage policies"),
    (400, "This organization has been disabled: content policy"),
    (403, "Prompt blocked: your country is not supported"),
    (403, "The input exceeds your plan's limit"),
    (403, "This request exceeds the monthly spend limit of this key"),
    (403, "Monthly token limit exceeded"),
    (400, "This request exceeds the remaining budget of team X"),
    (400, "Too many tokens, please wait before trying again."),
    (403, "You must accept the usage policy of this model first"),
    (404, "The model does not exist or you do not have access to it"),
    (413, "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 9054"),
    (429, "tokens per minute limit reached for this prompt"),
    (402, "insufficient balance"),
]


def ask(params: Params, count: int) -> list[Reply]:
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        return chat.ask(requests(count), label="teach")


def refusing(status: int, body: Body, *rows: int) -> object:
    def answering(asked: Asked) -> Answer:
        row = int(asked.body["messages"][0]["content"].split()[1])
        return Answer(body, status=status) if row in rows else echo(asked)

    return answering


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [*((*case, "content_filter") for case in POLICY), *((*c, "context_length") for c in CONTEXT)],
)
def test_a_refused_row_is_kept_with_its_reason_and_the_others_go_on(
    server: Server,
    params_at: ParamsOf,
    status: int,
    body: Body,
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.answering = refusing(status, body, 1, 3)  # type: ignore[assignment]
    for _ in range(2):
        ended = [reply.finish_reason for reply in ask(params_at(server.url, concurrency=2), 5)]
        assert ended == ["stop", reason, "stop", reason, "stop"]
        err = capsys.readouterr().err
        assert f"refused 2 requests (2 {reason}), which are stored as refused" in err
        assert "the first is teach r0, row 1: " in err
    assert len(server.asked) == 5


@pytest.mark.parametrize(("status", "message"), OTHER)
def test_other_errors_are_no_refusals_of_a_row(status: int, message: str) -> None:
    assert reason_of(Failure(message, status)) is None


def test_when_the_first_of_many_are_all_refused_the_stage_ends_and_keeps_none(
    server: Server, params_at: ParamsOf
) -> None:
    status, body = CONTEXT[1]
    server.answering = refusing(status, body, *range(40))  # type: ignore[assignment]
    with pytest.raises(ChatError, match=r"row \d+: .*4096 tokens.*refused all of.* 0 of 40"):
        ask(params_at(server.url, concurrency=3), 40)
    assert len(server.asked) <= 12
    server.answering = echo
    assert {reply.finish_reason for reply in ask(params_at(server.url), 40)} == {"stop"}


def test_refusals_that_come_before_slow_answers_are_kept(
    server: Server, params_at: ParamsOf
) -> None:
    status, body = POLICY[1]
    fast = refusing(status, body, *range(1, 20))

    def answering(asked: Asked) -> Answer:
        answer: Answer = fast(asked)  # type: ignore[operator]
        return answer if answer.status != 200 else Answer(answer.body, delay=0.5)

    server.answering = answering
    ended = [reply.finish_reason for reply in ask(params_at(server.url, concurrency=4), 24)]
    assert ended == ["stop", *["content_filter"] * 19, *["stop"] * 4]


def test_a_refused_row_is_not_asked_again(server: Server, params_at: ParamsOf) -> None:
    server.answering = refusing(*POLICY[0], 0)  # type: ignore[assignment]
    with connect(params_at(server.url), "teacher", stage="s", round="r0") as chat:
        attempts = ask_with_retries(
            chat, requests(3), label="s", retries=2, usable=lambda _, reply: False
        )
    assert [len(replies) for replies in attempts] == [1, 3, 3]


def test_refused_rows_of_a_batch_are_kept(server: Server, params_at: ParamsOf) -> None:
    server.answering = batches = BatchServer()
    status, body = POLICY[1]
    batches.result = lambda line: (status, body) if "question 1" in str(line) else echoed(line)
    params = params_at(server.url, mode="batch", poll=0.01)
    assert [r.finish_reason for r in ask(params, 3)] == ["stop", "content_filter", "stop"]
    batches.result = lambda line: (status, body)
    with (
        connect(params, "teacher", stage="teach", round="r1") as chat,
        pytest.raises(ChatError, match="refused all of"),
    ):
        chat.ask(requests(20, start=100), label="teach")
