"""The first lines of the page: the run in one sentence, and warnings."""

from typing import Any, NamedTuple

from lion.runs.figures import examined_text, percent
from lion.runs.gain import Gain
from lion.runs.trust import FLIP_LIMIT

Row = dict[str, Any]
_NEAR_FLOOR = 1.5  # times the floor: a student below this has learnt next to nothing


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
    known = [row for row in rows if row["quality"] is not None]
    if not known:
        return "No student has been judged on the questions yet, so its quality is unknown"
    last = known[-1]
    return f"Round {_number(last)}: {last['quality']:.1f}% of the teacher's quality"


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
    evaluated = [row["round"] for row in rows if row["quality"] is not None]
    missing = [row["round"] for row in rows if row["quality"] is None]
    if evaluated and missing:
        sentences.append(f"Not evaluated yet: {', '.join(missing)}.")
    if len(rows) == 1:
        sentences.append("Only round 0 has run: imitation of the seeds, without an examination.")
    if evaluated and floor and (last := _last_quality(rows)) < _NEAR_FLOOR * floor:
        sentences.append(
            f"{last:.1f}% is close to {floor:.1f}%, which wrong answers score: the student has "
            "learnt next to nothing."
        )
    if examined := examined_text(rows):
        sentences.append(f"{examined} Hard share and gap are theirs.")
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


def _last_quality(rows: list[Row]) -> float:
    return float([row["quality"] for row in rows if row["quality"] is not None][-1])


def _number(row: Row) -> str:
    return str(row["round"])[1:]
