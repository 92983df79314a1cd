"""What the figures say, in plain words."""

from typing import Any

from lion.runs.figures import percent

Row = dict[str, Any]


def headline(rows: list[Row]) -> str:
    """One sentence for the whole run, from the rows of its rounds."""
    parts = [_quality(rows), _hard(rows), _flips(rows)]
    told = "; ".join(part for part in parts if part)
    return f"{told}."


def _quality(rows: list[Row]) -> str:
    known = [row for row in rows if row["quality"] is not None]
    if not known:
        return "No student has been judged on the questions yet, so its quality is unknown"
    last, first = known[-1], known[0]
    told = f"Round {_number(last)}: {last['quality']:.1f}% of the teacher's quality"
    if last is first:
        return told
    return f"{told}, {last['quality'] - first['quality']:+.1f} since round {_number(first)}"


def _hard(rows: list[Row]) -> str:
    known = [row for row in rows if row["hard_share"] is not None]
    if not known:
        return "the referee has examined nobody yet"
    share = known[-1]["hard_share"]
    if share == 0:
        return "no instruction is hard any more: the referee cannot tell student from teacher"
    still = "still " if len(known) > 1 else ""
    return f"{100 * share:.0f}% of instructions are {still}hard"


def _flips(rows: list[Row]) -> str:
    known = [row for row in rows if row["flip_share"] is not None]
    return (
        f"the referee's order flips {100 * known[-1]['flip_share']:.0f}% of verdicts"
        if known
        else ""
    )


def warnings(rows: list[Row]) -> list[str]:
    """What the reader should know before trusting the figures."""
    told = []
    done = [row["round"] for row in rows if row["quality"] is not None]
    lacking = [row["round"] for row in rows if row["quality"] is None]
    if done and lacking:
        told.append(f"Not evaluated yet: {', '.join(lacking)}.")
    if len(rows) == 1:
        told.append("Only round 0 has been played: imitation of the seeds, no examination.")
    for row in rows:
        if row["judged"] is not None and row["judged"] < 0.95 * row["asked"]:
            told.append(
                f"{row['round']}: {row['judged']} of {row['asked']} questions could be judged."
            )
        if (row["unjudged_share"] or 0) > 0.05:
            told.append(f"{row['round']}: {percent(row['unjudged_share'])} of rows are unjudged.")
    return told


def _number(row: Row) -> str:
    return str(row["round"])[1:]
