"""The table of rounds as text, of one version of a run or of several side by side."""

from typing import Any

import polars as pl

from lion.runs.figures import percent, round_rows
from lion.runs.run import Tables
from lion.support.text import table

Row = dict[str, Any]
_ORIGINS = ("seed", "hard", "easy")


def rounds_of(tables: Tables) -> list[Row]:
    """The report's figures of each round, and: rows of the cache pool, origin shares, tokens.

    `tokens` is what teacher, referee and judge used; the tables do not hold the generator's.
    """
    rows, cache = [], 0
    for figures in round_rows(tables):
        name = figures["round"]
        new = tables.pool.filter(round=name)
        cache += new.height
        rows.append({**figures, "cache": cache, **_origins(new), "tokens": _tokens(tables, name)})
    return rows


def _origins(new: pl.DataFrame) -> Row:
    """The share of each origin in a train pool; None in an empty one."""
    counts = {origin: new.filter(origin=origin).height for origin in _ORIGINS}
    return {
        f"{origin}_origin": round(count / new.height, 4) if new.height else None
        for origin, count in counts.items()
    }


def _tokens(tables: Tables, name: str) -> int | None:
    columns = ("prompt_tokens", "completion_tokens")
    asked = [
        frame.filter(round=name).select(columns)
        for frame in (tables.answers, tables.rewrites, tables.reviews, tables.judged)
    ]
    used = pl.concat(asked)
    return int(used.sum().sum_horizontal().item()) if used.height else None


def as_text(versions: dict[str, list[Row]]) -> str:
    """The table; with several versions, their rows of the same round stand together."""
    names = sorted({row["round"] for rows in versions.values() for row in rows}, key=_number)
    shown = [
        {"round": name, "version": label} | _shown(row)
        for name in names
        for label, rows in versions.items()
        for row in rows
        if row["round"] == name
    ]
    rare = ("judged", "one order", "loss")  # columns of runs that have these figures
    unused = {name for name in rare if all(row[name] == "-" for row in shown)}
    unused |= {"version"} if len(versions) == 1 else set()
    columns = [name for name in shown[0] if name not in unused]
    return table(shown, columns)


def _number(name: str) -> int:
    return int(name[1:])


def _shown(row: Row) -> Row:
    quality = None if row["quality"] is None else row["quality"] / 100
    origins = "/".join(_whole(row[f"{origin}_origin"]) for origin in _ORIGINS)
    return {
        "train": row["new"],
        "cache": row["cache"],
        "seed/hard/easy": origins,
        "judged": f"{row['examined']:,}/{row['pool']:,}" if row.get("pool") else "-",
        "one order": _orders(row) if row.get("one_order") else "-",
        "hard": percent(row["hard_share"]),
        "gap": "-" if row["mean_gap"] is None else f"{row['mean_gap']:.2f}",
        "unjudged": percent(row["unjudged_share"]),
        "accepted": percent(row["acceptance"]),
        "quality": percent(quality),
        "loss": "-" if row["held_out"] is None else f"{row['held_out']:.2f}",
        "tokens": row["tokens"],
    }


def _orders(row: Row) -> str:
    """The rows judged in one order, and how many of the checked verdicts the second one changed."""
    return f"{row['one_order']:,} ({row['changed']:,}/{row['checked']:,})"


def _whole(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f}%"
