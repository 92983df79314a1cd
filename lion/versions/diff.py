"""The difference between two versions of the pools, as frames, JSON, text or Markdown.

It has the instructions that were added or removed, and those whose verdict changed. Train pools are
the shards of the cache pool, one per round. Shards with equal hashes are read only if verdicts
changed.
"""

from dataclasses import dataclass
from typing import Any

import polars as pl

from lion.pools.tables import INSTRUCTION
from lion.runs.composition import ORIGINS
from lion.runs.revision import Revision
from lion.runs.run import round_number
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
    """Compare the pools of two versions, over the rounds of both."""
    names = list(dict.fromkeys([*old.rounds, *new.rounds]))
    pairs = {name: (old.digest("pool", name), new.digest("pool", name)) for name in names}
    same = [name for name, (before, after) in pairs.items() if before == after and before]
    changed = [name for name, (before, after) in pairs.items() if before != after]
    was, now = _shards(old, changed), _shards(new, changed)
    stayed = now.join(was, on="id", how="semi", maintain_order="left")
    return PoolDiff(
        added=now.join(was, on="id", how="anti", maintain_order="left"),
        removed=was.join(now, on="id", how="anti", maintain_order="left"),
        moved=_moved(old, new, stayed, same),
    )


def _shards(revision: Revision, names: list[str]) -> pl.DataFrame:
    frames = [revision.read("pool", name) for name in names]
    return pl.concat([pl.DataFrame(schema=INSTRUCTION), *frames])


def _moved(old: Revision, new: Revision, stayed: pl.DataFrame, same: list[str]) -> pl.DataFrame:
    """Return the rows in both versions whose verdict differs; `same` are the unread shards."""
    if _last_exam(old) == _last_exam(new):
        was = now = pl.DataFrame(schema={"id": pl.String, "verdict": pl.String})
    else:
        was, now = _verdicts(old), _verdicts(new)
    either = was.rename({"verdict": "was"}).join(
        now.rename({"verdict": "now"}), on="id", how="full", coalesce=True
    )
    other = either.with_columns(pl.col("was", "now").fill_null(UNEXAMINED)).filter(
        pl.col("was") != pl.col("now")
    )
    both = pl.concat([_shards(new, same if other.height else []), stayed])
    return both.join(other, on="id", how="inner", maintain_order="left")


def _last_exam(revision: Revision) -> tuple[str, str] | None:
    """Return the round and the hash of the last verdicts, if there are any."""
    for name in reversed(revision.rounds):
        if digest := revision.digest("scores", name):
            return name, digest
    return None


def _verdicts(revision: Revision) -> pl.DataFrame:
    """Read the verdicts of the last examination, which may cover only some instructions."""
    last = _last_exam(revision)
    return revision.read("scores", last[0] if last else "r0").select("id", "verdict")


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


def _listed(diff: PoolDiff, limit: int) -> list[str]:
    lines = []
    for mark, word, frame in (("+", "added", diff.added), ("-", "removed", diff.removed)):
        lines += [_line(mark, row) for row in frame.head(limit).iter_rows(named=True)]
        lines += _more(frame, limit, word)
    moved = diff.moved.head(limit).iter_rows(named=True)
    lines += [_line("!", row, f"{row['was']} → {row['now']}: ") for row in moved]
    return lines + _more(diff.moved, limit, "moved")


def _line(mark: str, row: Row, prefix: str = "") -> str:
    text = brief(f"{row['instruction']} {row['input']}", _TEXT).replace("`", "'")
    line = f"{mark} {brief(row['id'], _TEXT)} {row['round']} {row['origin']:<4} {prefix}{text}"
    return visible(line)


def _more(frame: pl.DataFrame, limit: int, word: str) -> list[str]:
    left = frame.height - limit
    return [f"  ... and {left:,} more {word}"] if left > 0 and limit else []


def _name(revision: Revision) -> str:
    return revision.label + (f" ({revision.sha[:7]})" if revision.sha else "")
