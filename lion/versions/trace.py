"""The history of one instruction in the tables of a run, as a record and as text."""

from collections.abc import Iterator
from textwrap import indent
from typing import Any

import polars as pl

from lion.pools.instructions import context_of, draft_id, task_text
from lion.pools.tables import ACCEPTED
from lion.report.details import ancestors, examinations
from lion.runs.run import Tables
from lion.support.errors import InputError
from lion.support.text import brief, visible

Row = dict[str, Any]
_SHORTEST = 4  # digits of an id prefix; fewer could be a word
_CHOICES = 4  # matches that an error names
_TEXT = 40
_WIDTH = 88
_CHILDREN = 10


def trace(tables: Tables, query: str) -> Row:
    """Return the history of the one instruction, or rejected draft, that matches `query`.

    `query` is an id, the beginning of one, part of the text, or words in it. InputError unless
    exactly one instruction matches.
    """
    drafts = _rejected(tables)
    id = _match(tables, drafts, query)
    known = _first(tables.pool.filter(id=id).drop("id"))
    rejected = drafts.filter(id=id).to_dicts()
    text = known or {name: rejected[0][name] for name in ("instruction", "system")}
    parent = known["parent"] if known else rejected[0]["parent"]
    names = ("id", "origin", "round", "instruction", "input")
    own = (frame.filter(id=id) for frame in (tables.responses, tables.reviews, tables.scores))
    before = dict(zip(tables.rounds[1:], tables.rounds, strict=False))
    return {
        "id": id,
        **({} if known else {"input": "", "turns": None}),
        **text,
        "ancestors": [
            {name: row[name] for name in names}
            for row in ancestors(tables.pool, parent, len(tables.rounds))
        ],
        "children": tables.pool.filter(parent=id).select("id", "round", "instruction").to_dicts(),
        "train_pools": tables.pool.filter(id=id)["round"].to_list(),
        "replayed": tables.replays.filter(id=id)["round"].to_list(),
        "cache_pools": tables.rounds[tables.rounds.index(known["round"]) :] if known else [],
        "answer": _first(tables.answers.filter(id=id).drop("id")),
        "rewrites": tables.rewrites.filter(id=id).drop("id").to_dicts(),
        "examinations": examinations(*own, by=before),
        "drafts": dict(
            tables.draws.filter(parent=id)["verdict"].value_counts(sort=True).iter_rows()
        ),
        "rejected": [_rejection(tables, row) for row in rejected],
    }


def _match(tables: Tables, drafts: pl.DataFrame, query: str) -> str:
    """Return the only id that `query` matches; InputError for none or several."""
    wanted = query.strip().lower()
    names = ["id", "instruction", "input"]
    drafted = drafts.with_columns(input=pl.lit(""))
    rows = pl.concat([tables.pool.select(names), drafted.select(names)])
    rows = rows.unique("id", keep="first", maintain_order=True)
    text = pl.concat_str("instruction", pl.lit(" "), "input").str.to_lowercase()
    words = [text.str.contains(word, literal=True) for word in wanted.split()]
    by_id = pl.col("id").str.starts_with(wanted) & (len(wanted) >= _SHORTEST)
    by_text = text.str.contains(wanted, literal=True)
    for condition in (by_id, by_text, pl.all_horizontal(words)) if wanted else ():
        matches = rows.filter(condition)
        if matches.height > 1:
            count = f"{matches.height:,} instructions"
            raise InputError(f"{query!r} matches {count}: {_named(matches)}")
        if matches.height:
            return str(matches["id"][0])
    raise InputError(f"{query!r}: no instruction of this run has this id or text.")


def _named(matches: pl.DataFrame) -> str:
    some = [
        f"{brief(row['id'], _TEXT)} ({brief(row['instruction'], _TEXT)})"
        for row in matches.head(_CHOICES).iter_rows(named=True)
    ]
    more = ", ..." if matches.height > _CHOICES else ""
    return f"{', '.join(some)}{more}. Give one id, or more of the text."


def _rejected(tables: Tables) -> pl.DataFrame:
    """Return the rejected drafts, with the ids that they would have had."""
    drafts = tables.draws.filter(pl.col("verdict") != ACCEPTED)
    ids = [draft_id(row) for row in drafts.iter_rows(named=True)]
    return drafts.with_columns(id=pl.Series(ids, dtype=pl.String))


def _first(frame: pl.DataFrame) -> Row | None:
    return frame.row(0, named=True) if frame.height else None


def _rejection(tables: Tables, row: Row) -> Row:
    id = row["nearest"] or ""
    nearest = _first(tables.pool.filter(id=id)) or _first(tables.questions.filter(id=id))
    return {
        **{name: row[name] for name in ("round", "draw", "origin", "parent", "similarity")},
        "reason": row["verdict"],
        "nearest": row["nearest"],
        "nearest_text": nearest["instruction"] if nearest else None,
    }


def as_text(history: Row) -> str:
    """Format the history, with invisible characters in texts replaced by their names."""
    return "\n".join(_lines(history))


def _lines(history: Row) -> Iterator[str]:
    pooled = bool(history["train_pools"])
    kind = f"{history['origin']}, joined in {history['round']}" if pooled else "a rejected draft"
    yield f"{visible(history['id'])}  {kind}"
    yield from _task_lines(history)
    for row in history["rejected"]:
        yield from _rejection_lines(row, "drafted anew" if pooled else "rejected")
    for row in history["ancestors"]:
        text = f"{row['instruction']} {row['input']}"
        yield f"inspired by  {_relative(row, text)}"
    for row in history["children"][:_CHILDREN]:
        yield f"inspired     {_relative(row, row['instruction'])}"
    if (more := len(history["children"]) - _CHILDREN) > 0:
        yield f"             ... and {more} more"
    if history["drafts"]:
        outcomes = (f"{count} {visible(verdict)}" for verdict, count in history["drafts"].items())
        yield f"drafts       {', '.join(outcomes)}"
    if pooled:
        yield f"train pool   {', '.join(history['train_pools'])}"
        if history["replayed"]:
            yield f"replayed in  {', '.join(history['replayed'])}"
        yield f"cache pool   {', '.join(history['cache_pools'])}"
    yield from _answer_lines(history)
    for row in history["examinations"]:
        yield from _examination_lines(row)


def _answer_lines(history: Row) -> Iterator[str]:
    """Yield the teacher's answer, and its later rewrites."""
    if answer := history["answer"]:
        yield f"teacher      {_meta(answer)}"
        yield from _said(answer, "answer")
    for row in history["rewrites"]:
        is_whole = row["finish_reason"] == "stop" and row["answer"].strip()
        yield f"{'rewritten' if is_whole else 'not rewritten'} in {row['round']}  {_meta(row)}"
        yield from _said(row, "answer")


def _task_lines(history: Row) -> Iterator[str]:
    """Yield the system prompt and earlier turns under their roles, then the instruction."""
    for message in context_of(history):
        yield f"  {visible(message['role'])}:"
        yield _quoted(message["content"])
    if history["turns"]:
        yield "  user:"
    yield _quoted(task_text(history["instruction"], history["input"]))


def _relative(row: Row, text: str) -> str:
    origin = f" {row['origin']}" if "origin" in row else ""
    return f"{brief(row['id'], _TEXT)} {row['round']}{origin}: {brief(text, _WIDTH - 34)}"


def _rejection_lines(row: Row, word: str) -> Iterator[str]:
    """Yield a rejected draft, or a later draft that repeats an instruction of the pool."""
    similarity = f", ROUGE-L {row['similarity']:.3f}" if row["similarity"] is not None else ""
    yield f"{word:<12} {row['round']}, draw {row['draw']}: {visible(row['reason'])}{similarity}"
    if row["nearest"] and word == "rejected":
        text = brief(row["nearest_text"] or "", _WIDTH - 34)
        yield f"nearest      {visible(row['nearest'])}: {text}"


def _examination_lines(row: Row) -> Iterator[str]:
    yield f"{row['round']}: student {row['by']} answered {_meta(row)}".rstrip()
    yield from _said(row, "response")
    for review in row["reviews"]:
        order = visible(review["order"].replace("_", " "))
        retry = f", attempt {review['attempt'] + 1}" if review["attempt"] else ""
        yield f"  referee, {order}{retry}: {_scores(review)}"
        yield _quoted(review["reply"], depth=4)
    if row["verdict"]:
        order = ", one order" if row["orders"] == 1 else ""  # bias already subtracted
        gap = "" if row["gap"] is None else f" (gap {row['gap']:.2f}; {_scores(row)}{order})"
        yield f"  → {visible(row['verdict'])}{gap}"


def _said(row: Row, name: str) -> Iterator[str]:
    """Yield an answer, after its thoughts if the run learns them."""
    if row["thoughts"]:
        yield "  thoughts"
        yield _quoted(row["thoughts"], depth=4)
    yield _quoted(row[name])


def _scores(row: Row) -> str:
    if row["teacher"] is None or row["student"] is None:
        return "unreadable"
    return f"teacher {row['teacher']:g}, student {row['student']:g}"


def _meta(row: Row) -> str:
    """Return the model of an answer, if known, and the reason if it ended early."""
    model, reason = visible(row.get("model", "")), visible(row["finish_reason"])
    return f"{model} ended by {reason}".lstrip() if reason != "stop" else model


def _quoted(text: str, *, depth: int = 2) -> str:
    return indent(visible(text), " " * depth + "| ", lambda line: True)
