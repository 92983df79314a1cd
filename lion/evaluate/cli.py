"""`lion evaluate`: candidates against a reference, from live requests or recorded reviews."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import click
import polars as pl

from lion.chat import connect
from lion.evaluate.candidates import answers_of
from lion.evaluate.comparison import Comparison, compare, from_recorded
from lion.evaluate.human import agreements, read_marks
from lion.evaluate.output import as_json, as_text
from lion.evaluate.questions import read_keyed_questions
from lion.evaluate.recorded import RecordedReview, read_answers, read_reviews
from lion.params import Params, load_params
from lion.pools.tables import REVIEW, write_table
from lion.support.command_line import HELP
from lion.support.errors import InputError
from lion.support.files import replacing

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(context_settings=HELP)
@click.argument("names", nargs=-1)
@click.option("--questions", type=_FILE, help="Questions; default: evaluate.questions.")
@click.option("--reviews", type=_FILE, help="Recorded replies of a judge; sends no request.")
@click.option(
    "--candidate",
    "place",
    type=click.Choice(["1", "2"]),
    default="2",
    show_default=True,
    help="With --reviews: the assistant that was the candidate; the other is the reference.",
)
@click.option(
    "--answers",
    nargs=2,
    type=_FILE,
    help="With --reviews: recorded answers of assistants 1 and 2, used for their lengths.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for all replies."
)
@click.option(
    "--human",
    type=_FILE,
    help="Marks of verdicts as right or wrong, from `lion view` or a table; sends no request.",
)
@click.option("--json", "as_json_", is_flag=True, help="Print JSON, one line a candidate.")
@click.option("--params", "params_path", type=_FILE, default="params.yaml", show_default=True)
def evaluate(
    names: tuple[str, ...],
    questions: Path | None,
    reviews: Path | None,
    place: str,
    answers: tuple[Path, Path] | None,
    out: Path | None,
    human: Path | None,
    as_json_: bool,
    params_path: Path,
) -> None:
    """Relative response quality of the candidates NAMES (default: all in evaluate.candidates)."""
    if human:
        for agreement in agreements(read_marks(human)):
            click.echo(json.dumps(asdict(agreement)) if as_json_ else str(agreement))
        return
    if reviews:
        if not questions:
            raise click.UsageError("--reviews needs --questions: the file that its ids refer to")
        asked = read_keyed_questions(questions)
        comparisons = _recorded(asked, reviews, 1 if place == "1" else 2, answers)
    else:
        params = load_params(params_path)
        asked = read_keyed_questions(questions or Path(params.evaluate.questions))
        comparisons = _asked(asked, names, params)
    for comparison in comparisons:
        click.echo(json.dumps(as_json(comparison)) if as_json_ else as_text(comparison) + "\n")
        if out:
            _save(comparison, out / comparison.name.replace("/", "-"))


def _recorded(
    questions: pl.DataFrame,
    path: Path,
    place: Literal[1, 2],
    answers: tuple[Path, Path] | None,
) -> list[Comparison]:
    """Compare once by the parser and, if a person read the scores, once by the person."""
    recorded = read_reviews(path, questions)
    lengths = _lengths(questions, answers, place) if answers else None
    comparisons = [
        from_recorded(
            f"{path.stem} ({by})", questions, recorded, place=place, by=by, lengths=lengths
        )
        for by in ("person", "parser")
        if by == "parser" or all(review.person for review in recorded)
    ]
    for review in recorded:
        if note := _note(review):
            click.echo(f"question {review.key}: {note}", err=True)
    return comparisons


def _note(review: RecordedReview) -> str | None:
    if review.parsed is None:
        return f"unreadable, so unjudged by the parser: {review.reply[:60]!r}..."
    if review.person and review.person != review.parsed:
        return f"read as {review.parsed}, by the person as {review.person}"
    return None


def _lengths(
    questions: pl.DataFrame, answers: tuple[Path, Path], place: Literal[1, 2]
) -> pl.DataFrame:
    """Return the lengths in characters: columns id, student, teacher."""
    sides = [
        read_answers(path, questions).select("id", length=pl.col("answer").str.len_chars())
        for path in answers
    ]
    teacher, student = sides if place == 2 else sides[::-1]
    return (
        questions.select("id")
        .join(student.rename({"length": "student"}), on="id", how="left", maintain_order="left")
        .join(teacher.rename({"length": "teacher"}), on="id", how="left", maintain_order="left")
    )


def _asked(questions: pl.DataFrame, names: tuple[str, ...], params: Params) -> list[Comparison]:
    known = params.evaluate.candidates
    chosen = names or tuple(name for name in known if name != params.evaluate.reference)
    if unknown := [name for name in chosen if name not in known]:
        raise InputError(
            f"no candidate {unknown[0]!r} in evaluate.candidates; known: {', '.join(known) or '-'}"
        )
    if not chosen:
        raise InputError("evaluate.candidates is empty; add a candidate, or give --reviews FILE")
    reference = answers_of(params.evaluate.reference, questions, params)
    answered = {name: answers_of(name, questions, params) for name in chosen}
    with connect(params, "judge", stage="evaluate", round="candidates") as chat:
        return [
            compare(name, questions, answers, reference, chat, params.judge)
            for name, answers in answered.items()
        ]


def _save(comparison: Comparison, folder: Path) -> None:
    write_table(folder / "reviews.jsonl", comparison.reviews, REVIEW)
    with replacing(folder / "summary.json") as temporary:
        temporary.write_text(json.dumps(as_json(comparison), indent=2) + "\n", encoding="utf-8")
