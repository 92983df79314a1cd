"""`lion check`: whether a pool repeats questions of the evaluation."""

from pathlib import Path

import click

from lion.evaluate.questions import read_keyed_questions
from lion.pools.contamination import known_questions
from lion.pools.instructions import task_text
from lion.pools.rows import read_rows
from lion.support.errors import InputError

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def check() -> None:
    """Check the data of a run."""


@check.command()
@click.argument("pool", type=_FILE)
@click.argument("questions", type=_FILE, nargs=-1, required=True)
@click.option(
    "--words", default=8, show_default=True, help="Consecutive shared words that count as a repeat."
)
@click.pass_context
def contamination(ctx: click.Context, pool: Path, questions: tuple[Path, ...], words: int) -> None:
    """List the instructions of POOL that repeat a part of QUESTIONS; exit with 1 if any does."""
    if words < 1:
        raise click.UsageError("--words must be 1 or more")
    rows = read_rows(pool)
    if not rows:
        raise InputError(f"{pool}: no rows to check")
    repeats = 0
    for path in questions:
        asked = read_keyed_questions(path)
        names = {id: key or id for id, key in asked.select("id", "key").iter_rows()}
        known = known_questions(asked, words=words)
        for row in rows:
            if overlap := known.overlap(task_text(row.instruction, row.input)):
                repeats += 1
                click.echo(
                    f"{row.place}: {path}, question {names[overlap.question]}: {overlap.words!r}"
                )
    click.echo(
        f"{repeats} of {len(rows)} instructions share {words} words in a row with a question"
    )
    ctx.exit(1 if repeats else 0)
