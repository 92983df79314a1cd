"""Servers and connections that fail."""

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from lion.chat import Reply, connect
from lion.chat import sender as sender_module
from lion.params import Params
from lion.support.errors import ChatError
from tests.chat.conftest import ParamsOf, requests
from tests.chat.server import Answer, Asked, Body, Server, completion, echo, refusal


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait hundredths of a second where the server names no time."""
    monkeypatch.setattr(sender_module, "_LONGEST", 0.05)


def ask(params: Params, count: int) -> list[Reply]:
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        return chat.ask(requests(count), label="teach")


class Faulty:
    """Answers each request at its first try with a fault drawn by chance, then as `echo` does."""

    def __init__(self, faults: list[tuple[float, Answer]]) -> None:
        self._random, self._faults = random.Random(1), faults
        self.met: Counter[int] = Counter()
        self._tries: Counter[bytes] = Counter()

    def __call__(self, asked: Asked) -> Answer:
        self._tries[asked.content] += 1
        drawn = self._random.random()
        for number, (share, fault) in enumerate(self._faults):
            drawn -= share
            if drawn < 0 and self._tries[asked.content] == 1:
                self.met[number] += 1
                return fault
        return echo(asked)


def test_no_row_is_lost_when_everything_goes_wrong(server: Server, params_at: ParamsOf) -> None:
    whole = completion("x")
    page = {"content-type": "text/html"}
    faults = [
        (0.05, refusal(500, "oops")),
        (0.03, Answer(whole, cut=0)),
        (0.02, Answer(whole, delay=60)),
        (0.03, Answer(whole, cut=40)),
        (0.03, Answer(b'{"choices": [{"mess')),
        (0.03, Answer(b"<html>busy</html>", headers=page)),
        (0.03, Answer({"error": "no choices"})),
        (0.01, Answer(b"")),
        (0.01, Answer(b"\xff\xfe{}")),
        (0.01, Answer(completion("x", content=7))),
        (0.01, Answer(b"[" * 200_000)),
    ]
    expected = ask(params_at(server.url), 300)
    faulty = Faulty(faults)
    with Server(faulty) as other:
        assert ask(params_at(other.url, timeout=2.0), 300) == expected
    assert len(faulty.met) == len(faults)
    assert len(other.asked) == 300 + faulty.met.total()


@pytest.mark.parametrize("status", [408, 409, 429, 499, 500, 502, 503])
def test_a_status_that_may_pass_is_tried_again(
    server: Server, params_at: ParamsOf, status: int
) -> None:
    server.answering = Faulty([(1.0, refusal(status, "later"))])
    assert len(ask(params_at(server.url), 3)) == 3
    assert len(server.asked) == 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_status_that_will_not_pass_stops_with_the_servers_words(
    server: Server, params_at: ParamsOf, status: int
) -> None:
    server.answering = lambda asked: refusal(status, "the model `m` is\nnot for you")
    with pytest.raises(ChatError, match=r"teach r0, row \d+: .*is not for you.* 0 of 200") as error:
        ask(params_at(server.url, concurrency=4), 200)
    assert "\n" not in error.value.message
    assert len(server.asked) <= 4


def test_a_key_that_the_server_echoes_is_not_told(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-key")
    server.answering = lambda asked: refusal(401, "Incorrect API key: sk-planted-key")
    with pytest.raises(ChatError, match="Incorrect API key: <API key>") as error:
        ask(params_at(server.url), 1)
    assert "planted" not in error.value.message


KEY = "sk-planted-" + "abcdefgh" * 20


@pytest.mark.parametrize("status", [200, 401, 500])
@pytest.mark.parametrize(
    "body",
    [
        {"error": f"your key {KEY} is no key"},
        {"error": {"message": f"your key {KEY} is no key"}},
        {"message": f"your key {KEY} is no key"},
        {"detail": f"your key {KEY} is no key"},
        {"other": f"your key {KEY} is no key"},
        f"your key {KEY} is no key".encode(),
    ],
    ids=["error", "error.message", "message", "detail", "other", "text"],
)
def test_the_servers_words_are_told_in_every_form_and_the_key_in_none(
    server: Server,
    params_at: ParamsOf,
    monkeypatch: pytest.MonkeyPatch,
    body: Body | bytes,
    status: int,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.answering = lambda asked: Answer(body, status=status)
    with pytest.raises(ChatError, match="your key <API key> is no key") as error:
        ask(params_at(server.url, retries=0), 1)
    assert "planted" not in error.value.message


def test_a_line_end_after_the_key_is_not_sent(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-key\r\n")
    ask(params_at(server.url), 1)
    assert server.asked[0].headers["authorization"] == "Bearer sk-planted-key"


@pytest.mark.parametrize("key", ["sk-plänted", "sk-planted key", "sk-planted\x01key"])
def test_a_key_that_no_header_can_carry_is_an_error_that_does_not_tell_it(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ChatError, match="environment variable OPENAI_API_KEY contains") as error:
        ask(params_at(server.url), 1)
    assert "sk-pl" not in error.value.message


def test_used_up_quota_stops_at_once(server: Server, params_at: ParamsOf) -> None:
    server.answering = lambda asked: refusal(429, "pay first", code="insufficient_quota")
    with pytest.raises(ChatError, match="pay first"):
        ask(params_at(server.url, concurrency=1), 5)
    assert len(server.asked) == 1


def test_tries_are_bounded_and_the_rest_is_kept(server: Server, params_at: ParamsOf) -> None:
    def answering(asked: Asked) -> Answer:
        broken = asked.body["messages"][0]["content"] == "question 7"
        return refusal(500, "always") if broken else echo(asked)

    server.answering = answering
    params = params_at(server.url, concurrency=1, retries=3)
    with pytest.raises(ChatError, match=r"row 7: .*always; tried 4 times; 7 of 20 replies"):
        ask(params, 20)
    server.answering = echo
    ask(params, 20)
    assert len(server.asked) == 7 + 4 + 13


def test_replies_in_flight_are_kept_when_another_row_fails(
    server: Server, params_at: ParamsOf
) -> None:
    def answering(asked: Asked) -> Answer:
        broken = asked.body["messages"][0]["content"] == "question 0"
        return refusal(400, "no") if broken else Answer(completion("late"), delay=0.3)

    server.answering = answering
    with pytest.raises(ChatError, match="7 of 100 replies are stored"):
        ask(params_at(server.url, concurrency=8), 100)


def test_a_server_that_is_not_there(params_at: ParamsOf) -> None:
    with pytest.raises(ChatError, match=r"127\.0\.0\.1:9/v1/: Connection error.*tried 3 times"):
        ask(params_at("http://127.0.0.1:9/v1", retries=2), 2)


def test_cut_empty_and_refused_replies_are_kept_as_they_are(
    server: Server, params_at: ParamsOf
) -> None:
    replies = {
        "question 0": completion("", finish="stop"),
        "question 1": completion("half an ans", finish="length"),
        "question 2": completion("", finish="content_filter"),
        "question 3": completion("", refusal="I will not"),
    }
    server.answering = lambda asked: Answer(replies[asked.body["messages"][0]["content"]])
    for _ in range(2):
        got = [(reply.text, reply.finish_reason) for reply in ask(params_at(server.url), 4)]
        assert got == [
            ("", "stop"),
            ("half an ans", "length"),
            ("", "content_filter"),
            ("", "refusal"),
        ]
    assert len(server.asked) == 4


def test_a_prompt_that_the_filter_refuses_is_a_reply_not_an_end(
    server: Server, params_at: ParamsOf
) -> None:
    server.answering = lambda asked: refusal(400, "filtered", code="content_filter")
    assert [reply.finish_reason for reply in ask(params_at(server.url), 3)] == [
        "content_filter"
    ] * 3


def test_a_clock_that_jumps_disturbs_nothing(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumps = random.Random(2)
    monkeypatch.setattr(time, "time", lambda: 1.8e9 + jumps.uniform(-1e7, 1e7))
    server.answering = Faulty([(0.3, refusal(429, "later", retry_after="0.05"))])
    begun = time.monotonic()
    assert len(ask(params_at(server.url, requests_per_minute=60_000), 100)) == 100
    assert time.monotonic() - begun < 10


def test_pauses_that_the_server_asks_for_are_kept(server: Server, params_at: ParamsOf) -> None:
    seen: list[float] = []

    def answering(asked: Asked) -> Answer:
        seen.append(time.monotonic())
        return refusal(429, "later", retry_after="0.7") if len(seen) == 1 else echo(asked)

    server.answering = answering
    ask(params_at(server.url, concurrency=1), 2)
    assert seen[1] - seen[0] >= 0.7


@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_beyond_patience_is_an_error(
    server: Server, params_at: ParamsOf, status: int
) -> None:
    server.answering = lambda asked: refusal(status, "daily limit", retry_after="7200")
    with pytest.raises(ChatError, match=r"daily limit \(wait 7,200 s, beyond"):
        ask(params_at(server.url), 2)


def test_endless_refusals_end_loudly(server: Server, params_at: ParamsOf) -> None:
    server.answering = lambda asked: refusal(429, "busy")
    with pytest.raises(ChatError, match=r"busy \(no reply for 1 s, beyond"):
        ask(params_at(server.url, patience=0.6), 5)


def test_half_a_character_from_a_model_is_stored_as_a_question_mark(
    server: Server, params_at: ParamsOf
) -> None:
    server.answering = lambda asked: Answer(completion("a \ud83d b"))
    (reply,) = ask(params_at(server.url), 1)
    assert reply.text == "a ? b"


def test_half_a_character_in_a_row_is_an_error_that_names_it(
    server: Server, params_at: ParamsOf
) -> None:
    (broken,) = requests(1, messages=({"role": "user", "content": "a \ud83d b"},))
    with (
        connect(params_at(server.url), "teacher", stage="teach", round="r0") as chat,
        pytest.raises(ChatError, match="teach r0, row 0: its text is not valid Unicode"),
    ):
        chat.ask([broken], label="teach")


def test_a_home_that_cannot_be_made_is_an_error_in_one_line(
    server: Server, params_at: ParamsOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LION_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(ChatError, match=r"Not a directory; .* set LION_HOME"):
        ask(params_at(server.url), 1)
