"""Respond: the student answers the whole cache pool."""

from functools import partial
from pathlib import Path

import click

import stages
from lion.chat import connect
from lion.params import load_params
from lion.pools.cache import read_cache, usable
from lion.pools.tables import ANSWER, write_table
from lion.student.launch import is_main, relaunch, report_once
from lion.student.respond import answer_with
from lion.student.resumable import Resumable
from lion.support.home import store_home


@click.command()
@stages.path("--student", help="The student of the round before.")
@stages.path("--cache", help="The cache pool of the round before.")
@stages.path("--out", help="Out: the student's answers.")
@stages.round_name
@stages.params
@report_once()
def main(student: Path, cache: Path, out: Path, round_: str, params_path: Path) -> None:
    """Answer every instruction that the teacher answered whole."""
    params = load_params(params_path)
    if params.student.engine == "transformers":
        relaunch("stages.respond", params.compute)
    with Resumable(store_home() / "answers") as resumable:
        answers = answer_with(
            params,
            student,
            usable(read_cache(cache)),
            connect=partial(connect, role="student", stage="respond", round=round_),
            label=f"respond {round_}",
            resumable=resumable,
        )
        if is_main():
            write_table(out, answers, ANSWER)


if __name__ == "__main__":
    main()
