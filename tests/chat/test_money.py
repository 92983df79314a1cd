"""Budget and ledger."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from pydantic import ValidationError

from lion.chat import connect
from lion.chat.accounts import UNANSWERED
from lion.chat.budget import Budget, Usage
from lion.chat.cli import ledger
from lion.chat.store import Store
from lion.chat.types import Caller
from lion.params import BudgetLimits, Params, Price, Prices
from lion.support.errors import ChatError
from tests.chat.batch_server import BatchServer
from tests.chat.conftest import PRICES, ROOT, ParamsOf, requests
from tests.chat.server import Answer, Asked, Server, completion, echo, refusal

# 10 prompt tokens and 2 answer tokens a reply: 0.03 USD at these prices.


def ask(params: Params, count: int, *, stage: str = "teach") -> None:
    with connect(params, "teacher", stage=stage, round="r0") as chat:
        chat.ask(requests(count), label=stage)


def test_a_batch_costs_half_and_an_unknown_model_has_no_price() -> None:
    prices = Prices(currency="USD", date="2026-11-01", models={"m": Price(input=1.0, output=4.0)})
    budget = Budget(prices, BudgetLimits())
    assert budget.cost(Usage("m", "live", 1, 1_000_000, 500_000)) == 3.0
    assert budget.cost(Usage("m", "batch", 1, 1_000_000, 500_000)) == 1.5
    assert budget.cost(Usage("n", "live", 1, 1, 1)) is None


@pytest.mark.parametrize(
    ("budget", "answered"),
    # The next request can cost 91 prompt tokens and 20 of the answer: 0.291 USD, 111 tokens.
    [({"requests": 7}, 7), ({"money": 1.0}, 24), ({"tokens": 500}, 33)],
    ids=["requests", "money", "tokens"],
)
@pytest.mark.parametrize("concurrency", [1, 8])
def test_the_request_beyond_the_budget_is_not_sent_and_more_budget_continues(
    server: Server, params_at: ParamsOf, budget: dict[str, Any], answered: int, concurrency: int
) -> None:
    server.answering = lambda asked: Answer(completion("two words"))
    top = {"prices": PRICES, "budget": budget}
    with pytest.raises(ChatError, match=r"budget has left .*; raise `budget`.*of 40 replies are"):
        ask(params_at(server.url, top=top, concurrency=concurrency), 40)
    assert len(server.asked) == answered
    ask(params_at(server.url, top={"prices": PRICES}), 40)
    assert len(server.asked) == 40


def test_the_budget_counts_all_stages_and_runs(server: Server, params_at: ParamsOf) -> None:
    params = params_at(server.url, top={"budget": {"requests": 10}})
    ask(params, 8)
    with (
        connect(params, "referee", stage="referee", round="r1") as chat,
        pytest.raises(ChatError, match="0 requests left"),
    ):
        chat.ask(requests(5, start=100), label="referee")
    assert len(server.asked) == 10


def test_a_batch_is_as_large_as_the_budget(server: Server, params_at: ParamsOf) -> None:
    server.answering = batches = BatchServer()
    params = params_at(server.url, mode="batch", poll=0.01, top={"budget": {"requests": 7}})
    with pytest.raises(ChatError, match="7 of 20 replies are stored"):
        ask(params, 20)
    assert batches.requests == 7


def test_money_cannot_be_bounded_for_a_model_without_a_price(params_at: ParamsOf) -> None:
    with pytest.raises(ValidationError, match=r"budget\.money is set, .* has no other"):
        params_at(None, model="other", top={"prices": PRICES, "budget": {"money": 1.0}})


def test_the_ledger_tells_what_was_spent_and_saved(
    server: Server, params_at: ParamsOf, tmp_path: Path
) -> None:
    server.answering = lambda asked: Answer(completion("two words"))
    params = params_at(server.url, top={"prices": PRICES, "budget": {"requests": 100}})
    ask(params, 10)
    ask(params, 10)
    ask(params, 12, stage="other")
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(params.model_dump()))
    told = json.loads(CliRunner().invoke(ledger, ["--json", "--params", str(file)]).stdout)
    first, second = told["entries"]
    assert (first["requests"], first["saved_requests"]) == (10, 10)
    assert first["money"] == first["saved_money"] == pytest.approx(0.3)
    assert (second["stage"], second["requests"], second["saved_requests"]) == ("other", 2, 10)
    assert told["total"]["money"] == pytest.approx(0.36)
    assert told["left"] == {"requests": 88}
    table = CliRunner().invoke(ledger, ["--params", str(file)]).stdout
    assert "teach" in table
    assert "Money in USD at prices of 2026-11-01." in table
    assert "Budget: 88 requests left." in table


def test_a_server_that_reports_no_usage_is_counted_at_its_most(
    server: Server, params_at: ParamsOf
) -> None:
    server.answering = lambda asked: Answer({**completion("two words"), "usage": None})
    with pytest.raises(ChatError, match="budget has left"):
        ask(params_at(server.url, top={"budget": {"tokens": 300}}), 5)
    assert len(server.asked) == 2  # 90 bytes and 9 bytes each


def test_processes_that_race_for_the_rest_of_a_budget_do_not_exceed_it(server: Server) -> None:
    server.answering = lambda asked: Answer(completion("two words"), delay=0.01)
    command = [sys.executable, "-m", "tests.chat.asking", server.url, "60"]
    racing = [
        subprocess.Popen(
            [*command, start, "concurrency=8,budget.money=3.0"],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for start in ("0", "100", "200")
    ]
    said = [process.communicate(timeout=60)[1] for process in racing]
    # The last request may go while 0.291 of the 3.00 are left: 91 replies of 0.03 each.
    assert len(server.asked) == 91
    assert any("USD left); raise `budget`" in text for text in said)


@pytest.mark.parametrize(
    "fault",
    [
        Answer(completion("x"), delay=60),
        Answer(completion("x"), cut=0),
        Answer(completion("x"), cut=0, reset=True),
        Answer(completion("x"), cut=40),
        Answer(b'{"choices": [{"mess'),
        refusal(504, "gateway timeout"),
        refusal(524, "a timeout occurred"),
    ],
    ids=["no reply", "closed", "reset", "cut", "truncated", "gateway", "Cloudflare"],
)
def test_a_request_that_may_be_charged_without_a_reply_counts_at_its_dearest(
    server: Server, params_at: ParamsOf, fault: Answer
) -> None:
    server.answering = lambda asked: fault if len(server.asked) <= 2 else echo(asked)
    for money, sent in ((0.7, 2), (1.3, 2 + 15)):  # two are lost at 0.291 each
        top = {"prices": PRICES, "budget": {"money": money}}
        with pytest.raises(ChatError, match=r"the budget.*; raise `budget`"):
            ask(params_at(server.url, concurrency=1, timeout=0.5, top=top), 50)
        assert len(server.asked) == sent


def test_a_request_that_reached_no_server_costs_nothing(params_at: ParamsOf) -> None:
    top = {"budget": {"requests": 1}}
    with pytest.raises(ChatError, match=r"Connection error.*tried 2 times"):
        ask(params_at("http://127.0.0.1:9/v1", retries=1, top=top), 1)


@pytest.mark.parametrize("status", [429, 500])
def test_a_request_that_the_server_refused_costs_nothing(
    server: Server, params_at: ParamsOf, status: int
) -> None:
    server.answering = lambda asked: (
        refusal(status, "no", retry_after="0.1") if len(server.asked) <= 2 else echo(asked)
    )
    ask(params_at(server.url, top={"budget": {"requests": 3}}), 3)
    assert len(server.asked) == 5


def test_what_a_killed_process_had_asked_for_counts_at_its_dearest(tmp_path: Path) -> None:
    budget = Budget(None, BudgetLimits(requests=2))
    code = (
        "import os, sys; from pathlib import Path; from lion.chat.store import Store;"
        "from lion.chat.types import Caller; from lion.chat.budget import Budget;"
        "from lion.params import BudgetLimits; store = Store(Path(sys.argv[1]));"
        "entry = store.entry(Caller('teach', 'teacher', 'r0', 'url', 'm', 'live'));"
        "store.claim(b'key', entry, (90, 20), Budget(None, BudgetLimits())); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "s.sqlite")], cwd=ROOT)
    with Store(tmp_path / "s.sqlite") as store:
        entry = store.entry(Caller("teach", "teacher", "r0", "url", "m", "live"))
        assert store.spent() == [Usage("m", UNANSWERED, 1, 90, 20)]
        assert store.claim(b"key", entry, (1, 1), budget) == "mine"
        assert store.claim(b"another", entry, (1, 1), budget) == "later"


def test_money_that_was_spent_without_a_price_is_told_not_taken_for_nothing(
    server: Server, params_at: ParamsOf, tmp_path: Path
) -> None:
    ask(params_at(server.url, model="old"), 2)
    ask(params_at(server.url), 2, stage="other")
    params = params_at(server.url, top={"prices": PRICES, "budget": {"money": 100.0}})
    with pytest.raises(ChatError, match=r"budget.money is set, but old has no price; add it"):
        ask(params, 5)
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(params.model_dump()))
    told = json.loads(CliRunner().invoke(ledger, ["--json", "--params", str(file)]).stdout)
    assert (told["total"]["money"], told["left"]["money"]) == (None, None)
    table = CliRunner().invoke(ledger, ["--params", str(file)]).stdout
    assert "old has no price in prices.models; its cost is not counted" in table


def test_a_model_that_thinks_beside_its_completion_tokens_is_counted_whole(
    server: Server, params_at: ParamsOf
) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 62}
    server.answering = lambda asked: Answer({**completion("two words"), "usage": usage})
    with connect(params_at(server.url), "teacher", stage="teach", round="r0") as chat:
        (reply,) = chat.ask(requests(1), label="teach")
    assert reply.completion_tokens == 52


def test_a_server_that_reports_half_of_the_usage_is_counted_whole(
    server: Server, params_at: ParamsOf
) -> None:
    usage = {"prompt_tokens": 10}
    server.answering = lambda asked: Answer({**completion("two words"), "usage": usage})
    with connect(params_at(server.url), "teacher", stage="teach", round="r0") as chat:
        (reply,) = chat.ask(requests(1), label="teach")
    assert (reply.prompt_tokens, reply.completion_tokens) == (10, 9)


@pytest.mark.parametrize("extra", [{"n": 4}, {"max_completion_tokens": 9}, {"model": "x"}])
def test_what_would_cost_more_than_is_counted_cannot_be_an_extra(
    params_at: ParamsOf, extra: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError, match=f"{next(iter(extra))} cannot be set here"):
        params_at(None, extra=extra)


def test_claims_for_a_large_batch_under_a_budget_take_seconds(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        entry = store.entry(Caller("teach", "teacher", "r0", "url", "m", "batch"))
        keys = [number.to_bytes(16) for number in range(20_000)]
        budget = Budget(None, BudgetLimits(requests=15_000))
        begun = time.monotonic()
        claims = store.claim_many([(key, (1, 1)) for key in keys], entry, budget)
        assert time.monotonic() - begun < 10  # one by one it is minutes
    assert claims.count("mine") == 15_000


def test_cached_prompt_tokens_have_a_price_of_their_own(
    server: Server, params_at: ParamsOf, tmp_path: Path
) -> None:
    def answering(asked: Asked) -> Answer:
        body = completion("one two")
        body["usage"]["prompt_tokens_details"] = {"cached_tokens": 6}
        return Answer(body)

    server.answering = answering
    models = {"m": {"input": 1000.0, "output": 10_000.0, "cached": 100.0}}
    params = params_at(server.url, top={"prices": {**PRICES, "models": models}})
    ask(params, 1)
    ask(params, 1)
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(params.model_dump()))
    total = json.loads(CliRunner().invoke(ledger, ["--json", "--params", str(file)]).stdout)[
        "total"
    ]
    expected = (4 * 1000 + 6 * 100 + 2 * 10_000) / 1e6
    assert total["money"] == total["saved_money"] == pytest.approx(expected)


def test_a_price_of_cached_tokens_above_the_bound_of_a_request_is_refused() -> None:
    with pytest.raises(ValidationError, match="cannot cost more than input"):
        Price(input=1.0, output=1.0, cached=1.1)


def test_a_budget_can_be_rehearsed_with_an_oracle_over_http(
    server: Server, params_at: ParamsOf
) -> None:
    server.answering = lambda asked: Answer(completion("two words"))
    models = {"oracle": PRICES["models"]["m"]}
    bounds = {"prices": {**PRICES, "models": models}, "budget": {"money": 1.0}}
    with pytest.raises(ChatError, match=r"budget has left .*of 40 replies are"):
        ask(params_at(server.url, model="oracle", top=bounds), 40)
    assert len(server.asked) == 24
    with pytest.raises(ValidationError, match=r"budget\.money is set, .* has no oracle"):
        params_at(server.url, model="oracle", top={"prices": PRICES, "budget": {"money": 1.0}})
    ask(params_at(None, model="oracle", top=bounds), 40)  # in this process it is free
    assert len(server.asked) == 24


def test_an_oracle_that_the_environment_sends_to_a_server_needs_a_price(
    server: Server, params_at: ParamsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    params = params_at(None, model="oracle", top={"prices": PRICES, "budget": {"money": 1.0}})
    with pytest.raises(ChatError, match="but oracle has no price"):
        ask(params, 1)
    assert not server.asked
