"""The table of rounds as text, for one or more versions of a run."""

from typing import Any

import polars as pl

from lion.runs.composition import ORIGINS
from lion.runs.figures import percent, round_rows
from lion.runs.run import Tables, round_number
from lion.support.text import table

Row = dict[str, Any]


def rounds_of(tables: Tables) -> list[Row]:
    """Return `round_rows` with the size of the cache pool, the share of each origin, and tokens.

    `tokens` are those of teacher, referee and judge; the tables do not have the generator's.
    """
    rows, cache = [], 0
    for figures in round_rows(tables):
        new = tables.pool.filter(round=figures["round"])["origin"]
        cache += new.len()
        pools: Row = {"cache": cache if new.len() else None}
        for origin in ORIGINS:
            share = round((new == origin).sum() / new.len(), 4) if new.len() else None
            pools[f"{origin}_origin"] = share
        rows.append({**figures, **pools, "tokens": _tokens(tables, figures["round"])})
    return rows


def _tokens(tables: Tables, name: str) -> int | None:
    replies = (tables.answers, tables.rewrites, tables.reviews, tables.judged)
    columns = ("prompt_tokens", "completion_tokens")
    used = pl.concat([frame.filter(round=name).select(columns) for frame in replies])
    return int(used.sum().sum_horizontal().item()) if used.height else None


def as_text(versions: dict[str, list[Row]]) -> str:
    """Format the table, sorted by round, then by version."""
    names = {row["round"] for rows in versions.values() for row in rows}
    shown = [
        {"round": name, "version": label} | _shown(row)
        for name in sorted(names, key=round_number)
        for label, rows in versions.items()
        for row in rows
        if row["round"] == name
    ]
    rare = ("judged", "one order", "loss")  # shown only if some row has the figure
    unused = {name for name in rare if all(row[name] == "-" for row in shown)}
    unused |= {"version"} if len(versions) == 1 else set()
    return table(shown, [name for name in shown[0] if name not in unused])


def _shown(row: Row) -> Row:
    quality = None if row["quality"] is None else row["quality"] / 100
    shares = [row[f"{origin}_origin"] for origin in ORIGINS]
    one_order = "-"
    if row.get("one_order"):  # with the number of checked verdicts that the second order changed
        one_order = f"{row['one_order']:,} ({row['changed']:,}/{row['checked']:,})"
    return {
        "train": row["new"],
        "cache": row["cache"],
        "seed/hard/easy": "/".join("-" if each is None else f"{each:.0%}" for each in shares),
        "judged": f"{row['examined']:,}/{row['pool']:,}" if row.get("pool") else "-",
        "one order": one_order,
        "hard": percent(row["hard_share"]),
        "gap": "-" if row["mean_gap"] is None else f"{row['mean_gap']:.2f}",
        "unjudged": percent(row["unjudged_share"]),
        "accepted": percent(row["acceptance"]),
        "quality": percent(quality),
        "loss": "-" if row["held_out"] is None else f"{row['held_out']:.2f}",
        "tokens": row["tokens"],
    }
