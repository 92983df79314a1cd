"""The first screen: the run in one sentence, warnings, and five questions that everybody asks."""

from typing import Any, NamedTuple

import polars as pl

from lion.params import Params
from lion.report.cost import RoleCost, money_of, tokens_of
from lion.runs.figures import examined_text, percent
from lion.runs.gain import Gain
from lion.runs.trust import FLIP_LIMIT
from lion.support.text import brief

Row = dict[str, Any]
_NAME = 24  # columns of a category
_NEAR_FLOOR = 1.5  # times the floor: a student below this has learnt next to nothing
_JUDGED = 0.95  # share of pairs; with fewer judged, a reader is warned


class Headline(NamedTuple):
    """One sentence about the whole run; `quality` is the part that the evaluation explains."""

    quality: str
    rest: str

    def __str__(self) -> str:
        return f"{self.quality}{self.rest}"


def headline(rows: list[Row], gains: list[Gain]) -> Headline:
    """Return one sentence about the whole run; a run without a gain reads like one."""
    return Headline(_quality(rows), f"{_gain(gains)}; {_hard(rows)}.")


def _quality(rows: list[Row]) -> str:
    known = _judged(rows)
    if not known:
        return "No student has been judged on the questions yet, so its quality is unknown"
    last = known[-1]
    return f"Round {last['round'][1:]}: {last['quality']:.1f}% of the teacher's quality"


def _gain(gains: list[Gain]) -> str:
    if not gains:
        return ""
    first, number = gains[0], gains[0].since[1:]
    if first.low > 0:
        return f", {first.gain:+.1f} since round {number}"
    if first.high < 0:
        return f": the student got worse, {first.gain:+.1f} since round {number}"
    return f": no gain is shown, {first.gain:+.1f} since round {number} is within chance"


def _hard(rows: list[Row]) -> str:
    known = [row for row in rows if row["hard_share"] is not None]
    if not known:
        return "the referee has not examined a student yet"
    share = known[-1]["hard_share"]
    if share == 0:
        return "no instruction is hard any more: the referee cannot tell student from teacher"
    still = "still " if len(known) > 1 else ""
    return f"{100 * share:.0f}% of instructions are {still}hard"


def warnings(rows: list[Row], trust: list[Row], floor: float | None) -> list[str]:
    """Return what a reader should know before trusting the figures; `floor` is in percent."""
    sentences = []
    evaluated = _judged(rows)
    missing = [row["round"] for row in rows if row["quality"] is None]
    if evaluated and missing:
        sentences.append(f"Not evaluated yet: {', '.join(missing)}.")
    if len(rows) == 1:
        sentences.append("Only round 0 has run: imitation of the seeds, without an examination.")
    if evaluated and floor and (last := evaluated[-1]["quality"]) < _NEAR_FLOOR * floor:
        sentences.append(
            f"{last:.1f}% is close to {floor:.1f}%, which wrong answers score: the student has "
            "learnt next to nothing."
        )
    if examined := examined_text(rows):
        sentences.append(f"{examined} Hard share and gap are theirs.")
    for row in rows:
        if row["judged"] is not None and row["judged"] < _JUDGED * row["asked"]:
            sentences.append(
                f"{row['round']}: only {row['judged']} of {row['asked']} questions were judged."
            )
        if (row["unjudged_share"] or 0) > 0.05:
            share = percent(row["unjudged_share"])
            sentences.append(f"{row['round']}: {share} of rows are unjudged.")
    for row in trust:
        if row["hard"] and row["hard_flips"] > FLIP_LIMIT * row["hard"]:
            sentences.append(
                f"{row['round']}: the answers' order changes the winner in {row['hard_flips']:,} "
                f"of {row['hard']:,} hard verdicts; try another referee."
            )
    return sentences


def _judged(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["quality"] is not None]


def _answer(
    question: str, value: str, note: str, link: str = "", *, good: bool | None = None
) -> Row:
    """Return one answer; `good` is None where it is neither good nor bad."""
    mood = {True: "good", False: "bad", None: "plain"}[good]
    return {"question": question, "value": value, "note": note, "link": link, "mood": mood}


def better(rows: list[Row], gains: list[Gain]) -> Row:
    """Did the student get better? The loss on the teacher's answers, which no judge gave, too."""
    question = "Did the student get better?"
    if not gains:
        return _answer(question, "Unknown yet", "Fewer than two students have been judged.")
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
    losses = [row["held_out"] for row in rows if row["held_out"] is not None]
    if len(losses) > 1:
        note += f" Loss on the teacher's answers: {losses[0]:.2f}, now {losses[-1]:.2f}."
    return _answer(question, value, note, "#evaluation", good=good)


def _span(gain: Gain) -> str:
    return f"{gain.gain:+.1f} since {gain.since} (95%: {gain.low:+.1f} to {gain.high:+.1f})"


def cost(costs: list[RoleCost], params: Params) -> Row:
    """At what cost?"""
    (money, scope), (tokens, replies) = money_of(costs, params), tokens_of(costs)
    note = f"{scope[0].upper()}{scope[1:]}; {tokens} tokens in {replies}."
    return _answer("At what cost?", money or f"{tokens} tokens", note, "#costs")


def on_what(quality: pl.DataFrame) -> Row:
    """On what? `quality` has round, category, quality (percent): the last round counts."""
    question = "On what?"
    last = quality.filter(pl.col("round") == pl.col("round").max()).drop_nulls("quality")
    if last.height < 2:
        return _answer(question, "Unknown", "The questions have no categories.", "#evaluation")
    ordered = [
        f"{brief(name, _NAME)} ({value:.0f}%)"
        for name, value in last.sort("quality").select("category", "quality").iter_rows()
    ]
    note = f"Then {', '.join(ordered[1:3])}. " if len(ordered) > 3 else ""
    strongest = " and ".join(reversed(ordered[-2:] if len(ordered) > 4 else ordered[-1:]))
    return _answer(
        question, f"Weakest: {ordered[0]}", f"{note}Strongest: {strongest}.", "#categories"
    )


def trusted(trust: list[Row], shared_model: str) -> Row:
    """Can I trust the referee?"""
    question = "Can I trust the referee?"
    known = [row for row in trust if row["role"] == "referee" and row["judged"]]
    if not known:
        return _answer(question, "Unknown yet", "It has not examined a student.", "#referee")
    last = known[-1]
    doubts = _doubts(last, shared_model)
    value = f"With care: {doubts[0]}" if doubts else "Yes, its hard verdicts hold"
    return _answer(question, value, _order(last), "#referee", good=not doubts)


def _doubts(row: Row, shared_model: str) -> list[str]:
    """Return what speaks against a referee, the worst first."""
    doubts = []
    if row["hard_flips"] > FLIP_LIMIT * row["hard"]:
        doubts.append(f"the order decides {row['hard_flips']:,} of {row['hard']:,} hard verdicts")
    if row["judged"] < _JUDGED * row["asked"]:
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
        return _answer(question, "Unknown yet", "The last round has not been evaluated.")
    good = {"Go on": True, "Stop": None}.get(verdict, False)
    return _answer(question, verdict, reason, good=good)
