"""What follows from a run: one sentence, each from figures."""

from typing import Any

from lion.evaluate.equilibrium import equilibrium
from lion.runs.gain import Gain, gain_between
from lion.runs.run import Tables
from lion.runs.trust import FLIP_LIMIT, trust_rows

Row = dict[str, Any]
_UNREADABLE = 0.1  # share of a referee's replies; with more, another referee is due
_FEW = 20  # hard verdicts; of fewer, the share of flips says little
_SIMILAR = 0.5  # share of drafts that repeat the pool; with more, the seeds are exhausted


def next_step(tables: Tables) -> str:
    """Return what to do after a run: go on, stop, more seeds, or another referee.

    Empty until the last round has been evaluated.
    """
    last = tables.rounds[-1]
    if not tables.evaluated.filter(round=last)["gap"].count():
        return ""
    if doubt := _referee(trust_rows(tables), last):
        return doubt
    if len(tables.rounds) == 1:
        return f"Go on: only the seeds are learnt; {_another(last)}."
    gain = gain_between(tables, tables.rounds[-2], last)
    return "" if gain is None else _by_gain(tables, gain)


def _referee(trust: list[Row], last: str) -> str:
    """Return the doubt about the referee or the judge of round `last`, if there is one."""
    for row in trust:
        if row["round"] != last:
            continue
        role, replies, unreadable = row["role"], row["replies"], row["unreadable"]
        if unreadable > _UNREADABLE * replies:
            return (
                f"Another {role}: {unreadable:,} of its {replies:,} replies in {last} have no "
                f"readable scores; set {role}.model."
            )
        hard, flips = row["hard"], row["hard_flips"]
        if hard >= _FEW and flips > FLIP_LIMIT * hard:
            return (
                f"Another {role}: the answers' order decides {flips:,} of {hard:,} hard verdicts "
                f"in {last}; set {role}.model."
            )
    return ""


def _by_gain(tables: Tables, gain: Gain) -> str:
    before, last = tables.rounds[-2:]
    verb = "gained" if gain.gain >= 0 else "lost"
    figures = (
        f"{last} {verb} {abs(gain.gain):.1f} points on {before} "
        f"(95%: {gain.low:+.1f} to {gain.high:+.1f})"
    )
    if gain.low > 0:
        return f"Go on: {figures}; {_another(last)}."
    if gain.high < 0:
        return f"Stop: {figures}; use the student of {before}."
    drawn = tables.draws.filter(round=last)
    similar = drawn.filter(verdict="too similar").height
    if similar > _SIMILAR * drawn.height:
        return (
            f"More seeds: {figures}, and {similar:,} of {drawn.height:,} drafts repeat the pool; "
            "add varied seeds."
        )
    reviews = tables.reviews.filter(round=last)
    if reviews.height and equilibrium(reviews).reached:
        return f"Stop: {figures}, and the referee can no longer tell student from teacher."
    return f"Stop: {figures}, no more than chance; more questions would tell smaller gains."


def _another(last: str) -> str:
    new = f"r{int(last[1:]) + 1}"
    return f"`dvc exp run -S +rounds.{new}={last}` adds a round"
