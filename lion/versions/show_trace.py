"""The life of an instruction as text. What models wrote is shown, never obeyed by the terminal."""

from collections.abc import Iterator
from textwrap import indent
from typing import Any

from lion.pools.instructions import task_text
from lion.support.text import brief, visible

Row = dict[str, Any]
_WIDTH = 88
_CHILDREN = 10


def as_text(life: Row) -> str:
    """Top to bottom: what it is, where it comes from, what was answered, how it was judged."""
    return "\n".join(_lines(life))


def _lines(life: Row) -> Iterator[str]:
    yield f"{life['id']}  {_kind(life)}"
    yield _quoted(task_text(life["instruction"], life["input"]))
    for row in life["rejected"]:
        yield from _rejection(row, "drafted anew" if life["train_pools"] else "rejected")
    for row in life["ancestors"]:
        text = brief(f"{row['instruction']} {row['input']}", _WIDTH - 34)
        yield f"inspired by  {row['id']} {row['round']} {row['origin']}: {text}"
    for row in life["children"][:_CHILDREN]:
        yield f"inspired     {row['id']} {row['round']}: {brief(row['instruction'], _WIDTH - 34)}"
    if more := len(life["children"]) - _CHILDREN:
        yield from [f"             ... and {more} more"] if more > 0 else []
    if life["drafts"]:
        told = ", ".join(f"{count} {reason}" for reason, count in life["drafts"].items())
        yield f"drafts       {told}"
    if life["train_pools"]:
        yield f"train pool   {', '.join(life['train_pools'])}"
        if life["replayed"]:
            yield f"learnt again {', '.join(life['replayed'])}"
        yield f"cache pool   {', '.join(life['cache_pools'])}"
    if answer := life["answer"]:
        yield f"teacher      {_meta(answer['model'], answer['finish_reason'])}"
        yield _quoted(answer["answer"])
    for row in life["examinations"]:
        yield from _examination(row)


def _kind(life: Row) -> str:
    if life["rejected"] and not life["train_pools"]:
        return "a draft that was rejected"
    return f"{life['origin']}, joined in {life['round']}"


def _rejection(row: Row, word: str) -> Iterator[str]:
    """A draft that was rejected; of what is in a pool, one that said the same once more."""
    similarity = f", ROUGE-L {row['similarity']:.3f}" if row["similarity"] is not None else ""
    yield f"{word:<12} {row['round']}, draw {row['draw']}: {row['reason']}{similarity}"
    if row["nearest"] and word == "rejected":
        text = brief(row["nearest_text"] or "", _WIDTH - 34)
        yield f"nearest      {row['nearest']}: {text}"


def _examination(row: Row) -> Iterator[str]:
    yield f"{row['round']}: student {row['by']} answered {_meta('', row['finish_reason'])}".rstrip()
    yield _quoted(row["response"])
    for review in row["reviews"]:
        order = review["order"].replace("_", " ")
        again = f", attempt {review['attempt'] + 1}" if review["attempt"] else ""
        yield f"  referee, {order}{again}: {_scores(review)}"
        yield _quoted(review["reply"], depth=4)
    if row["verdict"]:
        gap = "" if row["gap"] is None else f" (gap {row['gap']:.2f}; {_scores(row)})"
        yield f"  → {row['verdict']}{gap}"


def _scores(row: Row) -> str:
    if row["teacher"] is None:
        return "unreadable"
    return f"teacher {row['teacher']:g}, student {row['student']:g}"


def _meta(model: str, finish_reason: str) -> str:
    ended = "" if finish_reason == "stop" else f"ended by {visible(finish_reason)}"
    return " ".join(part for part in (visible(model), ended) if part)


def _quoted(text: str, *, depth: int = 2) -> str:
    return indent(visible(text), " " * depth + "| ", lambda line: True)
