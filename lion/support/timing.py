"""The times of stages and the progress of the running one, recorded beside the response store."""

import inspect
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

from lion.support.files import replacing
from lion.support.home import store_home
from lion.support.progress import Advance, watched_by

_TIMES, _NOW = "stages.jsonl", "progress.json"


class Took(NamedTuple):
    """A stage that has ended. `share` is the part of its work that was not done before it began."""

    stage: str
    round: str
    seconds: float
    share: float
    ended: float  # seconds since 1970


class Standing(NamedTuple):
    """The latest progress of a stage; `begun` and `when` (of this record) are Unix times."""

    stage: str
    round: str
    unit: str
    before: int  # units that were done when the work began
    done: int
    total: int
    begun: float
    when: float

    @property
    def rate(self) -> float | None:
        """Return the units per second so far; None before the first."""
        here, seconds = self.done - self.before, self.when - self.begun
        return round(here / seconds, 2) if here > 0 and seconds > 0 else None


def timed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a stage to record its progress and, if it succeeds, the time that it took."""
    stage = Path(inspect.unwrap(command).__code__.co_filename).stem

    @wraps(command)
    def run(*args: Any, **options: Any) -> Any:
        if os.environ.get("RANK", "0") != "0":  # of several processes, only the first records
            return command(*args, **options)
        begun, round = time.time(), str(options.get("round_", ""))
        here = total = 0

        def keep(advance: Advance) -> None:
            nonlocal here, total
            if advance.is_over:
                here, total = here + advance.done - advance.before, total + advance.total
            standing = Standing(stage, round, *advance[:4], advance.begun, time.time())
            with suppress(OSError), replacing(store_home() / _NOW) as file:
                file.write_text(json.dumps(standing), encoding="utf-8")

        with watched_by(keep):
            result = command(*args, **options)
        took = Took(stage, round, time.time() - begun, here / total if total else 1.0, time.time())
        with suppress(OSError):
            store_home().mkdir(parents=True, exist_ok=True)
            with (store_home() / _TIMES).open("a", encoding="utf-8") as file:
                file.write(json.dumps(took) + "\n")
        return result

    return run


def times(home: Path, *, since: float) -> list[Took]:
    """Return the stages that ended after `since`, oldest first."""
    with suppress(OSError, ValueError, TypeError):
        lines = (home / _TIMES).read_text(encoding="utf-8").splitlines()
        return [took for line in lines if (took := Took(*json.loads(line))).ended > since]
    return []


def standing(home: Path) -> Standing | None:
    """Return the latest progress of any stage."""
    with suppress(OSError, ValueError, TypeError):
        return Standing(*json.loads((home / _NOW).read_text(encoding="utf-8")))
    return None
