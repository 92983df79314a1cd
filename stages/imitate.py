"""Imitate: the student is trained on the teacher's answers, and on rows of earlier rounds again."""

from pathlib import Path

import click
import polars as pl

import stages
from lion.params import Params, load_params
from lion.pools.cache import usable, with_answers
from lion.pools.instructions import tasks_of
from lion.pools.tables import ANSWER, ANSWERED, INSTRUCTION, LOSS, read_table, write_table
from lion.student.launch import is_main, relaunch, report_once
from lion.student.models import Loaded, load_options, load_student, precision, save_student
from lion.student.resumable import Resumable
from lion.student.thoughts import ThoughtForm, form_to_learn
from lion.student.training import train
from lion.support.home import store_home


@click.command()
@stages.path("--student", help="The student of the round before.")
@stages.path("--pool", help="Train pool of this round.")
@stages.path("--answers", help="The teacher's answers to it.")
@stages.path("--replay", help="Rows of earlier rounds that are learnt again.")
@stages.path("--out", help="Out: the student of this round.")
@stages.path("--loss", help="Out: the training loss by step.")
@stages.round_name
@stages.params
@report_once()
def main(
    student: Path,
    pool: Path,
    answers: Path,
    replay: Path,
    out: Path,
    loss: Path,
    round_: str,
    params_path: Path,
) -> None:
    """Train the student of the round before; only whole answers are learnt from."""
    params = load_params(params_path)
    relaunch("stages.imitate", params.compute)
    rows = with_answers(read_table(pool, INSTRUCTION), read_table(answers, ANSWER))
    lessons = usable(rows)
    if (left_out := rows.height - lessons.height) and is_main():
        click.echo(f"{left_out} of {rows.height} answers are cut, empty or refused: left out")
    learnt = pl.concat([lessons.select(*ANSWERED), read_table(replay, ANSWERED)])
    whole = params.imitate.lora is None
    loaded = load_student(
        student, options=load_options(params.student, params.compute, trained=whole)
    )
    loaded.thoughts = _thoughts(params, loaded, learnt)
    with Resumable(store_home() / "training") as resumable:
        losses = train(
            loaded,
            list(zip(tasks_of(learnt), learnt["answer"], learnt["thoughts"], strict=True)),
            settings=params.imitate,
            compute=params.compute,
            seed=params.seed,
            label=f"imitate {round_}",
            arithmetic=precision(params.student, params.compute),
            resumable=resumable,
        )
        save_student(loaded, out)
        if is_main():
            write_table(loss, losses, LOSS)


def _thoughts(params: Params, loaded: Loaded, rows: pl.DataFrame) -> ThoughtForm | None:
    """Return the form in which the student learns thoughts: its own, or none."""
    if params.teacher.thoughts == "drop":
        return None
    if (without := rows["thoughts"].null_count()) and is_main():
        click.echo(f"{without} of {rows.height} answers have no thoughts: learnt with empty ones")
    return loaded.thoughts or form_to_learn(loaded.tokenizer)


if __name__ == "__main__":
    main()
