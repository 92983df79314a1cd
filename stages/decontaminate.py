"""Decontaminate: the questions of a file, which no new instruction may repeat."""

from pathlib import Path

import click

import stages
from lion.evaluate.questions import read_questions
from lion.pools.tables import QUESTION, write_table


@click.command()
@stages.path("--questions", help="A file of questions.")
@stages.path("--out", help="Out: the questions with ids.")
def main(questions: Path, out: Path) -> None:
    """Read the questions; refuse what is not right."""
    write_table(out, read_questions(questions), QUESTION)


if __name__ == "__main__":
    main()
