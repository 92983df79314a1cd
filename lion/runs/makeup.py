"""What the pools are made of, and what became of the generator's draws."""

from typing import Any

import polars as pl

from lion.pools.tables import ACCEPTED
from lion.runs.run import Tables
from lion.runs.topics import most_common, topic
from lion.support.text import brief, visible

Row = dict[str, Any]
_ORIGINS = ("seed", "hard", "easy")
_CATEGORIES = 12  # rows of a heat map
_TEXT = 300  # columns of an instruction in a table


def makeup(tables: Tables) -> pl.DataFrame:
    """The cache pool after each round by origin: columns round, origin, rows, place."""
    rows = []
    for number, name in enumerate(tables.rounds):
        so_far = tables.pool.filter(pl.col("round").is_in(tables.rounds[: number + 1]))
        if tables.pool.filter(round=name).is_empty():
            continue
        rows += [
            {
                "round": name,
                "origin": origin,
                "rows": so_far.filter(origin=origin).height,
                "place": place,
            }
            for place, origin in enumerate(_ORIGINS)
        ]
    return pl.DataFrame(rows)


def lengths(pool: pl.DataFrame) -> pl.DataFrame:
    """Words an instruction (with its input), by round: quantiles .05, .25, .5, .75 and .95."""
    words = pl.concat_str("instruction", pl.lit(" "), "input").str.split(" ")
    count = words.list.eval(pl.element().filter(pl.element() != "")).list.len()
    shares = {"low": 0.05, "lower": 0.25, "middle": 0.5, "upper": 0.75, "high": 0.95}
    return (
        pool.with_columns(words=count)
        .group_by("round", maintain_order=True)
        .agg(pl.col("words").quantile(share).alias(name) for name, share in shares.items())
    )


def category_shares(pool: pl.DataFrame) -> pl.DataFrame:
    """Share of a round's new instructions by category (the commonest): round, category, share."""
    frame = pool.with_columns(topic())
    top = most_common(frame["category"], _CATEGORIES)
    counts = frame.group_by("round", "category", maintain_order=True).agg(pl.len().alias("rows"))
    shares = counts.with_columns(share=pl.col("rows") / pl.col("rows").sum().over("round"))
    every = (
        frame.select("round")
        .unique(maintain_order=True)
        .join(pl.DataFrame({"category": top}, schema={"category": pl.String}), how="cross")
    )
    return _in_order(every.join(shares, on=["round", "category"], how="left").fill_null(0), top)


def hard_shares(tables: Tables) -> pl.DataFrame:
    """Share of hard ones among the judged by round and category: round, category, share, judged."""
    judged = tables.scores.drop_nulls("gap").join(
        tables.pool.select("id", topic()), on="id", maintain_order="left"
    )
    top = most_common(judged["category"], _CATEGORIES)
    shares = judged.group_by("round", "category", maintain_order=True).agg(
        share=(pl.col("verdict") == "hard").mean(), judged=pl.len()
    )
    return _in_order(shares, top)


def _in_order(frame: pl.DataFrame, categories: list[str]) -> pl.DataFrame:
    """The rows of `categories`, in that order, rounds within."""
    places = pl.DataFrame({"category": categories}, schema={"category": pl.String})
    return (
        frame.join(places.with_row_index("place"), on="category")
        .sort("place", "round")
        .drop("place")
    )


def outcomes(draws: pl.DataFrame) -> pl.DataFrame:
    """Draws by round and verdict: columns round, verdict, rows, place; accepted first."""
    reasons = [ACCEPTED, *most_common(draws.filter(pl.col("verdict") != ACCEPTED)["verdict"], 6)]
    counts = draws.group_by("round", "verdict", maintain_order=True).agg(pl.len().alias("rows"))
    places = pl.DataFrame({"verdict": reasons}).with_row_index("place")
    return counts.join(places, on="verdict").sort("place", "round")


def most_drawn(tables: Tables, limit: int) -> list[Row]:
    """The instructions drawn most often to inspire new ones: id, text, draws, accepted."""
    counts = (
        tables.draws.group_by("parent", maintain_order=True)
        .agg(draws=pl.len(), accepted=(pl.col("verdict") == ACCEPTED).sum())
        .sort("draws", "parent", descending=[True, False])
        .head(limit)
    )
    texts = _texts(tables, counts["parent"])
    return [
        {**row, "text": brief(texts.get(row["parent"], row["parent"]), _TEXT)}
        for row in counts.to_dicts()
    ]


def rejects(tables: Tables, each: int) -> list[Row]:
    """Some rejected drafts of every reason: reason, round, text, similarity, nearest (its text)."""
    refused = tables.draws.filter(pl.col("verdict") != ACCEPTED)
    some = refused.group_by("verdict", maintain_order=True).tail(each).sort("verdict", "draw")
    texts = _texts(tables, some["nearest"].drop_nulls())
    return [
        {
            "reason": visible(row["verdict"]),
            "round": row["round"],
            "text": brief(row["instruction"], _TEXT),
            "similarity": row["similarity"],
            "nearest": brief(texts.get(row["nearest"], ""), _TEXT),
        }
        for row in some.iter_rows(named=True)
    ]


def unreadable(reviews: pl.DataFrame, limit: int) -> list[Row]:
    """Some replies of the referee that held no two readable scores: id, round, order, text."""
    some = reviews.filter(pl.col("student").is_null()).tail(limit)
    return [
        {
            "id": row["id"],
            "round": row["round"],
            "order": row["order"].replace("_", " "),
            "text": brief(row["reply"], 2 * _TEXT),
        }
        for row in some.iter_rows(named=True)
    ]


def _texts(tables: Tables, ids: pl.Series) -> dict[str, str]:
    found = tables.pool.filter(pl.col("id").is_in(ids.to_list()))
    whole = pl.concat_str("instruction", pl.lit(" "), "input").str.strip_chars()
    return dict(found.select("id", whole).iter_rows())
