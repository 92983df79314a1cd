"""The composition of the pools, and the outcomes of the generator's drafts."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from lion.pools.tables import ACCEPTED
from lion.pools.tokens import word_count
from lion.runs.run import Tables, round_numbers
from lion.support.text import brief, visible

Row = dict[str, Any]
LABEL = 24  # columns of a category's name
EVERY = "(all)"  # the category of all rows; no topic begins with a bracket
ORIGINS = ("seed", "hard", "easy")
_CATEGORIES = 12  # rows of a heat map; the rest are merged into the last
_REASONS = 6  # in the chart of drafts; the rest are merged into the last
_TEXT = 300  # columns of an instruction in a table
_BEFORE = "¿¡\"'«„“‘「『（("  # punctuation before the first word
# Approximately one word of a script without spaces.
_UNSPACED_WORD = (
    r"^([\p{Han}\p{Hiragana}\p{Katakana}]{1,2}|[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]{1,4})"
)


def topic() -> pl.Expr:
    """Return an instruction's category: the words before a colon, else the first word.

    Only a colon within the first five words counts, and the result is lower case: 'Name the last:
    pear fig' and 'name the last: oak' are both 'name the last'. In scripts without spaces, the
    first characters stand for the first word.
    """
    text = pl.col("instruction").str.strip_chars().str.to_lowercase().str.strip_chars_start(_BEFORE)
    before_colon = text.str.extract(r"^((?:[^\s:：]+\s+){0,4}[^\s:：]+)[:：]")
    word = text.str.extract(_UNSPACED_WORD)
    first = text.str.extract(r"^(\S+?)[.,;!?:]*(?:\s|$)")
    label = pl.coalesce(before_colon, word, first, pl.lit("other"))
    return label.map_elements(lambda words: brief(words, LABEL), pl.String).alias("category")


def most_common(values: pl.Series, limit: int) -> list[str]:
    """Return the `limit` most frequent values, most frequent first; ties are sorted by name."""
    counts = values.drop_nulls().value_counts(name="rows")
    ordered = counts.sort("rows", values.name, descending=[True, False])
    return ordered[values.name].head(limit).to_list()


def folded(
    values: pl.Series, limit: int, kind: str, *, first: Sequence[str] = ()
) -> tuple[pl.Series, list[str]]:
    """Merge the rarest values into one, such as 'other (7 reasons)', so that `limit` remain.

    `kind` is the plural in that label. Return the values, and the distinct ones in order: those of
    `first`, then the most frequent, the merged one last.
    """
    ordered = list(dict.fromkeys([*first, *most_common(values, values.n_unique())]))
    if len(ordered) <= limit:
        return values, ordered
    kept, rest = ordered[: limit - 1], ordered[limit - 1 :]
    label = f"other ({len(rest)} {kind})"
    return values.replace(rest, [label] * len(rest)), [*kept, label]


def pool_by_origin(tables: Tables) -> pl.DataFrame:
    """Count the cache pool after each round by origin: columns round, origin, rows, place."""
    rows, counts = [], dict.fromkeys(ORIGINS, 0)
    for name in tables.rounds:
        new = tables.pool.filter(round=name)
        for place, origin in enumerate(ORIGINS if new.height else ()):
            counts[origin] += new.filter(origin=origin).height
            rows.append({"round": name, "origin": origin, "rows": counts[origin], "place": place})
    return pl.DataFrame(rows)


def lengths(pool: pl.DataFrame) -> pl.DataFrame:
    """Return quantiles .05, .25, .5, .75, .95 of words per instruction with input, by round."""
    text = pl.concat_str("instruction", pl.lit(" "), "input")
    count = text.map_elements(word_count, pl.Int64)
    shares = {"low": 0.05, "lower": 0.25, "middle": 0.5, "upper": 0.75, "high": 0.95}
    return (
        pool.with_columns(words=count)
        .group_by("round", maintain_order=True)
        .agg(pl.col("words").quantile(share).alias(name) for name, share in shares.items())
    )


def category_shares(pool: pl.DataFrame) -> pl.DataFrame:
    """Return the shares of new instructions by category: columns round, category, share."""
    category, names = folded(pool.select(topic()).to_series(), _CATEGORIES, "categories")
    frame = pool.select("round", category)
    counts = frame.group_by("round", "category", maintain_order=True).agg(pl.len().alias("rows"))
    shares = counts.with_columns(share=pl.col("rows") / pl.col("rows").sum().over("round"))
    categories = pl.DataFrame({"category": names}, schema={"category": pl.String})
    every = frame.select("round").unique(maintain_order=True).join(categories, how="cross")
    return _in_order(every.join(shares, on=["round", "category"], how="left").fill_null(0), names)


def hard_shares(tables: Tables) -> pl.DataFrame:
    """Return the hard share by round, of all rows and of the categories with most hard rows now.

    EVERY comes first, then categories from the largest share in the last round down. Columns are
    round, category, share, judged, and gaps, a list of the gaps of all judged instructions.
    """
    judged = tables.scores.drop_nulls("gap").join(
        tables.pool.select("id", topic()), on="id", maintain_order="left"
    )
    hard = judged.filter(pl.col("round") == pl.col("round").last(), verdict="hard")["category"]
    most_hard = most_common(hard, _CATEGORIES - 1)
    category, names = folded(judged["category"], _CATEGORIES, "categories", first=most_hard)
    kinds = [judged.with_columns(pl.lit(EVERY).alias("category")), judged.with_columns(category)]
    shares = (
        pl.concat(kinds)
        .group_by("round", "category", maintain_order=True)
        .agg(share=(pl.col("verdict") == "hard").mean(), judged=pl.len(), gaps=pl.col("gap"))
    )
    last = shares.filter(pl.col("round") == pl.col("round").last()).sort("share", descending=True)
    weakest = [name for name in last["category"] if name in names[: _CATEGORIES - 1]]
    return _in_order(shares, list(dict.fromkeys([EVERY, *weakest, *names])))


def _in_order(frame: pl.DataFrame, categories: list[str]) -> pl.DataFrame:
    """Sort by the order of `categories`, then by round."""
    return frame.sort(pl.col("category").cast(pl.Enum(categories)), round_numbers())


def outcomes(draws: pl.DataFrame) -> pl.DataFrame:
    """Count drafts by round and outcome, the rarest reasons merged: round, verdict, rows, place."""
    accepted = draws.filter(verdict=ACCEPTED)
    rejected = draws.filter(pl.col("verdict") != ACCEPTED)
    verdict, reasons = folded(rejected["verdict"], _REASONS, "reasons")
    shown = pl.concat([accepted, rejected.with_columns(verdict)])
    counts = shown.group_by("round", "verdict", maintain_order=True).agg(pl.len().alias("rows"))
    places = pl.DataFrame({"verdict": [ACCEPTED, *reasons]}).with_row_index("place")
    return counts.join(places, on="verdict").sort("place", "round")


def outcome_rows(draws: pl.DataFrame) -> list[Row]:
    """Count drafts by outcome, the most frequent first: verdict, rows, rounds ('r1: 5')."""
    rows = []
    for verdict in most_common(draws["verdict"], draws.height):
        own = draws.filter(verdict=verdict)
        counts = own.group_by("round", maintain_order=True).agg(rows=pl.len()).iter_rows()
        rounds = ", ".join(f"{name}: {count:,}" for name, count in counts)
        rows.append({"verdict": visible(verdict), "rows": own.height, "rounds": rounds})
    return rows


def most_drawn(tables: Tables, limit: int) -> list[Row]:
    """Return the parents drawn most often: parent, text, draws, accepted."""
    counts = (
        tables.draws.group_by("parent", maintain_order=True)
        .agg(draws=pl.len(), accepted=(pl.col("verdict") == ACCEPTED).sum())
        .sort("draws", "parent", descending=[True, False])
        .head(limit)
    )
    texts = _texts(tables, counts["parent"])
    return [
        {**row, "text": brief(texts.get(row["parent"], row["parent"] or ""), _TEXT)}
        for row in counts.to_dicts()
    ]


def rejects(tables: Tables, each: int) -> list[Row]:
    """Return up to `each` rejected drafts per reason: reason, round, text, similarity, nearest."""
    rejected = tables.draws.filter(pl.col("verdict") != ACCEPTED)
    some = rejected.group_by("verdict", maintain_order=True).tail(each).sort("verdict", "draw")
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
    """Return the last `limit` replies without two readable scores: id, round, order, text."""
    some = reviews.filter(pl.col("student").is_null()).tail(limit)
    return [
        {
            "id": row["id"],
            "round": row["round"],
            "order": visible(row["order"].replace("_", " ")),
            "text": brief(row["reply"], 2 * _TEXT),
        }
        for row in some.iter_rows(named=True)
    ]


def _texts(tables: Tables, ids: pl.Series) -> dict[str, str]:
    rows = tables.pool.filter(pl.col("id").is_in(ids.to_list()))
    whole = pl.concat_str("instruction", pl.lit(" "), "input").str.strip_chars()
    return dict(rows.select("id", whole).iter_rows())
