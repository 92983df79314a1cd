"""The conclusion of a run: one sentence on what to do next, based on its figures."""

from lion.evaluate.equilibrium import equilibrium
from lion.runs.gain import Gain, gain_between
from lion.runs.run import Tables
from lion.runs.trust import doubts, trust_rows

_SIMILAR = 0.5  # share of drafts that repeat the pool; above it, the seeds are exhausted


def next_step(tables: Tables, tau: float | None) -> str:
    """Return what to do after the last evaluated round: go on, stop, more seeds, another referee.

    Empty until a round has been evaluated. Without `tau` nothing is said about how well the two
    orders agree on which instructions are hard.
    """
    rounds = tables.judged_rounds
    if not rounds:
        return ""
    for row in trust_rows(tables, tau):
        if row["round"] == rounds[-1] and (reasons := doubts(row)):
            return f"Another {row['role']}: {reasons[0]}; set {row['role']}.model."
    if rounds == tables.rounds[:1]:
        return f"Go on: only the seeds are learnt; {_another(tables, rounds[-1])}."
    gain = gain_between(tables, *rounds[-2:]) if len(rounds) > 1 else None
    return "" if gain is None else _by_gain(tables, gain, rounds[-1])


def _by_gain(tables: Tables, gain: Gain, last: str) -> str:
    before = gain.since
    verb = "gained" if gain.gain >= 0 else "lost"
    figures = (
        f"{last} {verb} {abs(gain.gain):.1f} points on {before} "
        f"(95%: {gain.low:+.1f} to {gain.high:+.1f})"
    )
    if gain.is_up:
        return f"Go on: {figures}; {_another(tables, last)}."
    if gain.is_down:
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
    return f"Stop: {figures}, which is within chance; more questions would show smaller gains."


def _another(tables: Tables, last: str) -> str:
    if last != tables.rounds[-1]:
        return f"{tables.rounds[tables.rounds.index(last) + 1]} is not evaluated yet"
    new = f"r{int(last[1:]) + 1}"
    return f"`dvc exp run -S +rounds.{new}={last}` adds a round"
