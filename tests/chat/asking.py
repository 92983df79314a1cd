"""A process of its own that asks: python -m tests.chat.asking URL COUNT START [KEY=NUMBER,...]."""

import sys

from lion.chat import connect
from lion.errors import ChatError
from lion.params import Params, load_params
from tests.chat.conftest import ROOT, requests


def main(url: str, count: str, start: str, settings: str = "") -> None:
    """Print how many replies were got; exit with 1 and one line on an error."""
    raw = load_params(ROOT / "params.yaml").model_dump()
    pairs = (pair.split("=") for pair in settings.split(",") if pair)
    numbers = {name: int(value) for name, value in pairs}
    raw["model"] = "m"
    raw["endpoints"] = {"default": {"base_url": url, "timeout": 5.0, **numbers}}
    params = Params.model_validate(raw)
    try:
        with connect(params, "teacher", stage="teach", round="r0") as chat:
            print(len(chat.ask(requests(int(count), start=int(start)), label="teach")))
    except ChatError as error:
        error.show()
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
