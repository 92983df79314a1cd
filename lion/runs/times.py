"""How long a run took, as the store of replies and the clocks of its student remember it.

Times differ whenever a run is repeated, so no table of a run has them. They lie in .lion/, which
all runs of a project share: what cannot be told apart from another run's is not told at all.
"""

from pathlib import Path

import polars as pl

from lion.chat.store import Store
from lion.runs.cost import Cost
from lion.runs.run import Tables
from lion.support.clock import FOLDER
from lion.support.errors import LionError

# Seconds by 'ask r1 referee' and 'train r1'; tokens a second by 'speed r1'.
Times = dict[str, float]
Spans = dict[tuple[str, str], list[tuple[float, float]]]  # by round and role: sent, received
PAUSE = 60.0  # seconds without a request or a reply after which nobody was asking any more


def times_of(tables: Tables, spent: list[Cost], home: Path) -> Times:
    """What is known; also the sums of 'ask', 'answer' and 'train', and of all three as 'total'."""
    spans = _spans(home / "replies.sqlite")
    found = _asking(spent, spans) | _training(tables, home / FOLDER)
    found |= _answering(tables, home / FOLDER, spans)
    if {"ask", "answer", "train"} <= found.keys():
        found["total"] = found["ask"] + found["answer"] + found["train"]
    return {key: round(value, 3) for key, value in found.items()}


def _training(tables: Tables, folder: Path) -> Times:
    """A clock's steps are those of this run if they learnt as many tokens, each of them."""
    found: Times = {}
    rounds = tables.losses["round"].unique(maintain_order=True).to_list()
    for name in rounds:
        clock = _clock(folder / f"{name}.csv", "step")
        steps = tables.losses.filter(round=name).select("step", "tokens")
        if clock is None or not clock.select("step", "tokens").equals(steps):
            continue
        timed = clock.drop_nulls("seconds")  # steps of before a restart have no time
        if seconds := float(timed["seconds"].sum()):
            found[f"speed {name}"] = int(timed["tokens"].sum()) / seconds
            if timed.height == clock.height:
                found[f"train {name}"] = seconds
    whole = [found[f"train {name}"] for name in rounds if f"train {name}" in found]
    return found | ({"train": sum(whole)} if whole and len(whole) == len(rounds) else {})


def _answering(tables: Tables, folder: Path, spans: Spans) -> Times:
    """The students' answers to the cache pool, all rounds together.

    A clock's answers are those of this run if they are as many, of as many tokens. Those of a
    server are in the store.
    """
    total = 0.0
    for name in tables.responses["round"].unique(maintain_order=True):
        clock = _clock(folder / f"answers-{name}.csv", "answers")
        said = tables.responses.filter(round=name)["completion_tokens"]
        served = spans.get((name, "student"), [])
        if clock is not None and clock.drop("seconds").rows() == [(len(said), said.sum())]:
            total += float(clock["seconds"].sum())
        elif 0 < len(served) <= len(said):
            total += busy_seconds(served)
        else:
            return {}
    return {"answer": total}


def _clock(path: Path, unit: str) -> pl.DataFrame | None:
    types = {unit: pl.Int64, "tokens": pl.Int64, "seconds": pl.Float64}
    try:
        return pl.read_csv(path, columns=list(types), schema_overrides=types)
    except (OSError, pl.exceptions.PolarsError):
        return None


def _asking(spent: list[Cost], spans: Spans) -> Times:
    """More replies than this run has are another run's too; fewer were had before, for nothing."""
    both = [(cost, spans.get((cost.round, cost.role), [])) for cost in spent]
    found = {
        f"ask {cost.round} {cost.role}": busy_seconds(own)
        for cost, own in both
        if 0 < len(own) <= cost.requests
    }
    mixed = any(len(own) > cost.requests for cost, own in both)
    most = 2 * sum(len(own) for _, own in both) > sum(cost.requests for cost in spent)
    return found | ({"ask": sum(found.values())} if most and not mixed else {})


def _spans(path: Path) -> Spans:
    """When requests went out and their replies came, by round and role."""
    if not path.exists():
        return {}
    query = (
        "SELECT l.round, l.role, r.received - r.seconds, r.received"
        " FROM replies r JOIN ledger l ON l.id = r.entry"
    )
    try:
        with Store(path) as store, store.reading() as database:
            rows = database.execute(query).fetchall()
    except LionError:
        return {}  # a store that cannot be read says nothing; it is no reason to have no page
    spans: Spans = {}
    for name, role, start, end in rows:
        spans.setdefault((name, role), []).append((start, end))
    return spans


def busy_seconds(spans: list[tuple[float, float]]) -> float:
    """Seconds that spans (start, end) cover, pauses of up to PAUSE between them included."""
    frame = pl.DataFrame(spans, schema=["start", "end"], orient="row").sort("start")
    so_far = pl.col("end").cum_max()
    idle = pl.col("start") - so_far.shift(1)
    worked = frame.select(
        pl.col("end").max() - pl.col("start").min() - idle.filter(idle > PAUSE).sum()
    )
    return float(worked.item())
