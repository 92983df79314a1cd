"""Referee: score the student's answers against the teacher's, in both orders by default."""

from pathlib import Path

import click

import stages
from lion.chat import connect
from lion.discriminate.examination import Exam
from lion.params import Params
from lion.pools.cache import read_cache, with_responses
from lion.pools.tables import ANSWER, REVIEW, from_rows, read_table, write_table


@click.command()
@stages.path("--cache", help="The cache pool of the round before.")
@stages.path("--responses", help="The student's answers to it.")
@stages.path("--out", help="Out: every reply of the referee.")
@stages.round_name
@stages.params
def main(cache: Path, responses: Path, out: Path, round_: str, params: Params) -> None:
    """Ask the referee, retry after unreadable replies, and keep all replies."""
    if params.examine.rows == 0:
        write_table(out, from_rows([], REVIEW), REVIEW)
        click.echo("No row is examined, so the referee is not asked (examine.rows: 0).")
        return
    pairs = with_responses(read_cache(cache), read_table(responses, ANSWER))
    with connect(params, "referee", stage="referee", round=round_) as chat:
        exam = Exam(
            chat,
            params.referee,
            params.examine,
            label=f"referee {round_}",
            round=round_,
            newest=params.round_before(round_),
            seed=params.seed,
        )
        reviews = exam.examine(pairs)
    write_table(out, reviews, REVIEW)


if __name__ == "__main__":
    main()
