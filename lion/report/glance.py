"""The first screen: the run in one sentence, warnings, and answers to five common questions."""

from typing import Any, NamedTuple

import polars as pl

from lion.params import Params
from lion.report.cost import RoleCost, money_of, tokens_of
from lion.runs.figures import percent
from lion.runs.gain import Gain
from lion.runs.trust import AGREEMENT, doubts
from lion.support.text import brief

Row = dict[str, Any]
_NAME = 24  # columns of a category
_NEAR_FLOOR = 1.5  # times the floor: a student below this has learnt next to nothing
_JUDGED = 0.95  # share of pairs; the page warns if fewer are judged


class Headline(NamedTuple):
    """One sentence about the whole run; `quality` is the part that the evaluation explains."""

    quality: str
    rest: str


def headline(rows: list[Row], gains: list[Gain]) -> Headline:
    """Return one sentence about the whole run, which says so if there is no gain."""
    return Headline(_quality(rows), f"{_gain(gains)}; {_hard(rows)}.")


def _quality(rows: list[Row]) -> str:
    if not (known := _known(rows, "quality")):
        return "No student has been judged on the questions yet, so its quality is unknown"
    return f"Round {known[-1]['round'][1:]}: {known[-1]['quality']:.1f}% of the teacher's quality"


def _gain(gains: list[Gain]) -> str:
    if not gains:
        return ""
    first, number = gains[0], gains[0].since[1:]
    if first.is_up:
        return f", {first.gain:+.1f} since round {number}"
    if first.is_down:
        return f": the student got worse, {first.gain:+.1f} since round {number}"
    return f": no gain is shown, {first.gain:+.1f} since round {number} is within chance"


def _hard(rows: list[Row]) -> str:
    if not (known := _known(rows, "hard_share")):
        return "the referee has examined no student"
    last = known[-1]
    pool, examined = last.get("pool") or 0, last.get("examined") or 0
    is_part = examined < _JUDGED * pool
    which = f"the {examined:,} examined instructions" if is_part else "instructions"
    if last["hard_share"] == 0:
        return f"none of {which} is hard" if is_part else "no instruction is hard"
    still = "still " if len(known) > 1 else ""
    return f"{int(100 * last['hard_share'] + 0.5)}% of {which} are {still}hard"


def warnings(rows: list[Row], floor: float | None) -> list[str]:
    """Return what a reader should know before trusting the figures; `floor` is in percent."""
    sentences = []
    evaluated = _known(rows, "quality")
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
    few = [
        f"{row['judged']:,} of {row['asked']:,} in {row['round']}"
        for row in _known(rows, "judged")
        if row["judged"] < _JUDGED * row["asked"]
    ]
    if few:
        sentences.append(f"Not all questions were judged: {', '.join(few)}.")
    return sentences + [
        f"{row['round']}: {percent(row['unjudged_share'])} of rows are unjudged."
        for row in rows
        if (row["unjudged_share"] or 0) > 1 - _JUDGED
    ]


def _known(rows: list[Row], figure: str) -> list[Row]:
    return [row for row in rows if row[figure] is not None]


def _answer(
    question: str, value: str, note: str, link: str = "", *, good: bool | None = None
) -> Row:
    """Return one answer; `good` is None if it is neither good nor bad."""
    mood = {True: "good", False: "bad", None: "plain"}[good]
    return {"question": question, "value": value, "note": note, "link": link, "mood": mood}


def better(rows: list[Row], gains: list[Gain], change: Gain | None) -> Row:
    """Answer 'Did the student get better?', also by the `change` of its loss, without a judge."""
    question = "Did the student get better?"
    if not gains:
        return _answer(question, "Unknown yet", "Fewer than two students have been judged.")
    first, last = gains[0], gains[-1]
    value = f"Not shown: {first.gain:+.1f} points"
    if first.is_shown:
        value = f"{'Yes, by' if first.is_up else 'No, it lost'} {abs(first.gain):.1f} points"
    note = f"{_span(first)}, paired over {first.pairs}."
    if last is not first:
        note += f" Last round: {_span(last)}{'' if last.is_shown else ', within chance'}."
    if change:
        losses = [row["held_out"] for row in _known(rows, "held_out")]
        closer = "closer to" if change.is_down else "farther from"
        means = f"{closer} the teacher" if change.is_shown else "within chance"
        note += (
            f" Loss on the teacher's answers: {losses[0]:.2f}, now {losses[-1]:.2f}, "
            f"{change.gain:+.2f} (95%: {change.low:+.2f} to {change.high:+.2f}), {means}."
        )
    return _answer(question, value, note, "#evaluation", good=first.is_up)


def _span(gain: Gain) -> str:
    return f"{gain.gain:+.1f} since {gain.since} (95%: {gain.low:+.1f} to {gain.high:+.1f})"


def cost(costs: list[RoleCost], params: Params) -> Row:
    """Answer 'At what cost?'."""
    question = "At what cost?"
    if not costs:
        return _answer(question, "Nothing yet", "No requests yet.", "#costs")
    (money, scope), tokens = money_of(costs, params), f"{tokens_of(costs)} tokens"
    replies = f"{sum(cost.requests for cost in costs):,} replies, without the generator's tokens"
    note = f"{scope[0].upper()}{scope[1:]}; {f'{tokens} in ' if money else ''}{replies}."
    return _answer(question, money or tokens, note, "#costs")


def on_what(quality: pl.DataFrame, gains: list[Gain]) -> Row:
    """Answer 'On what?' by the categories in the last round of `quality`, or by the questions."""
    question = "On what?"
    last = quality.filter(pl.col("round") == pl.col("round").max()).drop_nulls("quality")
    if last.height < 2:
        value, note = "Unknown", "Fewer than two categories of questions are judged."
        if gains:
            first = gains[0]
            value = f"Questions: {first.up:,} gained, {first.down:,} lost"
            note = f"Of {first.questions:,}, since {first.since}. {note}"
        return _answer(question, value, note, "#evaluation")
    ordered = [
        f"{brief(name, _NAME)} ({value:.0f}%)"
        for name, value in last.sort("quality").select("category", "quality").iter_rows()
    ]
    note = f"Then {', '.join(ordered[1:3])}. " if len(ordered) > 3 else ""
    strongest = " and ".join(reversed(ordered[-2:] if len(ordered) > 4 else ordered[-1:]))
    return _answer(
        question, f"Weakest: {ordered[0]}", f"{note}Strongest: {strongest}.", "#categories"
    )


def trusted(trust: list[Row], *, is_shared: bool) -> Row:
    """Answer 'Can I trust the referee?'; `is_shared`: one model is teacher, referee and judge."""
    question = "Can I trust the referee?"
    known = [row for row in trust if row["role"] == "referee" and row["judged"]]
    if not known:
        return _answer(question, "Unknown", "It has examined no student.", "#referee")
    last = known[-1]
    reasons = doubts(last)
    if is_shared:
        reasons.append("one model is teacher, referee and judge; models prefer their own answers")
    if last["judged"] < _JUDGED * last["asked"]:
        reasons.append("many pairs are unjudged")
    value = "Only with care" if reasons else "Yes, its hard verdicts hold"
    note = "".join(f"{reason[0].upper()}{reason[1:]}. " for reason in reasons)
    return _answer(question, value, f"{note}{_order(last)}", "#referee", good=not reasons)


def _order(row: Row) -> str:
    """Return the evidence: winners that change with the order, kappa, and judged pairs."""
    counts = [
        f"{row[f'{verdict}_flips']:,} of {row[verdict]:,} {verdict} verdicts"
        for verdict in ("hard", "easy")
        if row[verdict]
    ]
    text = f"The answers' order changes the winner of {' and '.join(counts)}"
    if row["verdict_kappa"] is not None and row["verdict_kappa"] >= AGREEMENT:
        text += f"; kappa of the two orders on hard or easy: {row['verdict_kappa']:.2f}"
    return f"{text}. Judged: {row['judged']:,} of {row['asked']:,} in {row['round']}."


def what_next(step: str) -> Row:
    """Answer 'What next?' by the run's closing sentence `step`: a verdict, a colon, figures."""
    verdict, _, reason = step.partition(": ")
    if not reason:
        return _answer("What next?", "Unknown yet", "No round has been evaluated.")
    good = {"Go on": True, "Stop": None}.get(verdict, False)
    return _answer("What next?", verdict, reason, good=good)
