"""Imitate: the student is trained on the teacher's answers to the train pool."""

from pathlib import Path

import click
import polars as pl

import stages
from lion.clock import note_training
from lion.home import store_home
from lion.instructions import task_texts
from lion.params import load_params
from lion.pools import read_cache, usable, with_answers
from lion.replay import replayed
from lion.student.launch import is_main, one_voice, relaunch
from lion.student.models import form_for, load_student, precision, save_student
from lion.student.training import train
from lion.student.unfinished import Unfinished
from lion.tables import ANSWER, INSTRUCTION, LOSS, REPLAY, read_table, write_table


@click.command()
@stages.path("--student", help="The student of the round before.")
@stages.path("--pool", help="Train pool of this round.")
@stages.path("--answers", help="The teacher's answers to it.")
@stages.path("--cache", help="The cache pool of the round before, to replay.")
@stages.path("--out", help="Out: the student of this round.")
@stages.path("--replay", help="Out: which rows of earlier rounds it learns again.")
@stages.path("--loss", help="Out: the training loss by step.")
@stages.round_name
@stages.params
@one_voice()
def main(
    student: Path,
    pool: Path,
    answers: Path,
    cache: Path,
    out: Path,
    replay: Path,
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
    count = params.imitate.replay * lessons.height
    again = replayed(read_cache(cache), count, seed=params.seed, round=round_)
    if again.height and is_main():
        click.echo(f"{lessons.height} new rows, and {again.height} rows of earlier rounds again")
    learnt = pl.concat([lessons.select(again.columns), again])
    whole = params.imitate.lora is None
    loaded = load_student(student, form=form_for(params.student, params.compute, trained=whole))
    with Unfinished(store_home() / "training") as unfinished:
        losses = train(
            loaded,
            list(zip(task_texts(learnt), learnt["answer"], strict=True)),
            settings=params.imitate,
            compute=params.compute,
            seed=params.seed,
            label=f"imitate {round_}",
            arithmetic=precision(params.student, params.compute),
            unfinished=unfinished,
        )
        save_student(loaded, out)
        if is_main():
            write_table(replay, again, REPLAY)
            write_table(loss, losses, LOSS)
    if is_main():
        note_training(losses, round_)


if __name__ == "__main__":
    main()
