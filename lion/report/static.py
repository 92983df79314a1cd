"""The static page of a run, as the stage `report` writes it: its contents, within a size limit."""

from copy import copy
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import Any

import polars as pl

from lion.params import Params
from lion.report.browse import LATEST, Index, Questions
from lion.report.contents import Contents, contents
from lion.report.marks import Marks
from lion.report.page import render
from lion.runs.identity import identity_of
from lion.runs.run import Places, Tables, with_texts
from lion.support.text import as_json

Row = dict[str, Any]
_QUESTIONS = 4  # questions may take one fourth of the page's limit, instructions the rest


def static_page(
    tables: Tables,
    params: Params,
    places: Places,
    *,
    control: pl.DataFrame | None = None,
    marks: Marks | None = None,
) -> tuple[Contents, str]:
    """Return the contents and the page of a run, which may be light: `places` have the texts."""
    identity = identity_of(tables, params, places)
    run = contents(tables, params, identity, label="this run", control=control, marks=marks)
    index = Index(tables)
    limit = round(params.report.megabytes * 1e6)
    few = limit // _QUESTIONS
    about = index.options() | {"questions": _questions(Questions(tables), few)}
    about |= _instructions(index, places, run.linked, each=params.report.each, limit=limit - few)
    return run, render([run], [about], served=False)


@dataclass
class _Space:
    """The bytes of JSON that are left for a part of the page."""

    left: int

    def takes(self, part: Any) -> bool:
        """Whether `part` fits; if so, take its space."""
        size = len(as_json(part).encode())
        if size > self.left:
            return False
        self.left -= size
        return True


def _instructions(index: Index, places: Places, linked: list[str], *, each: int, limit: int) -> Row:
    """Return details and list rows of some instructions, at most `limit` bytes of JSON.

    Linked ones come first; then the kinds alternate, so that a tight limit shortens all of them.
    """
    kinds = _chosen(index, each)
    turns = chain.from_iterable(zip_longest(*kinds.values()))
    wanted = dict.fromkeys(id for id in chain(linked, turns) if id is not None)
    index, space = _narrowed(index, places, list(wanted)), _Space(limit)
    details: dict[str, Row] = {}
    rows: list[Row] = []
    for id in wanted:
        own = [kind for kind, ids in kinds.items() if id in ids]
        detail, listed = index.detail(id), [row | {"kinds": own} for row in index.rows_of(id)]
        if detail is not None and space.takes([detail, listed]):
            details[id] = detail
            rows += listed
    left_out = len(wanted) - len(details)
    return {"details": details, "rows": rows, "left_out": left_out, "total": index.pool.height}


def _chosen(index: Index, each: int) -> dict[str, list[str]]:
    """Return up to `each` ids of every kind. Ids are hashes, so the lowest are a random sample."""
    latest, change = index.exams[LATEST], pl.col("change")
    kinds = {
        "hardest": latest.drop_nulls("gap").sort("gap", "id", descending=[True, False]),
        "improved": latest.filter(change > 0).sort("change", "id", descending=[True, False]),
        "regressed": latest.filter(change < 0).sort("change", "id"),
        "random": latest.select("id").sort("id"),
    }
    return {kind: rows["id"].head(each).to_list() for kind, rows in kinds.items()}


def _narrowed(index: Index, places: Places, ids: list[str]) -> Index:
    """Return an index of the same pool with its other tables reduced to `ids`, with whole texts."""
    few, own = copy(index), pl.col("id").is_in(ids)
    scores = index.tables.scores.filter(own)
    few.tables = replace(with_texts(index.tables, places, ids), scores=scores)
    few.exams = {name: frame.filter(own) for name, frame in index.exams.items()}
    return few


def _questions(questions: Questions, limit: int) -> Row:
    """Return list rows and details of the questions, at most `limit` bytes of JSON.

    Rows may use half of it. The questions whose score moved most come first.
    """
    space = _Space(limit // 2)
    rows = [row for row in sorted(questions.rows, key=_interest) if space.takes(row)]
    space.left += limit - limit // 2
    details = ((row["id"], questions.detail(row["id"])) for row in rows)
    kept = {id: detail for id, detail in details if space.takes({id: detail})}
    return {"rows": rows, "details": kept, "total": questions.total}


def _interest(row: Row) -> tuple[float, float, str]:
    """Sort by how far the last round moved the score, then by how low it is."""
    student = row["student"]
    return (-abs(row["moved"] or 0.0), 11.0 if student is None else student, row["id"])
