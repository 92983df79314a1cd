"""Counts of the gaps behind verdicts, with which the page can move tau."""

from typing import Any

import polars as pl

from lion.report.charts import gap_chart
from lion.report.drawing import page_svg
from lion.runs.figures import gap_table
from lion.runs.run import Tables
from lion.support.text import visible

Row = dict[str, Any]


def hard_map(cells: pl.DataFrame) -> Row:
    """Return each cell of the map with its counts of gaps, and the share of the darkest cell."""
    listed = [
        {
            "round": row["round"],
            "category": visible(row["category"]),
            "counts": _counts(pl.Series("gap", row["gaps"])),
        }
        for row in cells.drop_nulls("share").iter_rows(named=True)
    ]
    return {"cells": listed, "top": cells["share"].max() or 1.0}


def gap_rows(tables: Tables, tau: float) -> list[Row]:
    """Return the histogram and the counts of gaps of each round that has any."""
    bins = gap_table(tables)
    return [
        {
            "round": name,
            "total": tables.scores.filter(round=name).height,
            "svg": page_svg(chart, f"gap in {name}"),
            "counts": _counts(tables.scores.filter(round=name).drop_nulls("gap")["gap"]),
        }
        for name in tables.rounds
        if (chart := gap_chart(bins.filter(round=name).drop("round"), tau))
    ]


def _counts(gaps: pl.Series) -> list[list[int]]:
    """Count gaps by hundredths of a point, rounded down, which is exact for a tau in hundredths."""
    hundredths = (gaps.cast(pl.Float64) * 100 + 1e-4).floor().cast(pl.Int64)
    return [list(row) for row in hundredths.value_counts(name="rows").sort("gap").iter_rows()]
