"""Respond: the student answers the cache pool, or the part of it that is examined."""

from functools import partial
from pathlib import Path

import click
import polars as pl

import stages
from lion.chat import connect
from lion.params import Params
from lion.pools.cache import drawn_for_exam, read_cache, usable
from lion.pools.tables import ANSWER, ANSWER_LOSS, from_rows, write_table
from lion.student.launch import is_main, relaunch, report_once
from lion.student.resumable import Resumable
from lion.support.home import store_home


@click.command()
@stages.path("--student", help="The student of the round before.")
@stages.path("--cache", help="The cache pool of the round before.")
@stages.path("--out", help="Out: the student's answers.")
@stages.path("--difficulty", help="Out: its loss on the teacher's answers, if examine.loss.")
@stages.round_name
@stages.params
@report_once()
def main(
    student: Path, cache: Path, out: Path, difficulty: Path, round_: str, params: Params
) -> None:
    """Answer the instructions with complete answers of the teacher, or `examine.rows` of them."""
    pool = usable(read_cache(cache))
    rows = drawn_for_exam(
        pool,
        params.examine.count(pool.height),
        newest=params.round_before(round_),
        round=round_,
        seed=params.seed,
    )
    is_used = params.examine.rows != 0 or params.examine.loss
    if params.student.engine == "transformers" and is_used:
        relaunch("stages.respond", params.compute)
    with Resumable(store_home() / "answers") as resumable:
        # Losses first, since vLLM takes all the memory that is free.
        losses = _losses(params, student, pool, round_, resumable)
        answers = _answers(params, student, rows, round_, resumable)
        if is_main():
            write_table(difficulty, losses, ANSWER_LOSS)
            write_table(out, answers, ANSWER)
            if rows.height < pool.height:
                click.echo(f"{rows.height:,} of {pool.height:,} rows are examined.")


def _losses(
    params: Params, student: Path, pool: pl.DataFrame, round_: str, resumable: Resumable
) -> pl.DataFrame:
    """Return the student's loss on every row, or an empty table."""
    if not params.examine.loss:
        return from_rows([], ANSWER_LOSS)
    from lion.student.likelihood import check_losses, losses_of

    label = f"loss {round_}"
    losses = losses_of(params, student, pool, label=label, resumable=resumable)
    check_losses(losses, label=label)
    return losses


def _answers(
    params: Params, student: Path, rows: pl.DataFrame, round_: str, resumable: Resumable
) -> pl.DataFrame:
    """Return the student's answers; without rows to examine, do not even import PyTorch."""
    if params.examine.rows == 0:
        return from_rows([], ANSWER)
    from lion.student.respond import answer_with

    return answer_with(
        params,
        student,
        rows,
        connect=partial(connect, role="student", stage="respond", round=round_),
        label=f"respond {round_}",
        resumable=resumable,
    )


if __name__ == "__main__":
    main()
