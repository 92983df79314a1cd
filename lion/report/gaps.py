"""The gaps behind verdicts, counted so that the page can move tau."""

from typing import Any

import polars as pl

from lion.report.charts import gap_chart
from lion.report.drawing import page_svg
from lion.runs.run import Tables
from lion.support.text import visible

Row = dict[str, Any]


def hard_map(cells: pl.DataFrame) -> Row:
    """Return each cell of the map with the counts of its gaps, so that the page can move tau."""
    rows = cells.drop_nulls("share").iter_rows(named=True)
    listed = [
        {
            "round": row["round"],
            "category": visible(row["category"]),
            "counts": _counts(pl.Series("gap", row["gaps"])),
        }
        for row in rows
    ]
    return {"cells": listed, "top": cells["share"].max() or 1.0}


def _counts(gaps: pl.Series) -> list[list[int]]:
    """Count gaps by hundredths of a point, rounded down."""
    hundredths = (gaps.cast(pl.Float64) * 100 + 1e-4).floor().cast(pl.Int64)
    return [list(row) for row in hundredths.value_counts(name="rows").sort("gap").iter_rows()]


def gap_rows(tables: Tables, tau: float) -> list[Row]:
    """Histogram and counts by round.

    Counts are by hundredths of a point, rounded down, so that the page can count `gap >= tau`
    exactly for any tau in hundredths.
    """
    rows = []
    for name in tables.rounds:
        gaps = tables.scores.filter(round=name).drop_nulls("gap")["gap"]
        frame = pl.DataFrame({"gap": gaps})
        bins = frame.group_by((pl.col("gap") * 2).floor() / 2).agg(pl.len().alias("rows"))
        chart = gap_chart(bins.sort("gap"), tau)
        if chart is None:
            continue
        rows.append(
            {
                "round": name,
                "total": tables.scores.filter(round=name).height,
                "svg": page_svg(chart, f"gap in {name}"),
                "counts": _counts(gaps),
            }
        )
    return rows
