"""Keys and prompts go only where the parameters say; nothing of a server acts on the terminal."""

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from openai._models import FinalRequestOptions

from lion.chat import Reply, connect
from lion.chat.client import open_client
from lion.chat.redaction import safe_line
from lion.chat.source import source_of
from lion.params import Endpoint, Params, Role
from lion.support.errors import ChatError
from tests.chat.batch_server import BatchServer
from tests.chat.conftest import ParamsOf, requests
from tests.chat.server import Answer, Asked, Server, completion, refusal

KEY = "sk-planted/0123+abcdefgh=="


@pytest.fixture
def other() -> Iterator[Server]:
    with Server() as other:
        yield other


def ask(params: Params, role: Role = "teacher") -> list[Reply]:
    with connect(params, role, stage="teach", round="r0") as chat:
        return chat.ask(requests(1), label="teach")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("query", ["", "?api-version=2024-10-21"])
def test_a_redirect_takes_neither_key_nor_prompt_elsewhere(
    server: Server,
    other: Server,
    params_at: ParamsOf,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    query: str,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    where = f"{other.url}/chat/completions"
    server.answering = lambda asked: Answer(status=status, headers={"location": where})
    with pytest.raises(ChatError, match=f"redirects to {where}; Lion follows no redirect"):
        ask(params_at(server.url + query))
    assert (len(server.asked), len(other.asked)) == (1, 0)


@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches", "/v1/batches/batch-0"])
def test_a_batch_follows_no_redirect(
    server: Server, other: Server, params_at: ParamsOf, path: str
) -> None:
    batches = BatchServer()

    def answering(asked: Asked) -> Answer:
        moved = Answer(status=307, headers={"location": f"{other.url}{path}"})
        return moved if asked.path == path else batches(asked)

    server.answering = answering
    with pytest.raises(ChatError, match="Lion follows no redirect"):
        ask(params_at(server.url, mode="batch", poll=0.01))
    assert not other.asked


def test_a_roles_endpoint_is_laid_over_the_default_field_by_field(
    server: Server, params_at: ParamsOf
) -> None:
    raw = params_at(server.url).model_dump()
    raw["endpoints"]["default"] |= {"requests_per_minute": 600, "api_key_env": "MY_KEY"}
    raw["endpoints"]["referee"] = {"concurrency": 8}
    params = Params.model_validate(raw)
    referee = params.endpoint_of("referee")
    assert (referee.base_url, referee.concurrency) == (server.url, 8)
    assert (referee.requests_per_minute, referee.api_key_env) == (600, "MY_KEY")
    ask(params, "referee")
    assert len(server.asked) == 1


@pytest.mark.parametrize("named", [None, "MY_KEY"])
def test_the_key_of_one_server_does_not_go_to_another(
    server: Server,
    other: Server,
    params_at: ParamsOf,
    monkeypatch: pytest.MonkeyPatch,
    named: str | None,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("MY_KEY", KEY)
    raw = params_at(server.url).model_dump()
    raw["endpoints"]["default"]["api_key_env"] = named
    raw["endpoints"]["referee"] = {"base_url": other.url}
    params = Params.model_validate(raw)
    ask(params)
    ask(params, "referee")
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in str(other.asked[0].headers)
    raw["endpoints"]["referee"]["api_key_env"] = "MY_KEY"
    other.asked.clear()
    raw["referee"]["temperature"] = 0.3
    with connect(Params.model_validate(raw), "referee", stage="s", round="r0") as chat:
        chat.ask(requests(1, start=1), label="s")
    assert other.asked[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("url", "named", "sent"),
    [
        ("https://llm.example/v1", None, "of the environment"),
        ("https://api.openai.com/v1", None, KEY),
        ("https://llm.example/v1", "OPENAI_API_KEY", KEY),
        ("http://127.0.0.1:8000/v1", None, KEY),
        ("http://llm.example/v1", None, "none"),
        ("http://192.168.1.5:8000/v1", None, "none"),
        ("http://127.0.0.1.example/v1", None, "none"),
        ("http://llm.example/v1", "OPENAI_API_KEY", KEY),
        ("https://llm.example/v1", "", "none"),
    ],
)
@pytest.mark.parametrize("by", ["parameters", "environment"])
def test_a_key_goes_to_strangers_only_if_it_is_named(
    params_at: ParamsOf,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    named: str | None,
    sent: str,
    by: str,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    params = params_at(url if by == "parameters" else None, api_key_env=named)
    source = source_of(params, "teacher")
    client = open_client(source, params.endpoint_of("teacher"), params.oracle, stage="s")
    if sent == "of the environment":  # OPENAI_BASE_URL and OPENAI_API_KEY belong together
        sent = KEY if by == "environment" else "none"
    assert (source.url, client.api_key) == (url, sent)


@pytest.mark.parametrize(
    ("url", "named", "is_given"),
    [
        ("http://127.0.0.1:8000/v1", None, True),
        ("https://api.openai.com/v1", None, True),
        ("https://llm.example/v1", "MY_KEY", False),
        ("http://192.168.1.5:8000/v1", None, False),
    ],
)
def test_headers_of_the_environment_go_where_its_key_goes_and_never_replace_a_key(
    params_at: ParamsOf,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    named: str | None,
    is_given: bool,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("MY_KEY", "mine")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer gateway\nX-Team: secret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    params = params_at(url, api_key_env=named)
    source = source_of(params, "teacher")
    client = open_client(source, params.endpoint_of("teacher"), params.oracle, stage="s")
    request = client._build_request(FinalRequestOptions(method="post", url="/chat/completions"))
    expected = "mine" if named else KEY if is_given else "none"
    assert request.headers["authorization"] == f"Bearer {expected}"
    for name in ("x-team", "openai-organization", "openai-project"):
        assert (name in request.headers) == is_given


def test_a_server_that_wants_a_key_and_got_none_says_how_to_name_it(
    server: Server, params_at: ParamsOf
) -> None:
    server.answering = lambda asked: refusal(401, "who are you?")
    with pytest.raises(ChatError, match=r"who are you\?; Lion sent no key: set api_key_env"):
        ask(params_at(server.url))


@pytest.mark.parametrize(
    "url",
    [
        "http://me:PLANTED@127.0.0.1:9/v1",
        "http://PLANTED@127.0.0.1:9/v1",
        "http://127.0.0.1:9/v1?subscription-key=PLANTED",
        "http://127.0.0.1:9/v1?api-version=1&Api_Key=PLANTED",
        "http://127.0.0.1:9/v1?access%5Ftoken=PLANTED",
        "http://127.0.0.1:9/v1?x=PLANTED0123456789abcdefghij",
        "http://127.0.0.1:9/v1#PLANTED",
    ],
)
@pytest.mark.parametrize("by", ["parameters", "environment"])
def test_a_key_in_a_url_is_refused_and_not_shown(
    params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch, url: str, by: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(ChatError, match="name that variable in api_key_env") as error:
        ask(params_at(url if by == "parameters" else None))
    assert "PLANTED" not in error.value.message


ECHOES = {
    "whole": KEY,
    "cut at the end": KEY[:12],
    "cut at the start": KEY[8:],
    "percent-encoded": quote(KEY, safe=""),
    "percent-encoded whole": "".join(f"%{byte:02X}" for byte in KEY.encode()),
    "twice percent-encoded": quote(quote(KEY, safe=""), safe=""),
    "in base64": base64.b64encode(f":{KEY}".encode()).decode(),
    "in capitals": KEY.upper(),
    "over two lines": f"{KEY[:12]}\n{KEY[12:]}",
}


@pytest.mark.parametrize("echoed", ECHOES.values(), ids=ECHOES)
@pytest.mark.parametrize("mode", ["live", "batch"])
def test_a_key_that_the_server_echoes_in_any_form_is_not_shown(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch, echoed: str, mode: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    batches = BatchServer(result=lambda line: (400, {"error": {"message": f"no: {echoed}!"}}))
    server.answering = batches if mode == "batch" else lambda asked: refusal(400, f"no: {echoed}!")
    with pytest.raises(ChatError, match="no: <API key>") as error:
        ask(params_at(server.url, mode=mode, poll=0.01))
    for line in echoed.split():
        for at in range(len(line) - 6):
            assert line[at : at + 7] not in error.value.message


def test_a_short_key_hides_only_itself() -> None:
    assert safe_line("none is none", "none") == "none is none"
    assert safe_line("abcde is no abcd", "abcde") == "<API key> is no abcd"


@pytest.mark.parametrize("mode", ["live", "batch"])
def test_words_of_a_server_cannot_act_on_the_terminal(
    server: Server, params_at: ParamsOf, mode: str
) -> None:
    evil = "no\x1b]0;title\x07\x1b[2J\u202egnp.exe\r"
    batches = BatchServer(result=lambda line: (400, {"error": {"message": evil}}))
    server.answering = batches if mode == "batch" else lambda asked: refusal(400, evil)
    with pytest.raises(ChatError, match=r"no⟦U\+001B⟧") as error:
        ask(params_at(server.url, mode=mode, poll=0.01))
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(error.value.message)


def test_an_endpoint_over_another_keeps_a_key_that_it_names() -> None:
    base = Endpoint(base_url="https://a.example/v1", api_key_env="A", concurrency=4)
    over = Endpoint(base_url="https://b.example/v1", api_key_env="B").over(base)
    assert (over.base_url, over.api_key_env, over.concurrency) == (
        "https://b.example/v1",
        "B",
        4,
    )


@pytest.mark.parametrize("form", ["whole", "percent-encoded", "twice percent-encoded"])
def test_a_reply_that_echoes_the_key_is_kept_without_it(
    server: Server,
    params_at: ParamsOf,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    form: str,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    body = completion(f"Your key is {ECHOES[form]}, I see.", finish=f"done with {KEY}")
    server.answering = lambda asked: Answer({**body, "model": f"m for {KEY[:12]}"})
    (reply,) = ask(params_at(server.url))
    assert KEY[:6] not in capsys.readouterr().err
    assert (reply.text, reply.model) == ("Your key is <API key>, I see.", "m for <API key>")
    assert KEY[:8].encode() not in b"".join(path.read_bytes() for path in home.glob("*.sqlite*"))


def test_a_short_key_is_no_secret_in_a_text(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "EMPTY")
    server.answering = lambda asked: Answer(completion("The set is EMPTY."))
    assert ask(params_at(server.url))[0].text == "The set is EMPTY."


@pytest.mark.parametrize("url", ["llm.example/v1", "'http://llm.example/v1'", "http://"])
def test_an_address_in_the_environment_that_is_none_is_named(
    params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(ChatError, match=r"OPENAI_BASE_URL is .*; it must begin with http"):
        source_of(params_at(None), "teacher")


def test_blanks_around_an_address_in_the_environment_do_not_count(
    params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", " http://127.0.0.1:8000/v1/ ")
    assert source_of(params_at(None), "teacher").url == "http://127.0.0.1:8000/v1"
