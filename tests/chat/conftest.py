"""Parameters that point at a test's server, plain requests."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lion.chat import Request
from lion.params import Params, load_params
from tests.chat.server import Server

ROOT = Path(__file__).parents[2]
PRICES = {
    "currency": "USD",
    "date": "2026-11-01",
    "models": {"m": {"input": 1000.0, "output": 10_000.0}},
}


@pytest.fixture
def home(own_store: None) -> Path:
    """This test's LION_HOME."""
    return Path(os.environ["LION_HOME"])


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


ParamsOf = Callable[..., Params]


@pytest.fixture
def params_at() -> ParamsOf:
    """Parameters for model `m` at a URL, with other endpoint settings and top-level records."""

    def made(url: str | None, *, model: str = "m", top: Any = None, **endpoint: Any) -> Params:
        raw = load_params(ROOT / "params.yaml").model_dump()
        raw["model"] = model
        raw["endpoints"] = {"default": {"base_url": url, "timeout": 5.0, **endpoint}}
        return Params.model_validate({**raw, **(top or {})})

    return made


def requests(count: int, *, start: int = 0, **fields: Any) -> list[Request]:
    """`count` different requests."""
    return [
        Request(
            **{
                "id": str(row),
                "messages": ({"role": "user", "content": f"question {row}"},),
                "temperature": 0.7,
                "max_tokens": 20,
                "seed": row,
                **fields,
            }
        )
        for row in range(start, start + count)
    ]
