"""How long models were asked, as the response store remembers it."""

import polars as pl

from lion.chat.home import store_home
from lion.chat.store import Store

PAUSE = 600.0  # seconds without a reply after which nobody was asking any more


def hours_asking() -> float | None:
    """Hours in which replies arrived, of all runs that share the store; None without a store."""
    path = store_home() / "replies.sqlite"
    if not path.exists():
        return None
    with Store(path) as store, store.reading() as database:
        rows = database.execute("SELECT received - seconds, received FROM replies").fetchall()
    return busy_seconds(rows) / 3600 if rows else None


def busy_seconds(spans: list[tuple[float, float]]) -> float:
    """Seconds that spans (start, end) cover, pauses of up to PAUSE between them included."""
    frame = pl.DataFrame(spans, schema=["start", "end"], orient="row").sort("start")
    so_far = pl.col("end").cum_max()
    idle = pl.col("start") - so_far.shift(1)
    worked = frame.select(
        pl.col("end").max() - pl.col("start").min() - idle.filter(idle > PAUSE).sum()
    )
    return float(worked.item())
