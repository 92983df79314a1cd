"""`lion check`: is a pool clean of the evaluation's questions; has the loop come to its end."""

from pathlib import Path

import click

from lion.evaluate.equilibrium import equilibrium
from lion.evaluate.questions import read_keyed_questions
from lion.pools.contamination import known_questions
from lion.pools.instructions import task_text
from lion.pools.seeds import read_rows
from lion.pools.tables import REVIEW, VERDICT, read_table
from lion.support.errors import InputError

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def check() -> None:
    """Checks of a run: contamination of a pool, equilibrium of the loop."""


@check.command()
@click.argument("pool", type=_FILE)
@click.argument("questions", type=_FILE, nargs=-1, required=True)
@click.option("--words", default=8, show_default=True, help="Words in a row that are too many.")
@click.pass_context
def contamination(ctx: click.Context, pool: Path, questions: tuple[Path, ...], words: int) -> None:
    """Which instructions of POOL repeat a piece of QUESTIONS; exits with 1 if any does."""
    if words < 1:
        raise click.UsageError("--words must be 1 or more")
    rows = read_rows(pool)
    if not rows:
        raise InputError(f"{pool}: no rows to check")
    found = 0
    for path in questions:
        asked = read_keyed_questions(path)
        names = {id: key or id for id, key in asked.select("id", "key").iter_rows()}
        known = known_questions(asked, words=words)
        for row in rows:
            if overlap := known.overlap(task_text(row.instruction, row.input)):
                found += 1
                click.echo(
                    f"{row.place}: {path}, question {names[overlap.question]}: {overlap.words!r}"
                )
    click.echo(f"{found} of {len(rows)} instructions share {words} words in a row with a question")
    ctx.exit(1 if found else 0)


@check.command(name="equilibrium")
@click.argument("reviews", type=_FILE)
@click.option("--scores", type=_FILE, help="The verdicts (discriminate's table), for hard share.")
def check_equilibrium(reviews: Path, scores: Path | None) -> None:
    """Whether the referee of REVIEWS (such as data/reviews/r3.jsonl) still tells who is who."""
    found = equilibrium(
        read_table(reviews, REVIEW), read_table(scores, VERDICT) if scores else None
    )
    hard = "" if found.hard_share is None else f", hard share {found.hard_share:.1f}%"
    gap = "-" if found.mean_gap is None else f"{found.mean_gap:.2f}"
    click.echo(f"{found.pairs} pairs, mean gap {gap}{hard}")
    click.echo(found.told())
