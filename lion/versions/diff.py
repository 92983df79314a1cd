"""What two versions of the pools differ in: instructions added, removed, and judged otherwise.

Train pools are the cache pool's shards, one a round. Only files whose hash differs are read; the
others only to tell what was judged otherwise in them.
"""

from dataclasses import dataclass
from typing import Any

import polars as pl

from lion.pools.tables import INSTRUCTION, VERDICT
from lion.runs.revision import Revision

Row = dict[str, Any]
UNEXAMINED = "unexamined"
_PLACES = ("seed", "hard", "easy")  # origins, in the order shown


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
    pairs = {name: _digests(old, new, name) for name in names}
    same = [name for name, (one, other) in pairs.items() if one == other and one]
    unlike = [name for name, (one, other) in pairs.items() if one != other]
    before, after = _shards(old, unlike), _shards(new, unlike)
    stayed = after.join(before, on="id", how="semi", maintain_order="left")
    return PoolDiff(
        added=after.join(before, on="id", how="anti", maintain_order="left"),
        removed=before.join(after, on="id", how="anti", maintain_order="left"),
        moved=_moved(old, new, stayed, same),
    )


def _digests(old: Revision, new: Revision, name: str) -> tuple[str | None, str | None]:
    file = f"{name}.jsonl"
    return old.digest(old.run.pools / file), new.digest(new.run.pools / file)


def _shards(revision: Revision, names: list[str]) -> pl.DataFrame:
    frames = [revision.read(revision.run.pools / f"{name}.jsonl", INSTRUCTION) for name in names]
    return pl.concat([pl.DataFrame(schema=INSTRUCTION), *frames])


def _moved(old: Revision, new: Revision, stayed: pl.DataFrame, same: list[str]) -> pl.DataFrame:
    """Rows of both versions with another verdict; `same` are the shards not yet read."""
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
    """Round and hash of the last verdicts that this version has."""
    for name in reversed(revision.rounds):
        if digest := revision.digest(revision.run.scores / f"{name}.parquet"):
            return name, digest
    return None


def _verdicts(revision: Revision) -> pl.DataFrame:
    """The verdict of the last examination, which covers every instruction so far."""
    last = _last_exam(revision)
    path = revision.run.scores / f"{last[0] if last else 'r0'}.parquet"
    return revision.read(path, VERDICT).select("id", "verdict")


def counts(diff: PoolDiff) -> list[Row]:
    """A row for each round and origin that changed: added, removed, and `was → now` for moves."""
    found: dict[tuple[str, str], Row] = {}

    def count(frame: pl.DataFrame, *by: str) -> None:
        groups = frame.group_by("round", "origin", *by, maintain_order=True).agg(rows=pl.len())
        for row in groups.iter_rows(named=True):
            place = found.setdefault((row["round"], row["origin"]), {})
            place[_label(row)] = row["rows"]

    count(diff.added.with_columns(kind=pl.lit("added")), "kind")
    count(diff.removed.with_columns(kind=pl.lit("removed")), "kind")
    count(diff.moved, "was", "now")
    ordered = sorted(found, key=lambda key: (int(key[0][1:]), _PLACES.index(key[1])))
    return [{"round": key[0], "origin": key[1], **found[key]} for key in ordered]


def _label(row: Row) -> str:
    return str(row["kind"]) if "kind" in row else f"{row['was']} → {row['now']}"
