"""Discriminate: divide the instructions into hard and easy ones at tau."""

from pathlib import Path

import click

import stages
from lion.discriminate.scores import changed_verdicts, discriminate, score
from lion.params import Params
from lion.pools.tables import REVIEW, VERDICT, read_table, write_table


@click.command()
@stages.path("--reviews", help="Every reply of the referee.")
@stages.path("--out", help="Out: scores, gap and verdict by instruction.")
@stages.params
def main(reviews: Path, out: Path, params: Params) -> None:
    """Average both orders; an instruction is hard if the teacher leads by tau or more."""
    scores = discriminate(score(read_table(reviews, REVIEW)), tau=params.tau)
    write_table(out, scores, VERDICT)
    counts = dict(scores["verdict"].value_counts().iter_rows())
    click.echo(", ".join(f"{counts.get(name, 0)} {name}" for name in ("hard", "easy", "unjudged")))
    if "orders" in scores.columns:
        changed, checked = changed_verdicts(scores)
        click.echo(
            f"{scores['orders'].count()} rows are judged in one order; the second order changed "
            f"{changed} of {checked} checked verdicts"
        )


if __name__ == "__main__":
    main()
