"""The first screen: the run in one sentence, warnings, and a row of figures."""

from collections.abc import Callable
from typing import Any

from lion.runs.figures import percent
from lion.runs.trust import FLIP_LIMIT

Row = dict[str, Any]


def headline(rows: list[Row], trust: list[Row]) -> str:
    """Return one sentence about the whole run."""
    parts = [_quality(rows), _hard(rows), _order(trust)]
    return f"{'; '.join(part for part in parts if part)}."


def _quality(rows: list[Row]) -> str:
    known = [row for row in rows if row["quality"] is not None]
    if not known:
        return "No student has been judged on the questions yet, so its quality is unknown"
    last, first = known[-1], known[0]
    sentence = f"Round {_number(last)}: {last['quality']:.1f}% of the teacher's quality"
    if last is first:
        return sentence
    return f"{sentence}, {last['quality'] - first['quality']:+.1f} since round {_number(first)}"


def _hard(rows: list[Row]) -> str:
    known = [row for row in rows if row["hard_share"] is not None]
    if not known:
        return "the referee has not examined a student yet"
    share = known[-1]["hard_share"]
    if share == 0:
        return "no instruction is hard any more: the referee cannot tell student from teacher"
    still = "still " if len(known) > 1 else ""
    return f"{100 * share:.0f}% of instructions are {still}hard"


def _order(trust: list[Row]) -> str:
    """How far hard verdicts depend on the order, of the last round with any."""
    known = [row for row in trust if row["role"] == "referee" and row["hard"]]
    if not known:
        return ""
    last = known[-1]
    return f"{last['hard_flips']:,} of {last['hard']:,} hard verdicts depend on the answers' order"


def warnings(rows: list[Row], trust: list[Row]) -> list[str]:
    """Return what a reader should know before trusting the figures."""
    sentences = []
    evaluated = [row["round"] for row in rows if row["quality"] is not None]
    missing = [row["round"] for row in rows if row["quality"] is None]
    if evaluated and missing:
        sentences.append(f"Not evaluated yet: {', '.join(missing)}.")
    if len(rows) == 1:
        sentences.append("Only round 0 has run: imitation of the seeds, without an examination.")
    for row in rows:
        if row["judged"] is not None and row["judged"] < 0.95 * row["asked"]:
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


def _number(row: Row) -> str:
    return str(row["round"])[1:]


def tiles(rows: list[Row], trust: list[Row], tau: float) -> list[Row]:
    """Return label, value and note of the first screen's figures, without the costs."""
    referees = [row for row in trust if row["role"] == "referee"]
    flips = "{round}: {hard_flips:,} of {hard:,} hard, {easy_flips:,} of {easy:,} easy"
    return [
        _tile("relative quality", rows, "quality", "{:.1f}%", _interval),
        _tile("hard share", rows, "hard_share", "{:.1%}", f"{{round}}, tau {tau:g}"),
        _tile("mean gap", rows, "mean_gap", "{:.2f}", "points, teacher minus student"),
        _tile("hard verdicts that depend on order", referees, "hard_flip_share", "{:.1%}", flips),
    ]


def _tile(
    label: str, rows: list[Row], column: str, form: str, note: str | Callable[[Row], str]
) -> Row:
    """Show the last known value of `column`; `note` is a format for its row, or makes one."""
    known = [row for row in rows if row[column] is not None]
    if not known:
        return {"label": label, "value": "unknown", "note": "nothing judged yet"}
    last = known[-1]
    text = note.format(**last) if isinstance(note, str) else note(last)
    return {"label": label, "value": form.format(last[column]), "note": text}


def _interval(row: Row) -> str:
    judged = f"{row['judged']:,} of {row['asked']:,} judged"
    return f"95%: {row['quality_low']:.1f} to {row['quality_high']:.1f}; {judged}"
