"""`lion evaluate`: candidates against a reference, from live requests or recorded reviews."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import click
import polars as pl

from lion.chat import connect
from lion.evaluate.candidates import answers_of
from lion.evaluate.comparison import Comparison, compare, from_recorded, lengths_of, pairs_of
from lion.evaluate.human import agreements, read_mark_rows
from lion.evaluate.quality import Quality
from lion.evaluate.questions import read_keyed_questions
from lion.evaluate.recorded import read_answers, read_reviews
from lion.evaluate.statistics import Interval
from lion.params import Params, load_params
from lion.pools.tables import REVIEW, write_table
from lion.support.command_line import FILE, HELP, json_option, params_option
from lion.support.errors import InputError
from lion.support.files import replacing
from lion.support.text import visible

_SHOWN = 10  # missing questions named
_ROW = "{:<34}{:>8}{:>17}{:>16}{:>23}{:>23}"


class Recorded(TypedDict):
    """The options for recorded replies of a judge."""

    reviews: Path | None
    place: Literal[1, 2]
    answers: tuple[Path, Path] | None


@click.command(context_settings=HELP)
@click.argument("names", nargs=-1)
@click.option("--questions", type=FILE, help="The questions.  [default: evaluate.questions]")
@click.option("--reviews", type=FILE, help="Recorded replies of a judge; sends no request.")
@click.option(
    "--candidate",
    "place",
    type=click.Choice([1, 2]),
    default=2,
    show_default=True,
    help="With --reviews: the assistant that was the candidate; the other is the reference.",
)
@click.option(
    "--answers",
    nargs=2,
    type=FILE,
    help="With --reviews: recorded answers of assistants 1 and 2, used for their lengths.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the judge's replies and the figures.",
)
@click.option(
    "--human",
    type=FILE,
    help="Marks of verdicts as right or wrong, from `lion view` or a table; sends no request.",
)
@json_option("Print JSON, one line per candidate.")
@params_option()
def evaluate(
    names: tuple[str, ...],
    questions: Path | None,
    out: Path | None,
    human: Path | None,
    as_json: bool,
    params_path: Path,
    **recorded: Unpack[Recorded],
) -> None:
    """Measure the relative quality of the candidates NAMES (default: all in evaluate.candidates).

    With --reviews, a judge's recorded replies take the place of requests. With --human, the command
    instead shows how often a person agrees with the referee's verdicts.
    """
    if human:
        _show_agreement(human, as_json=as_json)
        return
    if recorded["reviews"]:
        if not questions:
            raise click.UsageError("--reviews needs --questions: the file that its ids refer to")
        asked = read_keyed_questions(questions)
        comparisons = _recorded(asked, recorded["reviews"], recorded)
    else:
        params = load_params(params_path)
        asked = read_keyed_questions(questions or Path(params.evaluate.questions))
        comparisons = _asked(asked, names, params)
    for comparison in comparisons:
        click.echo(json.dumps(_as_dict(comparison)) if as_json else _as_text(comparison) + "\n")
        if out:
            _save(comparison, out / comparison.name.replace("/", "-"))


def _show_agreement(path: Path, *, as_json: bool) -> None:
    rows = read_mark_rows(path)
    marks = rows.drop_nulls("right")
    if unmarked := rows.height - marks.height:
        click.echo(visible(f"{path}: rows without a mark, left out: {unmarked:,}"), err=True)
    for agreement in agreements(marks):
        click.echo(json.dumps(asdict(agreement)) if as_json else str(agreement))


def _recorded(questions: pl.DataFrame, path: Path, options: Recorded) -> list[Comparison]:
    """Compare by the scores that the parser reads; first by a person's, if there are any."""
    reviews, lengths, place = read_reviews(path, questions), None, options["place"]
    if options["answers"]:
        first, second = (read_answers(file, questions) for file in options["answers"])
        sides = (second, first) if place == 2 else (first, second)
        lengths = lengths_of(pairs_of(questions, *sides))
    for review in reviews:
        problem = ""
        if review.parsed is None:
            problem = f"unreadable, so unjudged by the parser: {review.reply[:60]!r}..."
        elif review.person and review.person != review.parsed:
            problem = f"read as {review.parsed}, by the person as {review.person}"
        if problem:
            click.echo(visible(f"question {review.key}: {problem}"), err=True)
    return [
        from_recorded(
            f"{path.stem} ({by})", questions, reviews, place=place, by=by, lengths=lengths
        )
        for by in ("person", "parser")
        if by == "parser" or any(review.person for review in reviews)
    ]


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
        temporary.write_text(json.dumps(_as_dict(comparison), indent=2) + "\n", encoding="utf-8")


def _as_text(comparison: Comparison) -> str:
    """Return a candidate's figures: the total, each category, and the counts behind them."""
    summary, total, missing = comparison.summary, comparison.summary.total, comparison.missing
    controlled = str(summary.length_controlled or "-")
    rows: list[tuple[str, ...]] = [
        ("candidate", "quality", "95%", "win/tie/lose", "win rate", "at equal length"),
        (visible(comparison.name), *_quality(total), str(summary.win_rate), controlled),
    ]
    if len(summary.categories) > 1:
        rows += [
            (f"  {visible(part.category)}", *_quality(part), f"{part.judged} of {part.asked}", "")
            for part in summary.categories
        ]
    unreadable = total.asked - total.judged - len(missing)
    lines = [
        *(_ROW.format(*cells).rstrip() for cells in rows),
        "scores: {:g} of the reference's {:g}".format(*total.scores),
        f"judged: {total.judged} of {total.asked}"
        f" (unanswered: {len(missing)}, unreadable: {unreadable})",
    ]
    if missing:
        more = "" if len(missing) <= _SHOWN else ", ..."
        lines.append(f"unanswered questions: {visible(', '.join(missing[:_SHOWN]))}{more}")
    if summary.flip_rate is not None:
        lines.append(
            f"orders: {summary.flip_rate:.1f}% of winners change with the places; the answer shown "
            f"first gains {summary.position_bias:+.2f} points"
        )
    if summary.length:
        candidate, reference = summary.length
        lines.append(f"mean length: {candidate:,.0f} characters, the reference's {reference:,.0f}")
    return "\n".join(lines)


def _quality(part: Quality) -> tuple[str, str, str]:
    value, low, high = part.quality
    if math.isnan(value):
        return "-", "-", "-"
    shares = f"{part.win:.0f}/{part.tie:.0f}/{part.lose:.0f}%"
    return f"{value:.2f}", f"{low:.2f} to {high:.2f}", shares


def _as_dict(comparison: Comparison) -> Any:
    """Return all figures for JSON; a missing figure and a bound without end are None."""
    figures = {"candidate": comparison.name, **asdict(comparison.summary)}
    return _plain(figures | {"missing": comparison.missing})


def _plain(value: Any) -> Any:
    """Replace NaN and infinity, which JSON lacks, with None, and intervals with dictionaries."""
    if isinstance(value, Interval):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
