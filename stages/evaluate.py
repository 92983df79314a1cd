"""Evaluate: score a student's answers to the questions against the teacher's."""

from functools import partial
from pathlib import Path

import click
import polars as pl

import stages
from lion.chat import connect
from lion.discriminate.scores import score
from lion.evaluate.judging import judge_answers, orders_of
from lion.params import Params
from lion.pools.cache import usable, with_answers, with_responses
from lion.pools.tables import (
    ANSWER,
    ANSWER_LOSS,
    QUESTION,
    REVIEW,
    SCORE,
    from_rows,
    read_table,
    write_table,
)
from lion.student.launch import is_main, relaunch, report_once
from lion.student.likelihood import losses_of
from lion.student.respond import answer_with
from lion.support.files import replacing_folder


@click.command()
@stages.path("--student", help="The student of this round.")
@stages.path("--questions", help="The questions.")
@stages.path("--answers", help="The teacher's answers to them.")
@stages.path("--out", help="Out: folder with responses, reviews, scores and losses.")
@stages.round_name
@stages.params
@report_once()
def main(
    student: Path, questions: Path, answers: Path, out: Path, round_: str, params: Params
) -> None:
    """Measure the student by the judge's scores, and by its loss on the teacher's answers."""
    if params.student.engine == "transformers":
        relaunch("stages.evaluate", params.compute)
    every = with_answers(read_table(questions, QUESTION), read_table(answers, ANSWER))
    asked = usable(every)
    responses = answer_with(
        params,
        student,
        asked,
        connect=partial(connect, role="student", stage="evaluate", round=round_),
        label=f"evaluate {round_}: answers",
    )
    losses = _losses(params, student, asked, label=f"evaluate {round_}: losses")
    if not is_main():
        return
    with connect(params, "judge", stage="evaluate", round=round_) as chat:
        pairs = with_responses(asked, responses)
        reviews = judge_answers(pairs, chat, params.judge, label=f"evaluate {round_}: scores")
    # An unjudged question keeps a row without scores, so that it counts as asked.
    scores = every.select("id").join(
        score(reviews, orders_of(params.judge)), on="id", how="left", maintain_order="left"
    )
    with replacing_folder(out) as folder:
        write_table(folder / "responses.jsonl", responses, ANSWER)
        write_table(folder / "reviews.jsonl", reviews, REVIEW)
        write_table(folder / "scores.parquet", scores, SCORE)
        write_table(folder / "losses.parquet", losses, ANSWER_LOSS)
    click.echo(f"{scores['gap'].count()} of {every.height} questions judged")
    if left_out := every.height - asked.height:
        click.echo(f"{left_out} left out: the teacher's answer is cut, empty or refused")
    if params.report.track:
        from lion.report.track import track_round

        track_round(params, round_)


def _losses(params: Params, student: Path, asked: pl.DataFrame, *, label: str) -> pl.DataFrame:
    """Return the student's losses; empty if another engine may still hold the GPU's memory."""
    if params.student.engine != "transformers":
        return from_rows([], ANSWER_LOSS)
    return losses_of(params, student, asked, label=label)


if __name__ == "__main__":
    main()
