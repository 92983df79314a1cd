"""A run in progress: the running stage, its replies and their rate, and the time left."""

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from lion.chat.accounts import KIND
from lion.chat.budget import Budget, Usage
from lion.chat.database import connect
from lion.params import Params
from lion.runs.left import Work, time_left, work_of_loop
from lion.runs.run import Places, Tables
from lion.support.text import brief
from lion.support.timing import Standing, standing, times

Row = dict[str, Any]
_LOCK = ".dvc/tmp/rwlock"  # where DVC lists outputs being written, and its process
_RECENT = 300.0  # seconds over which the rate is measured
_NEWEST = 6  # replies shown
_EXCERPT = 200  # columns
# The stage that writes each place, and the role that it asks.
_STAGES = {
    "pools": ("generate", "generator"),
    "answers": ("teach", "teacher"),
    "rewrites": ("rewrite", "teacher"),
    "losses": ("imitate", ""),
    "responses": ("respond", ""),
    "reviews": ("referee", "referee"),
    "scores": ("discriminate", ""),
    "draws": ("generate", "generator"),
    "evaluation": ("evaluate", "judge"),
}


class Stage(NamedTuple):
    """The running stage: its `round`, the `role` that it asks (or empty), and when it began."""

    name: str
    round: str
    role: str
    begun: float  # seconds since 1970


def running_stage(root: Path, places: Places) -> Stage | None:
    """Return the stage that is writing a table of the run; None if no live process is."""
    lock = root / _LOCK
    try:
        locks = json.loads(lock.read_text(encoding="utf-8") or "{}")
        begun = lock.stat().st_mtime
    except (OSError, ValueError):
        return None
    for path, owner in locks.get("write", {}).items():
        if not _is_alive(owner.get("pid", 0)):
            continue
        for place, folder in places.items():
            inside = Path(path)
            if place in _STAGES and folder.absolute() in (inside, *inside.parents):
                round = inside.name.split(".")[0]
                name, role = ("seed", "") if (place, round) == ("pools", "r0") else _STAGES[place]
                return Stage(name, round, role, begun)
    return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process
        return True
    return pid > 0


def fingerprint(places: Places) -> str:
    """Return a digest that changes when a table of the run is written or removed."""
    parts = [(str(file), state.st_mtime_ns, state.st_size) for file, state in _files(places)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def written(places: Places) -> str:
    """Return the date of the newest table, ISO 8601; empty without tables."""
    times = [state.st_mtime for _, state in _files(places)]
    return datetime.fromtimestamp(max(times), UTC).date().isoformat() if times else ""


def _files(places: Places) -> Iterator[tuple[Path, os.stat_result]]:
    for file in sorted(
        file
        for place in set(places.values())
        for file in ([place] if place.is_file() else place.glob("**/*"))
    ):
        with suppress(FileNotFoundError):  # DVC removes a stage's outputs before it runs
            yield file, file.stat()


def now(params: Params, tables: Tables, stage: Stage | None, home: Path, since: float) -> Row:
    """Return what `lion view` shows of a run in progress; `home` has the response store.

    `left` is the time for the rest of the loop in seconds, at the pace of stages measured after
    `since`; `unmeasured` are stages without a measurement. Unknown values are None.
    """
    if stage is None:
        return {"stage": None}
    replies, work = _Replies(home / "replies.sqlite"), work_of_loop(params, tables)
    elapsed = time.time() - stage.begun
    figures, rest = _counts(stage, replies, work, standing(home))
    evaluated = set(tables.evaluated["round"])
    left = time_left(work, stage.name, stage.round, times(home, since=since), evaluated)
    if left.own is not None:
        rest = max(rest or 0.0, left.own - elapsed)
    unmeasured = left.unmeasured
    if rest is None and (stage.name, stage.round) in work:
        unmeasured = list(dict.fromkeys([stage.name, *unmeasured]))
    return {
        "stage": f"{stage.name}@{stage.round}",
        "seconds": round(elapsed),
        **figures,
        "left": None if unmeasured else round((rest or 0.0) + left.later),
        "unmeasured": unmeasured,
        "money": replies.money(params),
        "newest": replies.newest(),
    }


def _counts(
    stage: Stage, replies: "_Replies", work: Work, standing: Standing | None
) -> tuple[Row, float | None]:
    """Return a stage's done and total units with their rate, and the seconds left.

    The measure is replies for a stage that asks a model, and its own progress for any other. While
    the student answers the questions, the judge has no replies yet, so the time left is unknown.
    """
    total = work.get((stage.name, stage.round))
    if stage.role and total:
        done, pace = replies.of(stage)
        if done or stage.name != "evaluate":
            done = min(done, total)
            figures = {"done": done, "total": total, "unit": "replies", "rate": pace or None}
            return figures, (total - done) / pace if pace else None
    if standing and standing[:2] == stage[:2] and standing.when > stage.begun:
        rate = standing.rate
        figures = {"done": standing.done, "total": standing.total, "unit": standing.unit}
        left = (standing.total - standing.done) / rate if rate else None
        return figures | {"rate": rate}, left if stage.name != "evaluate" else None
    return {"done": None, "total": None, "unit": "", "rate": None}, None


class _Replies:
    """Read-only access to the response store while stages write to it."""

    def __init__(self, path: Path) -> None:
        self._uri = f"{path.absolute().as_uri()}?mode=ro"

    def _rows(self, query: str, *values: object) -> list[Any]:
        try:
            with closing(connect(self._uri, uri=True)) as db:
                return db.execute(query, values).fetchall()
        except sqlite3.Error:  # no store yet, or one that is being replaced
            return []

    def of(self, stage: Stage) -> tuple[int, float]:
        """Return the number of replies since the stage began, and the recent rate per second."""
        since = max(stage.begun, time.time() - _RECENT)
        rows = self._rows(
            "SELECT count(*), coalesce(sum(received >= ?), 0) FROM replies JOIN ledger"
            " ON ledger.id = entry WHERE role = ? AND round = ? AND received >= ?",
            *(since, stage.role, stage.round, stage.begun),
        )
        count, lately = rows[0] if rows else (0, 0)
        return int(count), round(lately / max(1.0, time.time() - since), 4)

    def money(self, params: Params) -> str | None:
        """Return what this project has spent so far; None without prices."""
        budget = Budget(params.prices, params.budget)
        rows = self._rows(
            f"SELECT {KIND}, requests, prompt_tokens, completion_tokens, cached_tokens"
            " FROM ledger l"
        )
        known = [cost for row in rows if (cost := budget.cost(Usage(*row))) is not None]
        return f"{sum(known):,.2f} {budget.currency}" if params.prices and known else None

    def newest(self) -> list[Row]:
        """Return the latest replies, newest first: role, round, text."""
        rows = self._rows(
            "SELECT role, round, text FROM replies JOIN ledger ON ledger.id = entry"
            f" ORDER BY received DESC LIMIT {_NEWEST}"
        )
        names = ("role", "round", "text")
        return [
            dict(zip(names, (brief(text, _EXCERPT) for text in row), strict=True)) for row in rows
        ]
