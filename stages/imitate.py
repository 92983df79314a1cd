"""Imitate: train the student on the teacher's answers, and on rows of earlier rounds again."""

from pathlib import Path
from typing import Any

import click
import polars as pl

import stages
from lion.imitate.contrast import pairs_of
from lion.params import Params, load_params
from lion.pools.cache import read_cache, usable, with_answers, with_rewrites
from lion.pools.instructions import tasks_of
from lion.pools.tables import (
    ANSWER,
    ANSWERED,
    INSTRUCTION,
    LOSS,
    VERDICT,
    read_table,
    write_table,
)
from lion.student.contrast import contrast
from lion.student.launch import is_main, relaunch, report_once
from lion.student.models import Loaded, load_options, load_student, precision
from lion.student.resumable import Resumable
from lion.student.saving import save_student
from lion.student.thoughts import ThoughtForm, form_to_learn
from lion.student.training import train
from lion.support.home import store_home


@click.command()
@stages.path("--student", help="The student of the round before.")
@stages.path("--pool", help="Train pool of this round.")
@stages.path("--answers", help="The teacher's answers to it.")
@stages.path("--replay", help="Rows of earlier rounds that are learnt again.")
@stages.path("--cache", required=False, help="The cache pool of the round before, for contrast.")
@stages.path("--responses", required=False, help="The student's answers to it.")
@stages.path("--scores", required=False, help="The verdicts on them.")
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
    **examined: Path | None,
) -> None:
    """Train the student of the round before, on complete answers only."""
    params = load_params(params_path)
    relaunch("stages.imitate", params.compute, trains=True)
    again = read_table(replay, ANSWERED)
    pairs = _pairs(params, again, round_, **examined)
    rows = with_answers(read_table(pool, INSTRUCTION), read_table(answers, ANSWER))
    lessons = usable(rows)
    if (left_out := rows.height - lessons.height) and is_main():
        click.echo(f"{left_out} of {rows.height} answers are cut, empty or refused: left out")
    learnt = pl.concat([lessons.select(*ANSWERED), again])
    whole = params.imitate.lora is None
    loaded = load_student(
        student, options=load_options(params.student, params.compute, trained=whole)
    )
    loaded.thoughts = _thoughts(params, loaded, learnt)
    with Resumable(store_home() / "training") as resumable:
        losses = _train(params, loaded, learnt, pairs, round_, resumable)
        save_student(loaded, out)
        if is_main():
            write_table(loss, losses, LOSS)


def _pairs(
    params: Params,
    replayed: pl.DataFrame,
    round_: str,
    *,
    cache: Path | None,
    responses: Path | None,
    scores: Path | None,
) -> pl.DataFrame | None:
    """Return the pairs for contrast; None without imitate.contrast, and in r0."""
    settings = params.imitate.contrast
    if settings is None or cache is None or responses is None or scores is None:
        return None
    verdicts, answers = read_table(scores, VERDICT), read_table(responses, ANSWER)
    pool = with_rewrites(read_cache(cache), replayed)  # replayed rows have this round's new answers
    rows = pairs_of(pool, answers, verdicts, settings, seed=params.seed, round=round_)
    hard = verdicts.filter(verdict="hard").height
    if rows.height < hard and is_main():
        click.echo(
            f"contrast {round_}: {hard - rows.height} of {hard} hard rows are left out: the "
            "student's answer is empty or equal to the teacher's"
        )
    return rows


def _train(
    params: Params,
    loaded: Loaded,
    learnt: pl.DataFrame,
    pairs: pl.DataFrame | None,
    round_: str,
    resumable: Resumable,
) -> pl.DataFrame:
    """Train on the answers, then on the pairs; return the loss of all steps."""
    common: dict[str, Any] = {
        "settings": params.imitate,
        "compute": params.compute,
        "seed": params.seed,
        "arithmetic": precision(params.student, params.compute),
        "resumable": resumable,
    }
    lessons = list(zip(tasks_of(learnt), learnt["answer"], learnt["thoughts"], strict=True))
    losses = train(loaded, lessons, label=f"imitate {round_}", **common)
    if pairs is None:
        return losses
    more = contrast(loaded, pairs, label=f"contrast {round_}", **common)
    return pl.concat([losses, more.with_columns(pl.col("step") + losses.height)])


def _thoughts(params: Params, loaded: Loaded, rows: pl.DataFrame) -> ThoughtForm | None:
    """Return the form in which the student learns thoughts; None if it learns none."""
    if params.teacher.thoughts == "drop":
        return None
    if (without := rows["thoughts"].null_count()) and is_main():
        click.echo(f"{without} of {rows.height} answers have no thoughts: learnt with empty ones")
    return loaded.thoughts or form_to_learn(loaded.tokenizer)


if __name__ == "__main__":
    main()
