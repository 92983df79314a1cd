"""Respond: the student answers the whole cache pool."""

from pathlib import Path

import click

import stages
from lion.params import load_params
from lion.pools import read_cache, usable
from lion.student.answering import answer_pool
from lion.student.models import load_student
from lion.tables import ANSWER, write_table


@click.command()
@stages.path("--student", help="The student of the round before.")
@stages.path("--cache", help="The cache pool of the round before.")
@stages.path("--out", help="Out: the student's answers.")
@stages.round_name
@stages.params
def main(student: Path, cache: Path, out: Path, round_: str, params_path: Path) -> None:
    """Answer every instruction that the teacher answered whole."""
    params = load_params(params_path)
    pool = usable(read_cache(cache))
    answers = answer_pool(
        load_student(student),
        pool,
        settings=params.student,
        seed=params.seed,
        batch=params.compute.answer_batch,
        label=f"respond {round_}",
    )
    write_table(out, answers, ANSWER)


if __name__ == "__main__":
    main()
