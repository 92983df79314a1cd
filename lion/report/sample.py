"""The instructions that the static page carries, within its size limit."""

from dataclasses import replace
from itertools import chain, zip_longest
from typing import Any

import polars as pl

from lion.report.browse import LATEST, Index
from lion.runs.composition import most_common
from lion.support.text import as_json

Row = dict[str, Any]
_CATEGORIES = 100  # in the filter
KINDS = {
    "hardest": "the hardest",
    "improved": "the most improved",
    "regressed": "the worst regressions",
    "random": "a random part",
}


def chosen(index: Index, each: int) -> dict[str, list[str]]:
    """Return up to `each` ids of every kind. Ids are hashes, so the lowest are a random part."""
    latest = index.exams[LATEST]
    judged = latest.drop_nulls("gap")
    moved = latest.drop_nulls("change")

    def top(frame: pl.DataFrame, by: str, *, down: bool) -> list[str]:
        ordered = frame.sort(by, "id", descending=[down, False])
        return ordered["id"].head(each).to_list()

    return {
        "hardest": top(judged, "gap", down=True),
        "improved": top(moved.filter(pl.col("change") > 0), "change", down=True),
        "regressed": top(moved.filter(pl.col("change") < 0), "change", down=False),
        "random": latest["id"].sort().head(each).to_list(),
    }


def _narrowed(index: Index, ids: list[str]) -> Index:
    """The same pool with the other tables reduced to `ids`, for quick lookups."""
    tables = index.tables
    names = ("answers", "responses", "reviews", "scores")
    few = {name: getattr(tables, name).filter(pl.col("id").is_in(ids)) for name in names}
    return Index(replace(tables, **few))


def sample(index: Index, linked: list[str], *, each: int, limit: int) -> Row:
    """Return details and list rows of the chosen instructions, at most `limit` bytes of JSON.

    Instructions that the page links to come first. The kinds take turns, so that a tight limit
    shortens all of them; `left_out` counts those that did not fit.
    """
    kinds = chosen(index, each)
    turns = chain.from_iterable(zip_longest(*kinds.values()))
    wanted = dict.fromkeys(id for id in chain(linked, turns) if id is not None)
    index = _narrowed(index, list(wanted))
    details: dict[str, Row] = {}
    rows: list[Row] = []
    used = left_out = 0
    for id in wanted:
        own = [kind for kind, ids in kinds.items() if id in ids]
        detail, listed = index.detail(id), index.rows_of(id)
        new = [{**row, "kinds": own} for row in listed]
        size = len(as_json([detail, new]).encode())
        if detail is None or used + size > limit:
            left_out += 1
            continue
        used += size
        details[id] = detail
        rows += new
    return {"details": details, "rows": rows, "left_out": left_out, "total": index.pool.height}


def offer(index: Index) -> Row:
    """Return the options of the filters of a run's list."""
    return {
        "exams": list(index.exams),
        "rounds": index.tables.rounds,
        "categories": most_common(index.pool["category"], _CATEGORIES),
    }
