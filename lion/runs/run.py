"""The tables of one run, all rounds together. What is not there yet is empty, never an error."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import polars as pl
import yaml

from lion.pools.tables import (
    ANSWER,
    ANSWERED,
    DRAW,
    INSTRUCTION,
    LOSS,
    QUESTION,
    REVIEW,
    SCORE,
    VERDICT,
    Schema,
    read_table,
)
from lion.support.errors import InputError


def pipeline_variable(root: Path, name: str) -> Any:
    """What `root`/dvc.yaml says under `vars` for `name`; InputError if it says nothing."""
    file = root / "dvc.yaml"
    try:
        pipeline: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        return next(group[name] for group in pipeline["vars"] if name in group)
    except FileNotFoundError:
        raise InputError(f"{file}: no such file; run from the project's root") from None
    except (KeyError, TypeError, StopIteration, UnicodeDecodeError, yaml.YAMLError):
        raise InputError(f"{file}: no `{name}` under `vars`; restore it from git") from None


@dataclass(frozen=True)
class Run:
    """Where a run's tables lie: folders with a file a round; the questions and their answers."""

    pools: Path
    answers: Path
    losses: Path
    replays: Path
    responses: Path
    reviews: Path
    scores: Path
    draws: Path
    evaluation: Path
    questions: Path
    question_answers: Path

    @classmethod
    def of_pipeline(cls, root: Path) -> Self:
        """The places under `vars: run:` in `root`/dvc.yaml, the only file that knows them."""
        places = pipeline_variable(root, "run")
        try:
            return cls(**{name: root / place for name, place in places.items()})
        except (TypeError, AttributeError) as error:
            raise InputError(
                f"{root / 'dvc.yaml'}: vars: run: does not name a run's tables ({error}); "
                "it has lines such as pools: data/pools/train"
            ) from None

    @property
    def places(self) -> list[Path]:
        """All of them."""
        return [getattr(self, field.name) for field in fields(self)]


@dataclass(frozen=True)
class Tables:
    """A run's tables; each has a column `round`, but for the questions. Rows in file order."""

    rounds: list[str]  # those named in the parameters, r0 first
    pool: pl.DataFrame  # INSTRUCTION
    answers: pl.DataFrame  # ANSWER, the teacher's
    losses: pl.DataFrame  # LOSS
    replays: pl.DataFrame  # ANSWERED, of earlier rounds
    responses: pl.DataFrame  # ANSWER, by the student of the round before
    reviews: pl.DataFrame  # REVIEW
    scores: pl.DataFrame  # VERDICT
    draws: pl.DataFrame  # DRAW
    questions: pl.DataFrame  # QUESTION
    question_answers: pl.DataFrame  # ANSWER, the teacher's to the questions
    evaluated: pl.DataFrame  # SCORE of the questions
    judged: pl.DataFrame  # REVIEW of the questions


def read_run(run: Run, rounds: list[str]) -> Tables:
    """Read what there is of `rounds`; InputError where a table is damaged."""
    return Tables(
        rounds=rounds,
        pool=_gather(run.pools, rounds, INSTRUCTION),
        answers=_gather(run.answers, rounds, ANSWER),
        losses=_gather(run.losses, rounds, LOSS),
        replays=_gather(run.replays, rounds, ANSWERED, ".parquet"),
        responses=_gather(run.responses, rounds, ANSWER),
        reviews=_gather(run.reviews, rounds, REVIEW),
        scores=_gather(run.scores, rounds, VERDICT, ".parquet"),
        draws=_gather(run.draws, rounds, DRAW),
        questions=_if_there(run.questions, QUESTION),
        question_answers=_if_there(run.question_answers, ANSWER),
        evaluated=_gather(run.evaluation, rounds, SCORE, "/scores.parquet"),
        judged=_gather(run.evaluation, rounds, REVIEW, "/reviews.jsonl"),
    )


def _gather(
    folder: Path, rounds: list[str], schema: Schema, suffix: str = ".jsonl"
) -> pl.DataFrame:
    parts = [
        _if_there(folder / f"{name}{suffix}", schema).with_columns(round=pl.lit(name))
        for name in rounds
    ]
    return pl.concat(parts)


def _if_there(path: Path, schema: Schema) -> pl.DataFrame:
    return read_table(path, schema) if path.exists() else pl.DataFrame(schema=schema)
