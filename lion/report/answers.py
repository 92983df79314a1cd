"""The first screen: five questions that everybody asks of a run, each answered in a few words."""

from typing import Any

import polars as pl

from lion.params import Params
from lion.report.cost import RoleCost, cost_tiles
from lion.runs.gain import Gain
from lion.runs.trust import FLIP_LIMIT
from lion.support.text import brief

Row = dict[str, Any]
_NAME = 24  # columns of a category


def answer(
    question: str, value: str, note: str, link: str = "", *, good: bool | None = None
) -> Row:
    """Return one answer; `good` is None where it is neither good nor bad."""
    mood = {True: "good", False: "bad", None: "plain"}[good]
    return {"question": question, "value": value, "note": note, "link": link, "mood": mood}


def better(gains: list[Gain]) -> Row:
    """Did the student get better?"""
    question = "Did the student get better?"
    if not gains:
        return answer(question, "Unknown yet", "Fewer than two students have been judged.")
    first, last = gains[0], gains[-1]
    if first.low > 0:
        value, good = f"Yes, by {first.gain:.1f} points", True
    elif first.high < 0:
        value, good = f"No, it lost {-first.gain:.1f} points", False
    else:
        value, good = f"Not shown: {first.gain:+.1f} points", False
    note = f"{_span(first)}, paired over {first.questions:,} questions."
    if last is not first:
        note += f" Last round: {_span(last)}{'' if last.is_shown else ', within chance'}."
    return answer(question, value, note, "#evaluation", good=good)


def _span(gain: Gain) -> str:
    return f"{gain.gain:+.1f} since {gain.since} (95%: {gain.low:+.1f} to {gain.high:+.1f})"


def cost(costs: list[RoleCost], params: Params) -> Row:
    """At what cost?"""
    money, tokens = cost_tiles(costs, params)
    value = f"{tokens['value']} tokens" if money["value"] == "0" else str(money["value"])
    note = f"{money['note']}; {tokens['value']} tokens in {tokens['note']}"
    return answer("At what cost?", value, f"{note[0].upper()}{note[1:]}.", "#costs")


def on_what(quality: pl.DataFrame) -> Row:
    """On what? `quality` has round, category, quality (percent): the last round counts."""
    question = "On what?"
    last = quality.filter(pl.col("round") == pl.col("round").max()).drop_nulls("quality")
    if last.height < 2:
        return answer(question, "Unknown", "The questions have no categories.", "#evaluation")
    ordered = [
        f"{brief(name, _NAME)} ({value:.0f}%)"
        for name, value in last.sort("quality").select("category", "quality").iter_rows()
    ]
    note = f"Then {', '.join(ordered[1:3])}. " if len(ordered) > 3 else ""
    strongest = " and ".join(reversed(ordered[-2:] if len(ordered) > 4 else ordered[-1:]))
    return answer(
        question, f"Weakest: {ordered[0]}", f"{note}Strongest: {strongest}.", "#categories"
    )


def trusted(trust: list[Row], shared_model: str) -> Row:
    """Can I trust the referee?"""
    question = "Can I trust the referee?"
    known = [row for row in trust if row["role"] == "referee" and row["judged"]]
    if not known:
        return answer(question, "Unknown yet", "It has not examined a student.", "#referee")
    last = known[-1]
    doubts = _doubts(last, shared_model)
    value = f"With care: {doubts[0]}" if doubts else "Yes, its hard verdicts hold"
    return answer(question, value, _order(last), "#referee", good=not doubts)


def _doubts(row: Row, shared_model: str) -> list[str]:
    """Return what speaks against a referee, the worst first."""
    doubts = []
    if row["hard_flips"] > FLIP_LIMIT * row["hard"]:
        doubts.append("the order decides many hard verdicts")
    if row["judged"] < 0.95 * row["asked"]:
        doubts.append("many pairs are unjudged")
    if shared_model:
        doubts.append(f"{shared_model} judges its own answers")
    return doubts


def _order(row: Row) -> str:
    """The evidence: hard and easy verdicts that depend on the order, agreement, pairs judged."""
    text = f"{row['hard_flips']:,} of {row['hard']:,} hard verdicts depend on the answers' order"
    if row["easy"]:
        near = " (near-ties)" if row["hard_flips"] <= FLIP_LIMIT * row["hard"] else ""
        text += f", {row['easy_flips']:,} of {row['easy']:,} easy ones do{near}"
    if row["verdict_kappa"] is not None:
        text += f"; the two orders agree on hard or easy with kappa {row['verdict_kappa']:.2f}"
    return f"{text}. Judged: {row['judged']:,} of {row['asked']:,} in {row['round']}."


def what_next(step: str) -> Row:
    """What next? `step` is the run's closing sentence: a verdict, a colon, and its figures."""
    question = "What next?"
    verdict, _, reason = step.partition(": ")
    if not reason:
        return answer(question, "Unknown yet", "The last round has not been evaluated.")
    good = {"Go on": True, "Stop": None}.get(verdict, False)
    return answer(question, verdict, reason, good=good)
