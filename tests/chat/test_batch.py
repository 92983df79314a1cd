"""The Batch API: half the price, and never paid twice."""

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lion.chat import Reply, connect
from lion.chat.batch_api import BatchApi
from lion.chat.cli import store
from lion.chat.salvage import salvage
from lion.params import Params
from lion.support.errors import ChatError
from tests.chat import batch_server
from tests.chat.batch_server import BatchServer, echoed
from tests.chat.conftest import ROOT, ParamsOf, requests, unanswered
from tests.chat.server import Answer, Asked, Body, Server, completion, refusal


def ask(params: Params, count: int) -> list[Reply]:
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        return chat.ask(requests(count), label="teach")


@pytest.fixture
def batches(server: Server) -> BatchServer:
    server.answering = batches = BatchServer()
    return batches


@pytest.fixture
def params(server: Server, batches: BatchServer, params_at: ParamsOf) -> Params:
    return params_at(server.url, mode="batch", poll=0.01)


def test_a_batch_brings_the_replies_of_the_live_server(
    server: Server, params: Params, params_at: ParamsOf, batches: BatchServer
) -> None:
    batched = ask(params, 30)
    assert batches.requests == 30
    assert ask(params, 30) == batched
    assert batches.requests == 30
    with Server() as live:
        assert ask(params_at(live.url), 30) == batched


def test_what_failed_in_passing_or_expired_goes_into_the_next_batch(
    params: Params, batches: BatchServer
) -> None:
    tries: Counter[str] = Counter()

    def result(line: Body) -> tuple[int, Body | None] | None:
        number = tries.total()
        tries[line["custom_id"]] += 1
        if tries[line["custom_id"]] > 1:
            return echoed(line)
        return [echoed(line), (500, {"error": {"message": "oops"}}), None, (502, None)][number % 4]

    batches.result, batches.end = result, "expired"
    assert len({reply.text for reply in ask(params, 30)}) == 30
    assert [batch["status"] for batch in batches.batches.values()] == ["expired"] * 2
    assert batches.requests == 30 + 22


def test_a_row_that_will_never_pass_stops_with_the_servers_words_and_the_rest_is_kept(
    params: Params, batches: BatchServer
) -> None:
    def result(line: Body) -> tuple[int, Body]:
        broken = line["body"]["messages"][0]["content"] == "question 3"
        return (400, {"error": {"message": "too long"}}) if broken else echoed(line)

    batches.result = result
    with pytest.raises(ChatError, match="row 3: too long; 9 of 10 replies are stored"):
        ask(params, 10)


def test_a_batch_that_the_server_rejects_says_why(params: Params, batches: BatchServer) -> None:
    batches.end = "failed"
    with pytest.raises(ChatError, match="batch batch-0 failed: line 1 is wrong"):
        ask(params, 3)


@pytest.mark.parametrize("moment", ["before it is noted", "while it is waited for"])
def test_a_run_that_is_killed_leaves_a_batch_for_the_next(
    params: Params, batches: BatchServer, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    class Killed(BaseException):
        pass

    async def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if moment == "before it is noted":
            made = BatchApi._created

            async def made_and_die(self: BatchApi, *values: object) -> None:
                await made(self, *values)  # type: ignore[arg-type]
                raise Killed

            patch.setattr(BatchApi, "_created", made_and_die)
        else:
            patch.setattr(BatchApi, "finish", die)
        with pytest.raises(Killed):
            ask(params, 20)
    assert len(ask(params, 20)) == 20
    assert len(batches.batches) == 1


def leave_open(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send a batch of 20 and die before it is over."""
    with monkeypatch.context() as patch:
        patch.setattr(BatchApi, "finish", None)
        with pytest.raises(TypeError):
            ask(params, 20)


def test_a_bigger_run_collects_the_open_batch_and_sends_the_rest(
    params: Params, batches: BatchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_open(params, monkeypatch)
    assert len(ask(params, 25)) == 25
    assert batches.requests == 25


def test_strangers_and_second_deliveries_are_ignored(
    server: Server, params: Params, batches: BatchServer
) -> None:
    stranger = b'{"custom_id": "not hex", "response": {"status_code": 200, "body": {}}}\n'

    def answering(asked: Asked) -> Answer:
        answer = batches(asked)
        if isinstance(answer.body, bytes):
            twice = answer.body + answer.body.replace(b"reply ", b"other ")
            return Answer(stranger + twice, headers=answer.headers)
        return answer

    server.answering = answering
    assert all(reply.text.startswith("reply") for reply in ask(params, 5))
    assert batches.requests == 5


def test_a_result_file_that_comes_cut_is_read_again(
    server: Server, params: Params, batches: BatchServer
) -> None:
    seen = Counter[str]()

    def answering(asked: Asked) -> Answer:
        answer = batches(asked)
        seen[asked.path] += 1
        if isinstance(answer.body, bytes) and seen[asked.path] == 1:
            return Answer(answer.body[:-30], headers=answer.headers)
        return answer

    server.answering = answering
    assert len(ask(params, 5)) == 5
    assert batches.requests == 5


def test_a_large_file_is_split(
    params: Params, batches: BatchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lion.chat.batch_api._MOST_REQUESTS", 8)
    assert len(ask(params, 20)) == 20
    assert sorted(len(batch["metadata"]["lion"]) for batch in batches.batches.values()) == [32] * 3


def test_a_batch_with_nothing_but_empty_replies_ends(params: Params, batches: BatchServer) -> None:
    batches.result = lambda line: (200, completion(""))
    assert [reply.text for reply in ask(params, 3)] == [""] * 3


def test_what_failed_in_passing_as_a_whole_goes_into_a_new_batch(
    params: Params, batches: BatchServer
) -> None:
    def result(line: Body) -> tuple[int, Body]:
        return echoed(line) if len(batches.batches) > 2 else (500, {"error": {"message": "oops"}})

    batches.result = result
    assert len(ask(params, 3)) == 3
    assert len(batches.batches) == 3


def test_a_batch_that_fails_for_ever_is_sent_as_often_as_the_retries_and_again_in_the_next_run(
    server: Server, batches: BatchServer, params_at: ParamsOf
) -> None:
    batches.result = lambda line: (500, {"error": {"message": "oops"}})
    params = params_at(server.url, mode="batch", poll=0.01, retries=1)
    with pytest.raises(ChatError, match="oops; tried 2 times; 0 of 3"):
        ask(params, 3)
    batches.result = echoed
    assert len(ask(params, 3)) == 3


def test_a_refusal_after_a_long_wait_for_a_batch_is_only_a_refusal(
    server: Server, batches: BatchServer, params_at: ParamsOf
) -> None:
    batches.looks = 30
    looks = Counter[str]()

    def answering(asked: Asked) -> Answer:
        looks[asked.path] += 1
        if looks[asked.path] == 20 and asked.method == "GET":
            return refusal(429, "slow down", retry_after="0.1")
        return batches(asked)

    server.answering = answering
    params = params_at(server.url, mode="batch", poll=0.05, patience=0.5)
    assert len(ask(params, 3)) == 3


def test_a_busy_list_of_batches_is_asked_for_after_the_pause(
    server: Server, batches: BatchServer, params_at: ParamsOf
) -> None:
    looks = Counter[str]()

    def answering(asked: Asked) -> Answer:
        looks[asked.path] += 1
        if asked.path == "/v1/batches" and looks[asked.path] <= 2:
            return refusal(429, "slow down", retry_after="0.5")
        return batches(asked)

    server.answering = answering
    assert len(ask(params_at(server.url, mode="batch", poll=0.01), 3)) == 3
    assert looks["/v1/batches"] == 4  # two refusals, the list, the creation


@pytest.mark.parametrize("comes", [True, False])
def test_a_batch_that_is_over_before_its_results_are_named_is_waited_for(
    params: Params, batches: BatchServer, server: Server, comes: bool
) -> None:
    looks = Counter[str]()

    def answering(asked: Asked) -> Answer:
        answer = batches(asked)
        if isinstance(answer.body, dict) and "output_file_id" in answer.body:
            looks[asked.path] += 1
            if not comes or looks[asked.path] <= 2:
                body = {k: v for k, v in answer.body.items() if k != "output_file_id"}
                counts = {"total": 3, "completed": 3, "failed": 0}
                return Answer({**body, "request_counts": counts})
        return answer

    server.answering = answering
    if comes:
        assert len(ask(params, 3)) == 3
    else:
        with pytest.raises(ChatError, match="its server names no file of results; run again"):
            ask(params, 3)
    assert batches.requests == 3


def test_a_batch_that_the_user_cancels_is_not_sent_again(
    params: Params, batches: BatchServer
) -> None:
    batches.end = "cancelled"
    batches.result = lambda line: None
    with pytest.raises(ChatError, match="was cancelled; run again to send the rest"):
        ask(params, 3)
    assert len(batches.batches) == 1


def test_an_unusable_result_of_a_batch_counts_as_possibly_charged(
    params: Params, batches: BatchServer
) -> None:
    batches.result = lambda line: (
        echoed(line) if len(batches.batches) > 1 else (200, {"choices": "none"})
    )
    ask(params, 3)
    assert unanswered() == 3


def test_a_batch_learns_the_servers_token_limit(params: Params, batches: BatchServer) -> None:
    error = {"error": {"message": "max_tokens is too large: 9000. It supports at most 4096"}}
    batches.result = lambda line: (
        (400, error) if line["body"]["max_tokens"] > 4096 else echoed(line)
    )
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        replies = chat.ask(requests(3, max_tokens=9000), label="teach")
    assert all(reply.text for reply in replies)
    assert len(batches.batches) == 2


@pytest.mark.parametrize(
    "page",
    [
        Answer(b"<html>busy</html>", headers={"content-type": "text/html"}),
        Answer(b"<html>busy</html>"),
        Answer({"error": "busy"}),
    ],
    ids=["page", "no JSON", "no batch"],
)
@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches", "/v1/batches/batch-0"])
def test_a_proxys_page_in_place_of_a_batch_is_asked_for_again(
    server: Server,
    params: Params,
    batches: BatchServer,
    monkeypatch: pytest.MonkeyPatch,
    page: Answer,
    path: str,
) -> None:
    monkeypatch.setattr("lion.chat.sender._LONGEST", 0.05)
    seen = Counter[str]()

    def answering(asked: Asked) -> Answer:
        seen[asked.path] += 1
        return page if asked.path == path and seen[path] == 1 else batches(asked)

    server.answering = answering
    assert len(ask(params, 3)) == 3
    assert batches.requests == 3


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_ends_between_upload_and_creation_pays_for_one_batch(
    server: Server, params: Params, batches: BatchServer, sign: signal.Signals
) -> None:
    held: list[Asked] = []

    def answering(asked: Asked) -> Answer:
        if asked.method == "POST" and asked.path == "/v1/batches" and not held:
            held.append(asked)
            return Answer(delay=60)
        return batches(asked)

    server.answering = answering
    command = [sys.executable, "-m", "tests.chat.asking", server.url, "20", "0"]
    process = subprocess.Popen([*command, "mode=batch,timeout=60.0"], cwd=ROOT)
    while not held:
        time.sleep(0.01)
    process.send_signal(sign)
    process.communicate(timeout=10)
    assert len(ask(params, 20)) == 20
    assert batches.requests == 20


def test_ctrl_c_while_a_batch_is_waited_for_leaves_it_for_the_next_run(
    server: Server, params: Params, batches: BatchServer
) -> None:
    batches.looks = 10**9
    command = [sys.executable, "-m", "tests.chat.asking", server.url, "20", "0"]
    process = subprocess.Popen(
        [*command, "mode=batch,poll=0.05"], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    while not batches.seen:
        time.sleep(0.01)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert time.monotonic() - begun < 5  # not the batch's day
    last = said.splitlines()[-1]
    assert last == "Error: teach r0: stopped; 0 of 20 replies are stored; run again to continue"
    batches.looks = 0
    assert len(ask(params, 20)) == 20
    assert batches.requests == 20


def test_a_batch_that_its_server_lost_is_told_and_can_be_forgotten(
    params: Params, batches: BatchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_open(params, monkeypatch)
    batches.batches.clear()
    for _ in range(2):
        with pytest.raises(ChatError, match=r"no batch-0; .* `lion store forget batch-0`"):
            ask(params, 20)
    assert batches.requests == 20
    assert (
        "20 requests can be sent again" in CliRunner().invoke(store, ["forget", "batch-0"]).output
    )
    assert "no request waits" in CliRunner().invoke(store, ["forget", "batch-0"]).output
    assert len(ask(params, 20)) == 20


def test_a_store_that_is_rescued_still_knows_its_open_batch(
    params: Params, batches: BatchServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_open(params, monkeypatch)
    salvage(home / "replies.sqlite")
    assert len(ask(params, 25)) == 25
    assert batches.requests == 25


@pytest.mark.parametrize("says_limit", [True, False])
def test_a_batch_beyond_the_limit_of_waiting_tokens_is_split(
    says_limit: bool, params: Params, batches: BatchServer, capsys: pytest.CaptureFixture[str]
) -> None:
    batches.most_waiting, batches.says_limit = 4_000, says_limit
    assert len({reply.text for reply in ask(params, 200)}) == 200
    ends = Counter(batch["status"] for batch in batches.batches.values())
    assert ends["failed"] <= 8
    assert ends["completed"] > 9  # more than the retries
    done = [name for name, batch in batches.batches.items() if batch["status"] == "completed"]
    assert sum(batches.batches[name]["request_counts"]["total"] for name in done) == 200
    assert capsys.readouterr().err.count("fewer tokens wait in batches") <= 1


def test_a_single_request_beyond_the_limit_of_waiting_tokens_fails_with_the_servers_words(
    params: Params, batches: BatchServer
) -> None:
    batches.most_waiting = 10
    with pytest.raises(ChatError, match="failed: Enqueued token limit reached for m"):
        ask(params, 5)
    batches.most_waiting = 10**9
    assert len(ask(params, 5)) == 5


@pytest.mark.parametrize("has_more", [True, None])
def test_a_batch_is_found_behind_a_hundred_newer_ones(
    has_more: bool | None, server: Server, params: Params, batches: BatchServer
) -> None:
    def answering(asked: Asked) -> Answer:
        answer = batches(asked)
        if asked.path == "/v1/batches" and asked.method == "POST" and len(batches.batches) == 1:
            [own] = batches.batches.values()
            for n in range(250):
                batches.batches[f"other-{n}"] = own | {"id": f"other-{n}", "metadata": {}}
            return refusal(500, "the batch is made, and the reply is lost")
        if asked.path == "/v1/batches" and asked.method == "GET" and has_more is None:
            assert isinstance(answer.body, dict)
            return Answer({key: value for key, value in answer.body.items() if key != "has_more"})
        return answer

    server.answering = answering
    assert len(ask(params, 3)) == 3
    assert batches.requests == 3


def test_a_list_that_repeats_its_first_page_for_ever_is_read_once(
    server: Server, params: Params, batches: BatchServer
) -> None:
    page = [{"id": f"other-{n}", "status": "completed", "metadata": {}} for n in range(100)]

    def answering(asked: Asked) -> Answer:
        if asked.path == "/v1/batches" and asked.method == "GET":
            return Answer({"object": "list", "data": page, "has_more": True})
        return batches(asked)

    server.answering = answering
    assert len(ask(params, 3)) == 3


LONG = "This model's maximum context length is 4096 tokens. Your request has 5000 input tokens."


@pytest.mark.parametrize(
    "bad",
    [
        {"response": {"status_code": 400, "body": None}, "error": {"message": LONG, "code": 400}},
        {"response": {"status_code": 400, "body": {"object": "error", "message": LONG}}},
        {"response": {"status_code": 400, "body": LONG}},
        {"response": None, "error": {"message": LONG, "code": 400}},
    ],
    ids=["top level", "bare", "text", "no response"],
)
def test_an_error_in_any_place_of_a_result_is_read(
    params: Params, batches: BatchServer, monkeypatch: pytest.MonkeyPatch, bad: Body
) -> None:
    usual = batch_server._result_of

    def result(line: Body, result: Any) -> Body:
        is_bad = "question 1" in str(line["body"]["messages"])
        return {"custom_id": line["custom_id"], **bad} if is_bad else usual(line, result)

    monkeypatch.setattr(batch_server, "_result_of", result)
    replies = ask(params, 3)
    assert [reply.finish_reason for reply in replies] == ["stop", "context_length", "stop"]
    assert batches.requests == 3


def test_an_expired_batch_that_a_killed_run_left_unnoted_is_collected(
    params: Params, batches: BatchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = BatchApi._created

    async def made_and_die(self: BatchApi, *values: object) -> None:
        await made(self, *values)  # type: ignore[arg-type]
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(BatchApi, "_created", made_and_die)
        with pytest.raises(SystemExit):
            ask(params, 20)
    late = "question 7"
    batches.result = lambda line: None if late in str(line["body"]) else echoed(line)
    batches.end = "expired"
    [batch] = batches.batches.values()
    batches._end(batch)
    batches.result, batches.end = echoed, "completed"
    assert len(ask(params, 20)) == 20
    assert batches.requests == 20 + 1  # only the one that expired is sent again
