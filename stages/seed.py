"""Seed: the first train pool, an empty cache pool, the base student and the questions."""

from collections.abc import Iterator
from pathlib import Path

import click
import polars as pl

import stages
from lion.chat.offline import check_offline
from lion.evaluate.questions import read_questions
from lion.params import Params
from lion.pools.cache import start_cache
from lion.pools.instructions import context_of, task_texts, tasks_of
from lion.pools.seeds import Seeds, seeds_of
from lion.pools.tables import ANSWER, ANSWERED, INSTRUCTION, QUESTION, write_table
from lion.student.check import check_base
from lion.student.models import write_base


@click.command()
@stages.path("--pool", help="Out: train pool of round 0.")
@stages.path("--cache", help="Out: the cache pool before round 0.")
@stages.path("--student", help="Out: the student before round 0.")
@stages.path("--replay", help="Out: the rows that round 0 replays: none.")
@stages.path("--kept", help="Out: the seeds' own answers, with seeds_answers: keep.")
@stages.path("--questions-out", help="Out: the questions with ids.")
@stages.params
def main(
    pool: Path,
    cache: Path,
    student: Path,
    replay: Path,
    kept: Path,
    questions_out: Path,
    params: Params,
) -> None:
    """Read and check the user's seeds and questions."""
    # File names come from params.yaml, not from the command, since a shell would interpret some.
    seeds, questions = Path(params.seeds), Path(params.evaluate.questions)
    distinct = seeds_of(params, seeds)
    asked = read_questions(questions)
    check_offline(
        params, [*distinct.texts, *((str(questions), text) for text in task_texts(asked))]
    )
    contexts = _contexts(distinct.frame, asked)
    check_base(
        params.student.base,
        params.student.revision,
        thinks=params.teacher.thoughts == "learn",
        contexts=contexts,
        tasks=[
            *((seed.place, seed.task) for seed in distinct.seeds.values()),
            *((str(questions), task) for task in tasks_of(asked)),
        ],
        lengths=params.student_lengths,
    )
    write_base(student, base=params.student.base, revision=params.student.revision)
    rows = distinct.frame.with_columns(
        pl.Series("id", [*distinct.seeds]),
        origin=pl.lit("seed"),
        parent=pl.lit(None, pl.String),
        round=pl.lit("r0"),
    )
    write_table(pool, rows, INSTRUCTION)
    own = distinct.kept(params.seeds_answers, seeds.name, thoughts=params.teacher.thoughts)
    write_table(kept, own, ANSWER)
    write_table(questions_out, asked, QUESTION)
    write_table(replay, pl.DataFrame(schema=ANSWERED), ANSWERED)
    start_cache(cache)
    for line in _remarks(distinct, own.height, params.seeds_answers):
        click.echo(line, err=True)
    click.echo(
        f"{rows.height} seeds from {seeds} ({distinct.duplicates} duplicates dropped), "
        f"{asked.height} questions from {questions}"
    )


def _contexts(*frames: pl.DataFrame) -> set[tuple[str, ...]]:
    """Return the sequences of roles that precede the rows' instructions."""
    rows = (row for frame in frames for row in frame.iter_rows(named=True))
    return {tuple(message["role"] for message in context_of(row)) for row in rows} - {()}


def _remarks(seeds: Seeds, kept: int, choice: str) -> Iterator[str]:
    """Yield remarks on rows that were left out, and on answers that were kept."""
    if seeds.left_out:
        yield f"Warning: {seeds.left_out}"
    if answered := sum(bool(seed.answer) for seed in seeds.seeds.values()):
        yield f"{kept} of {answered} own answers of the seeds are kept (seeds_answers: {choice})"


if __name__ == "__main__":
    main()
