"""A pool diff as text, Markdown or JSON."""

from typing import Any

import polars as pl

from lion.pools.tables import INSTRUCTION
from lion.runs.revision import Revision
from lion.support.text import brief, columns_of, table
from lion.versions.diff import PoolDiff, counts

_TEXT = 72  # characters of an instruction in a list


def as_json(diff: PoolDiff, old: Revision, new: Revision, limit: int | None) -> dict[str, Any]:
    """Everything, or `limit` instructions of each kind; the counts are always whole."""

    def rows(frame: pl.DataFrame, *more: str) -> list[dict[str, Any]]:
        few = frame.height if limit is None else limit
        return frame.select(*INSTRUCTION, *more).head(few).to_dicts()

    return {
        "old": {"name": old.label, "commit": old.sha},
        "new": {"name": new.label, "commit": new.sha},
        "counts": counts(diff),
        "added": rows(diff.added),
        "removed": rows(diff.removed),
        "moved": rows(diff.moved, "was", "now"),
    }


def as_text(
    diff: PoolDiff, old: Revision, new: Revision, limit: int, *, markdown: bool = False
) -> str:
    """The counts by round and origin, then up to `limit` instructions of each kind."""
    title = f"Pools: {_name(old)} → {_name(new)}"
    title = f"### {title}" if markdown else title
    if diff.is_empty:
        return f"{title}\n\nNo instruction was added, removed or judged otherwise."
    rows = [{name.replace(" → ", "\n→ "): row[name] for name in row} for row in counts(diff)]
    names = columns_of(rows)
    moves = sorted(name for name in names if "→" in name)
    shown = ["round", "origin", *(name for name in ("added", "removed") if name in names), *moves]
    body = table(rows, shown, markdown=markdown)
    listed = "\n".join(_listed(diff, limit))
    if markdown and listed:  # inside a fence nothing that a model wrote is Markdown
        listed = f"```diff\n{listed}\n```"
    return f"{title}\n\n{body}\n\n{listed}".rstrip()


def _listed(diff: PoolDiff, limit: int) -> list[str]:
    lines = []
    for mark, word, frame in (("+", "added", diff.added), ("-", "removed", diff.removed)):
        lines += [_line(mark, row) for row in frame.head(limit).iter_rows(named=True)]
        lines += _more(frame, limit, word)
    moved = diff.moved.head(limit).iter_rows(named=True)
    lines += [_line("!", row, f"{row['was']} → {row['now']}: ") for row in moved]
    return lines + _more(diff.moved, limit, "moved")


def _line(mark: str, row: dict[str, Any], told: str = "") -> str:
    text = brief(f"{row['instruction']} {row['input']}", _TEXT).replace("`", "'")
    return f"{mark} {row['id']} {row['round']} {row['origin']:<4} {told}{text}"


def _more(frame: pl.DataFrame, limit: int, word: str) -> list[str]:
    left = frame.height - limit
    return [f"  ... and {left:,} more {word}"] if left > 0 and limit else []


def _name(revision: Revision) -> str:
    return revision.label + (f" ({revision.sha[:7]})" if revision.sha else "")
