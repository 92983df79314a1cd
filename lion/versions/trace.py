"""The whole life of one instruction, from the tables of a run."""

from typing import Any

import polars as pl

from lion.pools.instructions import instruction_id
from lion.pools.tables import ACCEPTED
from lion.runs.run import Tables
from lion.support.errors import InputError
from lion.support.text import brief

Row = dict[str, Any]
_SHORTEST = 4  # digits of an id's beginning; fewer may be a word
_CHOICES = 4  # matches that an error names
_TEXT = 40


def trace(tables: Tables, query: str) -> Row:
    """The life of the one instruction, or rejected draft, that `query` means.

    `query` is an id, the beginning of one, a part of the text or words in it; InputError unless it
    means one.
    """
    drafts = _rejected(tables)
    id = _found(tables, drafts, query)
    known = _instruction(tables, id)
    rejected = drafts.filter(id=id)
    return {
        "id": id,
        **(known or {"instruction": rejected["instruction"][0], "input": ""}),
        "ancestors": _ancestors(tables, known["parent"] if known else rejected["parent"][0]),
        "children": tables.pool.filter(parent=id).select("id", "round", "instruction").to_dicts(),
        "train_pools": tables.pool.filter(id=id)["round"].to_list(),
        "replayed": tables.replays.filter(id=id)["round"].to_list(),
        "cache_pools": _from(tables.rounds, known["round"]) if known else [],
        "answer": _only(tables.answers.filter(id=id).drop("id")),
        "examinations": _examinations(tables, id),
        "drafts": _outcomes(tables.draws.filter(parent=id)),
        "rejected": [_rejection(tables, row) for row in rejected.to_dicts()],
    }


def _found(tables: Tables, drafts: pl.DataFrame, query: str) -> str:
    wanted = query.strip().lower()
    rows = pl.concat(
        [tables.pool.select("id", "instruction", "input"), _texts(drafts)], how="vertical"
    ).unique("id", keep="first", maintain_order=True)
    text = pl.concat_str("instruction", pl.lit(" "), "input").str.to_lowercase()
    words = [text.str.contains(word, literal=True) for word in wanted.split()]
    matches = pl.DataFrame(schema=rows.schema)
    if len(wanted) >= _SHORTEST:
        matches = rows.filter(pl.col("id").str.starts_with(wanted))
    for means in (text.str.contains(wanted, literal=True), pl.all_horizontal(words or [False])):
        if wanted and matches.is_empty():
            matches = rows.filter(means)
    if matches.is_empty():
        raise InputError(f"{query!r}: no instruction of this run has such an id or text")
    if matches.height > 1:
        raise InputError(f"{query!r} means {matches.height:,} instructions: {_named(matches)}")
    return str(matches["id"][0])


def _named(matches: pl.DataFrame) -> str:
    some = [
        f"{row['id']} ({brief(row['instruction'], _TEXT)})"
        for row in matches.head(_CHOICES).iter_rows(named=True)
    ]
    more = ", ..." if matches.height > _CHOICES else ""
    return f"{', '.join(some)}{more}; give one id, or more of the text"


def _rejected(tables: Tables) -> pl.DataFrame:
    """The generator's drafts that joined no pool, with the id that they would have had."""
    drafts = tables.draws.filter(pl.col("verdict") != ACCEPTED)
    ids = [instruction_id(text, "") for text in drafts["instruction"]]
    return drafts.with_columns(id=pl.Series(ids, dtype=pl.String))


def _texts(drafts: pl.DataFrame) -> pl.DataFrame:
    return drafts.select("id", "instruction", input=pl.lit(""))


def _instruction(tables: Tables, id: str | None) -> Row | None:
    """Text, origin, parent and round."""
    return _only(tables.pool.filter(id=id).drop("id")) if id else None


def _only(frame: pl.DataFrame) -> Row | None:
    return frame.row(0, named=True) if frame.height else None


def _ancestors(tables: Tables, parent: str | None) -> list[Row]:
    """Parent, its parent, and so on up to the seed; no more than there are rounds."""
    line: list[Row] = []
    for _ in tables.rounds:
        row = _instruction(tables, parent)
        if row is None:
            break
        names = ("origin", "round", "instruction", "input")
        line.append({"id": parent, **{name: row[name] for name in names}})
        parent = row["parent"]
    return line


def _from(rounds: list[str], first: str) -> list[str]:
    return rounds[rounds.index(first) :] if first in rounds else []


def _examinations(tables: Tables, id: str) -> list[Row]:
    """What each examination saw: the student's answer, both orders, scores, verdict."""
    before = dict(zip(tables.rounds[1:], tables.rounds, strict=False))
    responses, reviews, scores = (
        frame.filter(id=id).drop("id")
        for frame in (tables.responses, tables.reviews, tables.scores)
    )
    return [
        {
            "round": response["round"],
            "by": before[response["round"]],
            "response": response["answer"],
            "finish_reason": response["finish_reason"],
            "reviews": reviews.filter(round=response["round"]).drop("round").to_dicts(),
            **(_only(scores.filter(round=response["round"]).drop("round")) or {"verdict": None}),
        }
        for response in responses.to_dicts()
    ]


def _outcomes(draws: pl.DataFrame) -> dict[str, int]:
    """What became of the drafts that this instruction inspired."""
    return dict(draws["verdict"].value_counts(sort=True).iter_rows())


def _rejection(tables: Tables, row: Row) -> Row:
    nearest = _instruction(tables, row["nearest"]) or _only(
        tables.questions.filter(id=row["nearest"] or "")
    )
    return {
        **{name: row[name] for name in ("round", "draw", "origin", "parent", "similarity")},
        "reason": row["verdict"],
        "nearest": row["nearest"],
        "nearest_text": nearest["instruction"] if nearest else None,
    }
