"""A person's marks of a referee's verdicts as right or wrong, and how often the two agree."""

from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import polars as pl

from lion.evaluate.statistics import DEVIATIONS, Interval
from lion.pools.tables import Schema
from lion.support.errors import InputError
from lion.support.text import brief, visible

MARK: Schema = {
    "by": pl.String,  # who marked
    "id": pl.String,  # of the instruction
    "right": pl.Boolean,
    "round": pl.String,  # of the examination
    "verdict": pl.String,  # the referee's, when it was marked: hard | easy
    "when": pl.String,  # ISO 8601, UTC
}
_YES = ("true", "1", "yes", "right")
_NO = ("false", "0", "no", "wrong")
_NAME = 60  # columns of a name that are shown


@dataclass(frozen=True)
class Agreement:
    """How often a person finds the referee's verdicts right; `share` is in percent."""

    by: str
    verdict: str  # hard | easy | all
    marks: int
    right: int
    share: Interval

    def __str__(self) -> str:
        kind = "" if self.verdict == "all" else f"{self.verdict} "
        return (
            f"{self.by}: the referee is right in {self.right:,} of {self.marks:,} {kind}verdicts, "
            f"{self.share.value:.0f}% (95%: {self.share.low:.0f} to {self.share.high:.0f})"
        )


def agreements(marks: pl.DataFrame) -> list[Agreement]:
    """Return each person's agreement on all, hard and easy verdicts; only a last mark counts."""
    keyed = marks.with_row_index("row").with_columns(
        pl.coalesce("id", pl.format("row {}", "row")).alias("id")
    )
    last = keyed.unique(["by", "id", "round"], keep="last", maintain_order=True)
    results = []
    for (name,), rows in last.group_by("by", maintain_order=True):
        for verdict in ("all", "hard", "easy"):
            own = rows if verdict == "all" else rows.filter(verdict=verdict)
            count, right = own.height, int(own["right"].sum())
            if count:
                share = wilson(right, count).scaled(100)
                results.append(Agreement(str(name), verdict, count, right, share))
    return results


def wilson(successes: int, trials: int) -> Interval:
    """Return a share with Wilson's 95% interval, which also holds for few trials."""
    share = successes / trials
    square = DEVIATIONS**2
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    variance = share * (1 - share) / trials + square / (4 * trials**2)
    half = DEVIATIONS * sqrt(variance) / (1 + square / trials)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def read_marks(path: Path) -> pl.DataFrame:
    """Read marks (MARK) as `read_mark_rows` does, without the rows that nobody marked."""
    return read_mark_rows(path).drop_nulls("right")


def read_mark_rows(path: Path) -> pl.DataFrame:
    """Read marks (MARK) from JSONL or CSV; InputError says which columns are missing.

    The file needs a column `right`, or columns `person` and `referee` with their verdicts. `by`,
    `id`, `round` and `verdict` are optional. `right` is null where the person's cell is empty.
    """
    try:
        if path.suffix == ".csv":
            frame = pl.read_csv(path, infer_schema=False)
        elif not path.read_bytes().strip():
            return pl.DataFrame(schema=MARK)
        else:
            frame = pl.read_ndjson(path, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path}: not a table of marks: {str(error).splitlines()[0]}") from None
    if "right" not in frame.columns and not {"person", "referee"} <= {*frame.columns}:
        raise InputError(
            f"{path}: marks need a column `right` (true or false), or columns `person` and "
            f"`referee` with their verdicts; found {', '.join(map(visible, frame.columns))}."
        )
    rows = enumerate(frame.iter_rows(named=True), start=1)
    marks = [_mark(row, path.stem, f"{path}, row {number}") for number, row in rows]
    return pl.DataFrame(marks, schema=MARK, orient="row")


def _mark(row: dict[str, Any], name: str, place: str) -> dict[str, Any]:
    verdict = row.get("verdict", row.get("referee"))
    return {
        **{key: None if row.get(key) is None else str(row[key]) for key in ("id", "round", "when")},
        "by": brief(str(row.get("by") or name), _NAME),
        "right": _right(row, place),
        "verdict": None if verdict is None else _word(verdict),
    }


def _right(row: dict[str, Any], place: str) -> bool | None:
    """Return whether the person finds the verdict right; None if the person's cell is empty."""
    if "right" in row:
        word = _word(row["right"])
        if word and word not in _YES + _NO:
            raise InputError(f"{place}: right is {visible(word)!r}; write true or false.")
        return word in _YES if word else None
    person, referee = _word(row["person"]), _word(row["referee"])
    if person and not referee:
        raise InputError(f"{place}: the person's verdict has no referee's beside it; add that.")
    return person == referee if person else None


def _word(cell: object) -> str:
    return "" if cell is None else str(cell).strip().lower()
