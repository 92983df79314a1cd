"""Rewrite: the teacher answers a share of the hard instructions again, given the error."""

from pathlib import Path

import click

import stages
from lion.chat import connect
from lion.imitate.rewrite import rewrite, rows_to_rewrite
from lion.params import load_params
from lion.pools.cache import read_cache, usable
from lion.pools.tables import ANSWER, REVIEW, VERDICT, from_rows, read_table, write_table


@click.command()
@stages.path("--cache", help="The cache pool of the round before.")
@stages.path("--responses", help="The student's answers to it.")
@stages.path("--reviews", help="Every reply of the referee.")
@stages.path("--scores", help="The verdicts on them.")
@stages.path("--out", help="Out: the new answers.")
@stages.round_name
@stages.params
def main(
    cache: Path,
    responses: Path,
    reviews: Path,
    scores: Path,
    out: Path,
    round_: str,
    params_path: Path,
) -> None:
    """Ask the teacher again; a complete new answer replaces the old one."""
    params = load_params(params_path)
    answers = from_rows([], ANSWER)
    if params.rewrite.share:
        rows = rows_to_rewrite(
            read_cache(cache),
            read_table(responses, ANSWER),
            read_table(reviews, REVIEW),
            read_table(scores, VERDICT),
            params.rewrite,
            seed=params.seed,
            round=round_,
        )
        label, blind = f"rewrite {round_}", params.rewrite.blind
        if rows.height:
            with connect(params, "teacher", stage="rewrite", round=round_) as chat:
                answers = rewrite(
                    rows, chat, params.teacher, blind=blind, label=label, round=round_
                )
        whole = usable(answers).height
        click.echo(f"{whole} of {rows.height} answers are new; the others stay as they were")
    write_table(out, answers, ANSWER)


if __name__ == "__main__":
    main()
