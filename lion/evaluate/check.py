"""`lion check`: checks of the seeds before a run, and of a pool against evaluation questions."""

from pathlib import Path

import click

from lion.evaluate.check_seeds import describe, near_duplicates, prompt_lengths
from lion.evaluate.questions import read_keyed_questions
from lion.params import load_params, parse_columns
from lion.pools.contamination import known_questions
from lion.pools.filter_cli import columns_option
from lion.pools.seeds import seeds_of
from lion.pools.texts import read_texts
from lion.support.command_line import FILE, HELP, params_option
from lion.support.errors import InputError
from lion.support.text import visible


@click.group(context_settings=HELP)
def check() -> None:
    """Check the data of a run."""


@check.command()
@click.argument("pool", type=click.Path(path_type=Path))
@click.argument("questions", type=FILE, nargs=-1, required=True)
@click.option(
    "--words", default=8, show_default=True, help="Consecutive shared words that count as a repeat."
)
@columns_option
@click.pass_context
def contamination(
    ctx: click.Context, pool: Path, questions: tuple[Path, ...], words: int, columns: str
) -> None:
    """List the instructions of POOL that repeat a part of QUESTIONS; exit with 1 if any does.

    POOL may have any form of seeds (docs/setup.md), or be a folder of JSONL files.
    """
    if words < 1:
        raise click.UsageError("--words must be 1 or more")
    texts = read_texts(pool, parse_columns(columns))
    if not texts:
        raise InputError(f"{pool}: no rows to check")
    repeats = 0
    for path in questions:
        asked = read_keyed_questions(path)
        names = {id: key or id for id, key in asked.select("id", "key").iter_rows()}
        known = known_questions(asked, words=words)
        for text in texts:
            if overlap := known.overlap(text.task):
                repeats += 1
                click.echo(
                    f"{text.place}: {path}, question {names[overlap.question]}: {overlap.words!r}"
                )
    click.echo(
        f"{repeats} of {len(texts)} instructions share {words} words in a row with a question"
    )
    ctx.exit(1 if repeats else 0)


@check.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--student",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Student whose tokens measure lengths.  [default: student.base, if it is a folder]",
)
@params_option()
def seeds(file: Path, student: Path | None, params_path: Path) -> None:
    """Show what a run would read from the seeds in FILE, without any request.

    Prints the format of the rows, the keys that were mapped or not used, rows that were left out,
    scripts, lengths, and near-duplicates by `generate.novelty`.
    """
    params = load_params(params_path)
    read = seeds_of(params, file)
    base = student or Path(params.student.base)
    lengths, _ = prompt_lengths(
        read, base if base.is_dir() else None, limit=params.imitate.max_length
    )
    duplicates = near_duplicates(read, threshold=params.generate.novelty)
    for line in (*describe(file, read, params.seeds_columns), lengths, *duplicates):
        click.echo(visible(line))
