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

import psutil  # type: ignore[import-untyped]

from lion.chat.accounts import KIND
from lion.chat.budget import Budget, Usage
from lion.chat.database import connect
from lion.params import Params
from lion.runs.run import Places, Tables
from lion.support.text import brief
from lion.support.timing import Standing, Took, standing, times

Row = dict[str, Any]
_LOCK = ".dvc/tmp/rwlock"  # where DVC lists outputs being written, and its process
_RECENT = 300.0  # seconds over which the rate is measured
_NEWEST = 6  # replies shown
_EXCERPT = 200  # columns
Work = dict[tuple[str, str], int]  # by stage and round, in the order of the loop
# Short stages, and the long stage that follows each of them.
_BEFORE = {"seed": "teach", "discriminate": "generate", "rewrite": "generate"}
_FEW = 0.5  # share of its work that a stage must have done for its pace to count
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
        inside = Path(path)
        if not psutil.pid_exists(owner.get("pid", 0)):
            continue
        for place, folder in places.items():
            if place in _STAGES and folder.absolute() in (inside, *inside.parents):
                round = inside.name.split(".")[0]
                name, role = ("seed", "") if (place, round) == ("pools", "r0") else _STAGES[place]
                return Stage(name, round, role, begun)
    return None


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
    replies, work = _Replies(home / "replies.sqlite"), _work_of_loop(params, tables)
    elapsed = time.time() - stage.begun
    figures, rest = _counts(stage, replies, work, standing(home))
    evaluated = set(tables.evaluated["round"])
    own, later, unmeasured = _time_left(work, stage, times(home, since=since), evaluated)
    if own is not None:
        rest = max(rest or 0.0, own - elapsed)
    if rest is None and (stage.name, stage.round) in work:
        unmeasured = list(dict.fromkeys([stage.name, *unmeasured]))
    return {
        "stage": f"{stage.name}@{stage.round}",
        "seconds": round(elapsed),
        **figures,
        "left": None if unmeasured else round((rest or 0.0) + later),
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


def _work_of_loop(params: Params, tables: Tables) -> Work:
    """Return each long stage's work: rows, or replies without retries if it asks a model."""
    seeds = tables.pool.filter(round="r0").height
    judged = tables.questions.height * (2 if params.judge.setting == 2 else 1)
    new = params.generate.count
    work: Work = {}
    for number, name in enumerate(params.round_names):
        if number:
            examined = params.examine.count(seeds + (number - 1) * new)
            work |= {("respond", name): examined, ("referee", name): 2 * examined}
            work["generate", name] = new
        work["teach", name] = rows = new if number else seeds
        work["imitate", name] = rows + (round(params.replay * rows) if number else 0)
        work["evaluate", name] = judged * params.judge.samples
    return work


def _time_left(
    work: Work, stage: Stage, took: list[Took], evaluated: set[str]
) -> tuple[float | None, float, list[str]]:
    """Return the seconds of the whole stage (None if unknown), and of the stages after it.

    Last come the names of the later stages that have not been measured yet. Evaluations of earlier
    rounds that are missing in `evaluated` count as later stages.
    """
    measured = {note.stage: note for note in took if note.share >= _FEW and work.get(note[:2])}
    pace = {name: note.seconds / note.share / work[note[:2]] for name, note in measured.items()}
    order, here = list(work), (_BEFORE.get(stage.name, stage.name), stage.round)
    place = order.index(here) if here in work else len(order)
    is_long = stage.name not in _BEFORE
    missing = [key for key in order[:place] if key[0] == "evaluate" and key[1] not in evaluated]
    to_come = [key for key in missing + order[place + is_long :] if work[key]]
    return (
        pace[here[0]] * work[here] if is_long and here[0] in pace and here in work else None,
        sum(pace.get(name, 0.0) * work[name, at] for name, at in to_come),
        list(dict.fromkeys(name for name, _ in to_come if name not in pace)),
    )


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
