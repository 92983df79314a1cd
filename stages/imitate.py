"""Imitate: the student is trained on the teacher's answers to the train pool."""

from pathlib import Path

import click

import stages
from lion.instructions import task_text
from lion.params import load_params
from lion.pools import usable, with_answers
from lion.student.models import load_student, save_student
from lion.student.training import train
from lion.tables import ANSWER, INSTRUCTION, LOSS, read_table, write_table


@click.command()
@stages.path("--student", help="The student of the round before.")
@stages.path("--pool", help="Train pool of this round.")
@stages.path("--answers", help="The teacher's answers to it.")
@stages.path("--out", help="Out: the student of this round.")
@stages.path("--loss", help="Out: the training loss by step.")
@stages.round_name
@stages.params
def main(
    student: Path,
    pool: Path,
    answers: Path,
    out: Path,
    loss: Path,
    round_: str,
    params_path: Path,
) -> None:
    """Train the student of the round before; only whole answers are learnt from."""
    params = load_params(params_path)
    rows = with_answers(read_table(pool, INSTRUCTION), read_table(answers, ANSWER))
    lessons = usable(rows)
    if left_out := rows.height - lessons.height:
        click.echo(f"{left_out} of {rows.height} answers are cut, empty or refused: left out")
    loaded = load_student(student)
    losses = train(
        loaded,
        [task_text(*row) for row in lessons.select("instruction", "input").iter_rows()],
        lessons["answer"].to_list(),
        settings=params.imitate,
        seed=params.seed,
        label=f"imitate {round_}",
    )
    save_student(loaded, out)
    write_table(loss, losses, LOSS)


if __name__ == "__main__":
    main()
