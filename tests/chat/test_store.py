"""Never pay twice."""

import dataclasses
from pathlib import Path

import pytest

from lion.chat import Request, connect
from lion.chat.dialect import spoken
from lion.chat.wire import Body, body_of, key_of
from lion.support.errors import ChatError
from tests.chat.conftest import ParamsOf, requests
from tests.chat.server import Server


def test_replies_come_in_the_order_of_the_requests(server: Server, params_at: ParamsOf) -> None:
    params = params_at(server.url)
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        forward = chat.ask(requests(50), label="teach")
        backward = chat.ask(requests(50)[::-1], label="teach")
    assert forward == backward[::-1]
    assert len({reply.text for reply in forward}) == 50


def test_a_reply_in_the_store_is_not_asked_for_again(server: Server, params_at: ParamsOf) -> None:
    params = params_at(server.url)
    for _ in range(3):
        with connect(params, "teacher", stage="teach", round="r0") as chat:
            chat.ask(requests(20), label="teach")
    assert len(server.asked) == 20


def test_replies_of_an_older_version_are_not_paid_for_again(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its keys had the server's port and the fields as they were sent."""

    def key_then(request: Request, body: Body, where: str) -> bytes:
        sent = body_of(request, str(body["model"]), params.endpoint_of("teacher"))
        return key_of(request, spoken(sent, params.endpoint_of("teacher")), server.url)

    params = params_at(server.url, omit=["seed"])
    with monkeypatch.context() as patch:
        patch.setattr("lion.chat.chat.key_of", key_then)
        with connect(params, "teacher", stage="teach", round="r0") as chat:
            replies = chat.ask(requests(5), label="teach")
    asked = len(server.asked)
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        assert chat.ask(requests(5), label="teach") == replies
    assert len(server.asked) == asked == 5


def test_the_same_request_twice_in_a_list_is_asked_once(
    server: Server, params_at: ParamsOf
) -> None:
    with connect(params_at(server.url), "teacher", stage="teach", round="r0") as chat:
        replies = chat.ask(requests(3) * 5, label="teach")
    assert len(server.asked) == 3
    assert replies == replies[:3] * 5


@pytest.mark.parametrize(
    "change",
    [
        {"messages": ({"role": "user", "content": "other"},)},
        {"temperature": 0.6},
        {"max_tokens": 21},
        {"seed": 99},
        {"attempt": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_part_of_a_request_is_in_its_key(
    server: Server, params_at: ParamsOf, change: dict[str, object]
) -> None:
    (first,) = requests(1)
    with connect(params_at(server.url), "teacher", stage="teach", round="r0") as chat:
        chat.ask([first, dataclasses.replace(first, **change)], label="teach")  # type: ignore[arg-type]
    assert len(server.asked) == 2


def test_model_and_server_are_in_the_key(server: Server, params_at: ParamsOf) -> None:
    with Server() as other:
        for params in (
            params_at(server.url),
            params_at(other.url),
            params_at(server.url, model="n"),
        ):
            with connect(params, "teacher", stage="teach", round="r0") as chat:
                chat.ask(requests(1), label="teach")
        assert len(other.asked) == 1
    assert len(server.asked) == 2


@pytest.mark.parametrize("offline", ["1", "true", "yes"])
def test_offline_names_the_first_missing_request(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch, offline: str
) -> None:
    params = params_at(server.url)
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        chat.ask(requests(5), label="teach")
    monkeypatch.setenv("LION_OFFLINE", offline)
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        assert len(chat.ask(requests(5), label="teach")) == 5
        with pytest.raises(ChatError, match=r"row 5: .* 2 of 7 replies are missing"):
            chat.ask(requests(7), label="teach")
    assert len(server.asked) == 5


def test_the_key_is_needed_only_when_something_is_missing(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lion.chat.client._LOOPBACK", set())
    monkeypatch.setenv("MY_KEY", "secret")
    params = params_at(server.url, api_key_env="MY_KEY")
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        chat.ask(requests(3), label="teach")
    assert server.asked[0].headers["authorization"] == "Bearer secret"
    monkeypatch.delenv("MY_KEY")
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        chat.ask(requests(3), label="teach")
        with pytest.raises(ChatError, match=r"teach: no API key .* MY_KEY; 3 of 4"):
            chat.ask(requests(4), label="teach")


def test_no_key_is_written_anywhere(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with connect(params_at(server.url), "teacher", stage="teach", round="r0") as chat:
        chat.ask(requests(3), label="teach")
        files = [path for path in home.rglob("*") if path.is_file()]
        assert len(files) >= 3
        assert not [path for path in files if b"very-secret" in path.read_bytes()]
