"""Decontaminate: read a file of questions that no new instruction may repeat."""

from pathlib import Path

import click

import stages
from lion.evaluate.questions import read_questions
from lion.params import Params
from lion.pools.tables import QUESTION, write_table


@click.command()
@click.option("--name", required=True, help="The file's name in decontaminate.files.")
@stages.path("--out", help="Out: the questions with ids.")
@stages.params
def main(name: str, out: Path, params: Params) -> None:
    """Read and check the questions."""
    questions = Path(params.decontaminate.files[name])
    write_table(out, read_questions(questions), QUESTION)


if __name__ == "__main__":
    main()
