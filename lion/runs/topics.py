"""What an instruction asks for, as far as its first words tell: a category without a model."""

import polars as pl

from lion.support.text import brief

OTHER = "other"
LABEL = 24  # columns


def topic() -> pl.Expr:
    """The words before a colon that ends the first five words, else the first word; lower case.

    'Name the last: pear fig' and 'name the last: oak' are both 'name the last'.
    """
    text = pl.col("instruction").str.strip_chars().str.to_lowercase()
    before_colon = text.str.extract(r"^((?:[^\s:]+\s+){0,4}[^\s:]+):")
    first = text.str.extract(r"^(\S+?)[.,;!?:]*(?:\s|$)")
    label = pl.coalesce(before_colon, first, pl.lit(OTHER))
    return label.map_elements(lambda told: brief(told, LABEL), pl.String).alias("category")


def most_common(categories: pl.Series, limit: int) -> list[str]:
    """The `limit` most frequent values, most frequent first, ties by name."""
    counts = categories.drop_nulls().value_counts(name="rows")
    ordered = counts.sort("rows", categories.name, descending=[True, False])
    return ordered[categories.name].head(limit).to_list()
