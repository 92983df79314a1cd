"""How long training and answering took: kept in .lion/, as it is never the same twice."""

import polars as pl

from lion.support.files import replacing
from lion.support.home import store_home

FOLDER = "speed"


def note_training(losses: pl.DataFrame, round: str) -> None:
    """Seconds and tokens a second of each step (LOSS, with `seconds`)."""
    rate = (pl.col("tokens") / pl.col("seconds")).alias("tokens_per_second")
    _note(losses.select("step", "tokens", "seconds", rate), round)


def note_answering(answers: pl.DataFrame, seconds: float, round: str) -> None:
    """Seconds in which these answers (ANSWER) were made, all of them, loading included."""
    total = answers.select(answers=pl.len(), tokens=pl.col("completion_tokens").sum())
    _note(total.with_columns(seconds=pl.lit(seconds)), f"answers-{round}")


def _note(table: pl.DataFrame, name: str) -> None:
    with replacing(store_home() / FOLDER / f"{name}.csv") as temporary:
        table.write_csv(temporary)
