"""The difference between two versions of the pools: instructions and verdicts that changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from lion.pools.tables import INSTRUCTION
from lion.runs.composition import ORIGINS
from lion.runs.revision import Revision
from lion.runs.run import Tables, round_number
from lion.support.text import brief, table, visible

Row = dict[str, Any]
UNEXAMINED = "unexamined"
_TEXT = 72  # columns of an instruction in a list


@dataclass(frozen=True)
class PoolDiff:
    """Frames of INSTRUCTION; `moved` also has the last verdicts, `was` and `now`."""

    added: pl.DataFrame
    removed: pl.DataFrame
    moved: pl.DataFrame

    @property
    def is_empty(self) -> bool:
        return not (self.added.height or self.removed.height or self.moved.height)


def pool_diff(old: Revision, new: Revision) -> PoolDiff:
    """Compare the pools of two versions, and the verdicts of their last examinations."""
    before, after = (revision.tables_at("pools", "scores") for revision in (old, new))
    was, now = before.pool, after.pool
    stayed = (
        now.join(was, on="id", how="semi", maintain_order="left")
        .join(_verdicts(before, "was"), on="id", how="left", maintain_order="left")
        .join(_verdicts(after, "now"), on="id", how="left", maintain_order="left")
        .with_columns(pl.col("was", "now").fill_null(UNEXAMINED))
    )
    return PoolDiff(
        added=now.join(was, on="id", how="anti", maintain_order="left"),
        removed=was.join(now, on="id", how="anti", maintain_order="left"),
        moved=stayed.filter(pl.col("was") != pl.col("now")),
    )


def _verdicts(tables: Tables, name: str) -> pl.DataFrame:
    """Return the verdicts of the last examination as column `name`."""
    last = tables.scores.filter(pl.col("round") == pl.col("round").last())
    return last.select("id", pl.col("verdict").alias(name))


def counts(diff: PoolDiff) -> list[Row]:
    """Count by round and origin: added, removed, and `was → now` for changed verdicts."""
    kinds = [
        diff.added.select("round", "origin", kind=pl.lit("added")),
        diff.removed.select("round", "origin", kind=pl.lit("removed")),
        diff.moved.select("round", "origin", kind=pl.format("{} → {}", "was", "now")),
    ]
    rows: dict[tuple[str, str], Row] = {}
    groups = pl.concat(kinds).group_by("round", "origin", "kind", maintain_order=True)
    for round, origin, kind, count in groups.len().iter_rows():
        rows.setdefault((round, origin), {"round": round, "origin": origin})[kind] = count
    return sorted(
        rows.values(), key=lambda row: (round_number(row["round"]), ORIGINS.index(row["origin"]))
    )


def as_dict(diff: PoolDiff, old: Revision, new: Revision, limit: int | None) -> Row:
    """Return all counts, and all instructions or `limit` of each kind."""
    return {
        "old": {"name": old.label, "commit": old.sha},
        "new": {"name": new.label, "commit": new.sha},
        "counts": counts(diff),
        "added": diff.added.select(*INSTRUCTION)[:limit].to_dicts(),
        "removed": diff.removed.select(*INSTRUCTION)[:limit].to_dicts(),
        "moved": diff.moved.select(*INSTRUCTION, "was", "now")[:limit].to_dicts(),
    }


def as_text(
    diff: PoolDiff, old: Revision, new: Revision, limit: int, *, markdown: bool = False
) -> str:
    """Return the counts by round and origin, then up to `limit` instructions of each kind."""
    title = f"Pools: {_name(old)} → {_name(new)}"
    title = f"### {title}" if markdown else title
    if diff.is_empty:
        return f"{title}\n\nNo instruction was added or removed, and no verdict changed."
    rows = [{name.replace(" → ", "\n→ "): row[name] for name in row} for row in counts(diff)]
    names = {name for row in rows for name in row}
    moves = sorted(name for name in names if "→" in name)
    shown = ["round", "origin", *(name for name in ("added", "removed") if name in names), *moves]
    body = table(rows, shown, markdown=markdown)
    listed = "\n".join(_listed(diff, limit))
    if markdown and listed:  # in a code block, a model's text cannot become Markdown
        listed = f"```diff\n{listed}\n```"
    return f"{title}\n\n{body}\n\n{listed}".rstrip()


def _listed(diff: PoolDiff, limit: int) -> Iterator[str]:
    kinds = (("+", "added", diff.added), ("-", "removed", diff.removed), ("!", "moved", diff.moved))
    for mark, kind, frame in kinds:
        for row in frame.head(limit).iter_rows(named=True):
            change = f"{row['was']} → {row['now']}: " if kind == "moved" else ""
            text = brief(f"{row['instruction']} {row['input']}", _TEXT).replace("`", "'")
            named = f"{mark} {brief(row['id'], _TEXT)} {row['round']} {row['origin']:<4}"
            yield visible(f"{named} {change}{text}")
        if 0 < limit < frame.height:
            yield f"  ... and {frame.height - limit:,} more {kind}"


def _name(revision: Revision) -> str:
    return revision.label + (f" ({revision.sha[:7]})" if revision.sha else "")
