"""`lion store` and `lion ledger`: the stored replies, and what they cost."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import click

from lion.chat import archive
from lion.chat.archive import Choice
from lion.chat.budget import Budget
from lion.chat.ledger import ledger_of, table_of
from lion.chat.salvage import check_alone, is_sound, salvage
from lion.chat.store import Store
from lion.params import load_params
from lion.support.command_line import HELP
from lion.support.errors import InputError
from lion.support.home import project_root, store_file

_CHOICES = [
    click.option("--stage", help="Only replies to this stage."),
    click.option("--role", help="Only replies to this role."),
    click.option("--round", "round", help="Only replies of this round."),
    click.option("--model", help="Only replies of this model."),
    click.option("--older-than", type=float, metavar="DAYS", help="Only replies older than this."),
]


def _choosing(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_CHOICES):
        command = option(command)
    return command


def _path() -> Path:
    path = store_file()
    if not path.exists():
        raise InputError(
            f"{path}: no replies are stored here; set LION_HOME if they are in another folder"
        )
    return path


def _open() -> Store:
    return Store(_path())


@click.group(context_settings=HELP)
def store() -> None:
    """Manage stored replies; Lion never pays twice for the same request."""


@store.command()
def stats() -> None:
    """Count the stored replies by how they ended."""
    with _open() as opened:
        size = sum(path.stat().st_size for path in opened.path.parent.glob("replies.sqlite*"))
        click.echo(
            f"{opened.path}: {archive.count(opened, Choice()):,} replies, {size / 1e6:,.1f} MB"
        )
        for reason, count in archive.finish_reasons(opened).items():
            click.echo(f"  {count:>9,} {reason}")


@store.command("export")
@click.argument("file", type=click.File("w", encoding="utf-8", atomic=True))
@_choosing
def export_(file: TextIO, **named: Any) -> None:
    """Write replies to FILE as JSON Lines; - is the standard output."""
    with _open() as opened:
        lines = archive.export_lines(opened, Choice(**named))
        count = sum(1 for line in lines if file.write(line + "\n"))
    click.echo(f"{count:,} replies written", err=True)


@store.command("import")
@click.argument("file", type=click.File("rb"))
def import_(file: BinaryIO) -> None:
    """Add the replies in FILE, so that their requests are not sent again."""
    with Store(store_file()) as opened:
        new, known = archive.import_lines(opened, file, name=file.name)
        click.echo(f"{new:,} replies added to {opened.path}, {known:,} were there")


@store.command()
@_choosing
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def prune(*, yes: bool, **named: Any) -> None:
    """Delete replies; requesting them again costs again. Needs an option that selects them."""
    choice = Choice(**named)
    if choice == Choice():
        raise click.UsageError(
            "select what to delete with --stage, --role, --round, --model, --older-than"
        )
    with _open() as opened:
        count = archive.count(opened, choice)
        if count and (yes or click.confirm(f"Delete {count:,} replies?")):
            count = archive.prune(opened, choice)
            click.echo(f"{count:,} replies deleted")
        else:
            click.echo("nothing deleted")


@store.command()
@click.argument("batch")
def forget(batch: str) -> None:
    """Forget a BATCH that its server has lost; its requests are sent, and paid for, again."""
    with _open() as opened:
        if not (count := opened.forget(batch)):
            raise InputError(f"{opened.path}: no request waits for a batch {batch}")
        click.echo(f"{count:,} requests can be sent again")


@store.command("salvage")
def salvage_() -> None:
    """Replace a damaged store by its readable rows; no other process may use it."""
    path = _path()
    check_alone(path)
    if is_sound(path):
        click.echo(f"{path} is sound: nothing to do")
    else:
        salvage(path)


@click.command(context_settings=HELP)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
@click.option(
    "--params",
    "file",
    type=click.Path(path_type=Path),
    default=lambda: project_root() / "params.yaml",
    help="File with prices and budget; by default the project's params.yaml.",
)
def ledger(*, as_json: bool, file: Path) -> None:
    """Show what replies cost, and what the store saved."""
    params = load_params(file)
    budget = Budget(params.prices, params.budget)
    with _open() as opened:
        entries = opened.entries()
    summary = ledger_of(entries, budget)
    if as_json:
        click.echo(json.dumps(summary, indent=2))
        return
    click.echo(table_of(summary))
    if params.prices:
        click.echo(f"Money in {budget.currency} at prices of {params.prices.date}.")
    if budget.is_bounded:
        spent = [entry.spent() for entry in entries]
        click.echo(f"Budget: {budget.left_text(spent)}.")
        if unpriced := budget.unpriced(spent):
            click.echo(f"{unpriced} has no price in prices.models; its cost is not counted.")
