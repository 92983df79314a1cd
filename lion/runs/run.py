"""The tables of one run, all rounds together. A table that does not exist yet is empty."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, get_type_hints

import polars as pl
import yaml

from lion.pools.cache import with_rewrites
from lion.pools.tables import (
    ANSWER,
    ANSWER_LOSS,
    ANSWERED,
    DRAW,
    INSTRUCTION,
    LOSS,
    QUESTION,
    REVIEW,
    SCORE,
    VERDICT,
    Keep,
    Schema,
    compact,
    read_table,
)
from lion.support.errors import InputError

Places = Mapping[str, Path]  # by their names under `vars: run:` in dvc.yaml


class Source(NamedTuple):
    """Where a table comes from: its place in dvc.yaml, its schema, and the file of one round.

    `suffix` follows the round's name; without one, the place itself is the file. `light` maps the
    names of long texts to what a light run keeps of each.
    """

    place: str
    schema: Schema
    suffix: str = ".jsonl"
    light: Mapping[str, pl.Expr] = MappingProxyType({})

    def lighten(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return `rows` without their long texts."""
        texts = rows.select(expr.cast(pl.String).alias(name) for name, expr in self.light.items())
        return rows.with_columns(compact(texts).get_columns())


# Keep the first character of an answer, which tells whether the answer is empty.
_ANSWER = {"answer": pl.col("answer").str.strip_chars().str.head(1), "thoughts": pl.lit(None)}
_REPLY = {"reply": pl.when(pl.col("student").is_null()).then("reply")}


@dataclass(frozen=True)
class Tables:
    """A run's tables, rows in file order; each table of rounds has a column `round`.

    These fields are the only list of tables: reading, the places in dvc.yaml and the options of the
    report stage follow from it. Answers are the teacher's, responses the student's.
    """

    rounds: list[str]  # those named in the parameters, r0 first
    pool: Annotated[pl.DataFrame, Source("pools", INSTRUCTION)]
    answers: Annotated[pl.DataFrame, Source("answers", ANSWER, light=_ANSWER)]
    rewrites: Annotated[pl.DataFrame, Source("rewrites", ANSWER)]
    losses: Annotated[pl.DataFrame, Source("losses", LOSS)]
    replays: Annotated[pl.DataFrame, Source("replays", ANSWERED, ".parquet")]
    responses: Annotated[pl.DataFrame, Source("responses", ANSWER, light=_ANSWER)]
    difficulty: Annotated[pl.DataFrame, Source("difficulty", ANSWER_LOSS, ".parquet")]
    reviews: Annotated[pl.DataFrame, Source("reviews", REVIEW, light=_REPLY)]
    scores: Annotated[pl.DataFrame, Source("scores", VERDICT, ".parquet")]
    draws: Annotated[pl.DataFrame, Source("draws", DRAW)]
    evaluated: Annotated[pl.DataFrame, Source("evaluation", SCORE, "/scores.parquet")]
    judged: Annotated[pl.DataFrame, Source("evaluation", REVIEW, "/reviews.jsonl")]
    question_responses: Annotated[pl.DataFrame, Source("evaluation", ANSWER, "/responses.jsonl")]
    question_losses: Annotated[pl.DataFrame, Source("evaluation", ANSWER_LOSS, "/losses.parquet")]
    questions: Annotated[pl.DataFrame, Source("questions", QUESTION, "")]
    question_answers: Annotated[pl.DataFrame, Source("question_answers", ANSWER, "")]

    @property
    def judged_rounds(self) -> list[str]:
        """Return the rounds whose student was judged on some question."""
        judged = self.evaluated.drop_nulls("gap")["round"].unique()
        return [name for name in self.rounds if name in judged]

    @property
    def last_answers(self) -> pl.DataFrame:
        """Return the teacher's answers, each as last rewritten, under the round it joined in."""
        return with_rewrites(self.answers, self.rewrites)

    @property
    def taught(self) -> pl.DataFrame:
        """Return the teacher's own answers, without those that came with the seeds (no tokens)."""
        return self.answers.drop_nulls("prompt_tokens")


SOURCES: dict[str, Source] = {
    name: hint.__metadata__[0]
    for name, hint in get_type_hints(Tables, include_extras=True).items()
    if hasattr(hint, "__metadata__")
}
PLACES = tuple(dict.fromkeys(source.place for source in SOURCES.values()))


def round_number(name: str) -> int:
    """Return 12 for r12, to sort rounds."""
    return int(name[1:])


def round_numbers(column: str = "round") -> pl.Expr:
    """Return the numbers of a column of rounds, to sort or compare them."""
    return pl.col(column).str.slice(1).cast(pl.Int64)


def pipeline_variable(root: Path, name: str) -> Any:
    """Return the value of `name` under `vars` in `root`/dvc.yaml; InputError without one."""
    file = root / "dvc.yaml"
    try:
        pipeline: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        return next(group[name] for group in pipeline["vars"] if name in group)
    except FileNotFoundError:
        raise InputError(
            f"{file}: no such file. Run this command in a folder of the project."
        ) from None
    except (KeyError, TypeError, StopIteration, RecursionError, ValueError, yaml.YAMLError):
        raise InputError(
            f"{file}: `vars` has no `{name}`. Restore the file from git; Lion cannot read "
            "revisions in which dvc.yaml had no paths under `vars`."
        ) from None


def places_of(root: Path) -> Places:
    """Return the places under `vars: run:` in `root`/dvc.yaml, the only file that names them.

    A revision that is older than a table lacks its place.
    """
    places = pipeline_variable(root, "run")
    file = root / "dvc.yaml"
    paths = places.values() if isinstance(places, dict) else [None]
    if not all(isinstance(path, str) and "\0" not in path for path in paths):
        raise InputError(f"{file}: `vars: run:` must map tables to paths: pools: data/pools/train.")
    if unknown := [str(name) for name in places if name not in PLACES]:
        raise InputError(
            f"{file}: `vars: run:` names unknown tables: {', '.join(unknown)} "
            f"(known: {', '.join(PLACES)})."
        )
    return {name: root / place for name, place in places.items()}


def read_run(places: Places, rounds: list[str], *, light: bool = False) -> Tables:
    """Read the tables of `rounds` that exist; InputError if one is damaged.

    A `light` run lacks the texts of answers and of readable replies, which take most of the memory;
    `with_texts` reads some of them.
    """
    tables: dict[str, Any] = {
        name: _read(places, name, rounds, source.lighten if light and source.light else None)
        for name, source in SOURCES.items()
    }
    return Tables(rounds, **tables)


def with_texts(tables: Tables, places: Places, ids: list[str]) -> Tables:
    """Return a light run whose tables with long texts have only `ids`, but whole texts."""

    def chosen(rows: pl.DataFrame) -> pl.DataFrame:
        return compact(rows.filter(pl.col("id").is_in(ids)))

    few: dict[str, Any] = {
        name: _read(places, name, tables.rounds, chosen)
        for name, source in SOURCES.items()
        if source.light
    }
    return replace(tables, **few)


def table_file(places: Places, name: str, round: str) -> Path | None:
    """Return the file of table `name` of one round; None if the run has no place for it."""
    source = SOURCES[name]
    place = places.get(source.place)
    if place is None:
        return None
    return place / f"{round}{source.suffix}" if source.suffix else place


def _read(places: Places, name: str, rounds: list[str], keep: Keep | None) -> pl.DataFrame:
    schema, by_round = SOURCES[name].schema, bool(SOURCES[name].suffix)
    parts = []
    for round in rounds if by_round else [""]:
        path, rows = table_file(places, name, round), pl.DataFrame(schema=schema)
        if path and path.exists():
            rows = read_table(path, schema, keep=keep)
        parts.append(rows.with_columns(round=pl.lit(round)) if by_round else rows)
    return pl.concat(parts)
