"""Marks of verdicts in `lion view`: their file, their agreement, and which verdicts to mark."""

import fcntl
import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import polars as pl
from pydantic import Field

from lion.evaluate.human import MARK, agreements, read_marks
from lion.evaluate.quality import leads_by_order
from lion.params.record import Record
from lion.report.details import excerpt
from lion.runs.run import Tables
from lion.support.errors import InputError
from lion.support.text import brief

Row = dict[str, Any]
_WANTED = 20  # verdicts to look at
_NAME = 60


class Mark(Record):
    """One person's opinion on one verdict, as the page sends it."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    round: Annotated[str, Field(pattern=r"^r\d{1,9}$")]
    right: bool
    by: Annotated[str, Field(min_length=1, max_length=_NAME)]


class Marks:
    """The JSONL file of marks, one a line; a person's last mark on a verdict counts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> pl.DataFrame:
        """Return all marks (MARK); InputError for a damaged file."""
        return read_marks(self._path) if self._path.exists() else pl.DataFrame(schema=MARK)

    def add(self, mark: Mark, tables: Tables) -> None:
        """Append a mark to the file; InputError if the run has no such verdict."""
        verdicts = tables.scores.filter(id=mark.id, round=mark.round)["verdict"]
        if not verdicts.len() or verdicts[0] == "unjudged":
            raise InputError(f"{brief(mark.id, _NAME)}: no verdict of {mark.round} to mark.")
        when = datetime.now(UTC).isoformat(timespec="seconds")
        row = mark.model_dump() | {"verdict": verdicts[0], "when": when}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n"
        with self._path.open("a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # two windows may mark at once
            file.write(line)

    def written(self, tables: Tables) -> Row:
        """Return the static page's part: the agreement, the marks, and those that disagree."""
        marks = self.rows()
        own = tables.pool.join(marks, on="id", how="semi")
        texts = {row["id"]: excerpt(row) for row in own.iter_rows(named=True)}
        latest = marks.unique(["id", "round", "by"], keep="last", maintain_order=True)
        shown = latest.filter(pl.col("id").is_in(list(texts))).drop("when").to_dicts()
        wrong = [row | {"text": texts[row["id"]]} for row in shown if not row["right"]]
        return {"agreement": _agreement(marks), "marks": shown, "wrong": wrong[:_WANTED]}

    def summary(self, tables: Tables, tau: float) -> Row:
        """Return the served page's part: user, agreement, marks, and verdicts to mark next."""
        marks = self.rows()
        return {
            "by": brief(getpass.getuser(), _NAME),
            "agreement": _agreement(marks),
            "marks": marks.select("id", "round", "right", "by").to_dicts(),
            "wanted": wanted(tables, marks, tau),
        }


def _agreement(marks: pl.DataFrame) -> list[str]:
    return [str(agreement) for agreement in agreements(marks)]


def wanted(tables: Tables, marks: pl.DataFrame, tau: float) -> list[Row]:
    """Return the verdicts of the last examination that are most worth marking.

    Half are doubtful: their gap is closest to tau, relative to the difference between the orders.
    Half are random (the lowest ids are, being hashes), to do the referee justice.
    """
    scores = tables.scores.drop_nulls("gap")
    last = scores.filter(pl.col("round") == scores["round"].last()) if scores.height else scores
    fresh = last.join(marks, on=["id", "round"], how="anti")
    reviews = tables.reviews.join(fresh.select("id", "round"), on=["id", "round"], how="semi")
    noise = (pl.col("teacher_first") - pl.col("student_first")).abs()
    doubt = leads_by_order(reviews).select("id", noise=noise)
    rows = fresh.join(doubt, on="id", how="left").with_columns(
        doubt=(pl.col("gap") - tau).abs() / (pl.col("noise").fill_null(0) + 0.5)
    )
    doubtful = rows.sort("doubt", "id").head(_WANTED // 2)
    rest = rows.join(doubtful, on="id", how="anti").sort("id").head(_WANTED - doubtful.height)
    texts = tables.pool.unique("id", keep="first").drop("round")
    shown = pl.concat([doubtful, rest]).join(texts, on="id", maintain_order="left")
    return [
        {name: row[name] for name in ("id", "round", "verdict")} | {"text": excerpt(row)}
        for row in shown.iter_rows(named=True)
    ]
