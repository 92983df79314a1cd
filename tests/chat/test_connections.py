"""Connections to a server: one for each request at a time, kept, and through a proxy if set."""

import pytest

from lion.support.errors import ChatError
from tests.chat.conftest import ParamsOf, ask
from tests.chat.server import Answer, Server, echo


def test_requests_share_as_many_connections_as_there_are_requests_at_a_time(
    server: Server, params_at: ParamsOf
) -> None:
    server.answering = lambda asked: Answer(echo(asked).body, delay=0.01)
    assert len(ask(params_at(server.url, concurrency=4), 60)) == 60
    assert server.connections == server.most_flying == 4


def test_a_connection_that_breaks_is_replaced(server: Server, params_at: ParamsOf) -> None:
    server.answering = lambda asked: Answer(
        echo(asked).body, cut=20 if len(server.asked) in (3, 7) else None
    )
    assert len(ask(params_at(server.url, concurrency=2), 20)) == 20
    assert server.connections <= 2 + 2
    assert len(server.asked) == 20 + 2


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_proxy_of_the_environment_is_used(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch, concurrency: int
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
    away = params_at("http://llm.example/v1", concurrency=concurrency, api_key_env="")
    assert len(ask(away, 5)) == 5
    assert len(server.asked) == 5


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "http_proxy"])
def test_requests_to_this_machine_pass_no_proxy(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with Server() as proxy:
        monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        assert len(ask(params_at(server.url), 3)) == 3
        assert not proxy.asked
    assert server.asked[0].headers["authorization"] == "Bearer sk-secret"


def test_no_proxy_means_the_server_itself(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with pytest.raises(ChatError, match="tried 1 times"):
        ask(params_at("http://llm.example/v1", retries=0, api_key_env=""), 1)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert len(ask(params_at(server.url), 3)) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:7890"),
        ("all_proxy", "socks://127.0.0.1:7890"),
        ("SSL_CERT_FILE", "/nowhere/at/all.pem"),
    ],
)
def test_a_proxy_or_certificate_that_cannot_be_used_is_named(
    params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(
        ChatError, match=rf"cannot open a connection to .*; correct or unset .*{name}\b"
    ):
        ask(params_at("http://llm.example/v1", api_key_env=""), 1)
