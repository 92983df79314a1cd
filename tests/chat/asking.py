"""A separate requesting process: python -m tests.chat.asking URL COUNT START [KEY=VALUE,...].

A key is a setting of the endpoint, or of the budget (budget.money), at the prices of test_money.
"""

import sys

import yaml

from lion.chat import connect
from lion.params import Params, load_params
from lion.support.errors import ChatError
from tests.chat.conftest import PRICES, ROOT, requests


def main(url: str, count: str, start: str, settings: str = "") -> None:
    """Print the number of replies; on an error, print one line and exit with its code."""
    raw = load_params(ROOT / "params.yaml").model_dump()
    pairs = (pair.split("=") for pair in settings.split(",") if pair)
    values = {name: yaml.safe_load(value) for name, value in pairs}
    bounds = {name for name in values if name.startswith("budget.")}
    raw["budget"] = {name.removeprefix("budget."): values.pop(name) for name in bounds}
    raw["prices"] = PRICES
    raw["model"] = "m"
    raw["endpoints"] = {"default": {"base_url": url, "identity": url, "timeout": 5.0, **values}}
    params = Params.model_validate(raw)
    try:
        with connect(params, "teacher", stage="teach", round="r0") as chat:
            print(len(chat.ask(requests(int(count), start=int(start)), label="teach")))
    except ChatError as error:
        error.show()
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
