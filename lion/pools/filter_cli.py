"""`lion filter`: keep the new instructions among candidates."""

import json
from pathlib import Path

import click

from lion.params import parse_columns
from lion.pools.novelty import Match, NoveltyFilter
from lion.pools.seeds import Text, read_texts
from lion.support.command_line import HELP

_SHOWN = 5


columns_option = click.option(
    "--columns",
    default="{}",
    metavar="YAML",
    help="Keys of the rows, written like seeds_columns: '{instruction: question, ignore: [note]}'.",
)


@click.command(context_settings=HELP)
@click.argument("pool", type=click.Path(path_type=Path))
@click.argument("candidates", type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    default=0.7,
    show_default=True,
    help="Reject a candidate whose ROUGE-L F-measure is this (0 to 1) or more.",
)
@columns_option
def filter(pool: Path, candidates: Path, threshold: float, columns: str) -> None:
    """Print the CANDIDATES that differ from POOL and from each other, as JSONL.

    Both may have any form of seeds (docs/setup.md); POOL may also be a folder of JSONL files. Rows
    keep all their keys. A row of several instances is printed if one of them is new. A summary goes
    to stderr.
    """
    mapped = parse_columns(columns)
    known = read_texts(pool, mapped)
    tried = read_texts(candidates, mapped)
    novelty = NoveltyFilter(*_tasks(known), threshold=threshold)
    pairs = list(zip(tried, novelty.accept(*_tasks(tried)), strict=True))
    for row in {id(text.row): text.row for text, match in pairs if match is None}.values():
        line = json.dumps(row, ensure_ascii=False, default=str)
        # Write half a surrogate pair, which another key may hold, as the escape it was read from.
        click.echo(line.encode("utf-8", "backslashreplace"))
    rejected = [(text, match) for text, match in pairs if match]
    click.echo(_summary(len(known), len(tried), rejected, threshold), err=True)


def _tasks(texts: list[Text]) -> tuple[list[str], list[str]]:
    return [text.task for text in texts], [text.place for text in texts]


def _summary(known: int, tried: int, rejected: list[tuple[Text, Match]], threshold: float) -> str:
    first, rest = rejected[:_SHOWN], len(rejected[_SHOWN:])
    lines = [
        f"{tried - len(rejected):,} of {tried:,} candidates differ from {known:,} known ones; "
        f"{len(rejected):,} have a ROUGE-L of {threshold} or more",
        *(f"  {text.place}: {match.similarity:.3f} to {match.id}" for text, match in first),
        *([f"  and {rest:,} more"] if rest else []),
    ]
    return "\n".join(lines)
