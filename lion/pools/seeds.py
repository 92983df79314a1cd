"""The user's seed instructions."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lion.pools.rows import FORMS, Row, read_rows
from lion.pools.tables import from_rows
from lion.support.errors import InputError


@dataclass(frozen=True)
class Seeds:
    """Distinct seeds (columns instruction, input) in file order, and the number of duplicates."""

    frame: pl.DataFrame
    duplicates: int


def read_seeds(path: Path) -> Seeds:
    """Read the seed instructions in `path`; keep the first of equal ones."""
    rows = read_rows(path)
    if not rows:
        raise InputError(f"{path}: no rows; {FORMS}")
    distinct: dict[str, Row] = {}
    for row in rows:
        distinct.setdefault(row.id, row)
    texts = [{"instruction": row.instruction, "input": row.input} for row in distinct.values()]
    frame = from_rows(texts, {"instruction": pl.String, "input": pl.String})
    return Seeds(frame, len(rows) - len(distinct))
