"""Budget and ledger."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from pydantic import ValidationError

from lion.chat import connect
from lion.chat.cli import ledger
from lion.chat.money import Purse, Usage
from lion.errors import ChatError
from lion.params import Budget, Params, Price, Prices
from tests.chat.batch_server import BatchServer
from tests.chat.conftest import ParamsOf, requests
from tests.chat.server import Answer, Server, completion

PRICES = {
    "currency": "USD",
    "date": "2026-11-01",
    "models": {"m": {"input": 1000.0, "output": 10_000.0}},
}
# 10 prompt tokens and 2 answer tokens a reply: 0.03 USD at these prices.


def ask(params: Params, count: int, *, stage: str = "teach") -> None:
    with connect(params, "teacher", stage=stage, round="r0") as chat:
        chat.ask(requests(count), label=stage)


def test_a_batch_costs_half_and_an_unknown_model_has_no_price() -> None:
    prices = Prices(currency="USD", date="2026-11-01", models={"m": Price(input=1.0, output=4.0)})
    purse = Purse(prices, Budget())
    assert purse.cost(Usage("m", "live", 1, 1_000_000, 500_000)) == 3.0
    assert purse.cost(Usage("m", "batch", 1, 1_000_000, 500_000)) == 1.5
    assert purse.cost(Usage("n", "live", 1, 1, 1)) is None


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
    with pytest.raises(ChatError, match="7 of 20 replies are kept"):
        ask(params, 20)
    assert batches.requests == 7


def test_money_cannot_be_bounded_for_a_model_without_a_price(params_at: ParamsOf) -> None:
    with pytest.raises(ValidationError, match="money is bounded, prices lack other"):
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
