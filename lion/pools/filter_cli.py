"""`lion filter`: keep the new instructions among candidates."""

import json
from pathlib import Path

import click

from lion.pools.instructions import task_text
from lion.pools.novelty import Match, NoveltyFilter
from lion.pools.rows import Row, read_rows
from lion.support.command_line import HELP
from lion.support.errors import InputError

_SHOWN = 5


@click.command(context_settings=HELP)
@click.argument("pool", type=click.Path(path_type=Path))
@click.argument("candidates", type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    default=0.7,
    show_default=True,
    help="Reject a candidate whose ROUGE-L F-measure is this (0 to 1) or more.",
)
def filter(pool: Path, candidates: Path, threshold: float) -> None:
    """Print the CANDIDATES that differ from POOL and from each other, as JSONL.

    Both are JSONL or a JSON list with the keys instruction and (optional) input; POOL may also be
    a folder of JSONL files. Rows keep all their keys. A summary goes to stderr.
    """
    known: list[Row] = []
    for path in _files(pool):
        known += read_rows(path)
    rows = read_rows(candidates)
    novelty = NoveltyFilter(_texts(known), [row.place for row in known], threshold=threshold)
    matches = novelty.accept(_texts(rows), [row.place for row in rows])
    for row, match in zip(rows, matches, strict=True):
        if match is None:
            line = json.dumps(row.keys, ensure_ascii=False)
            # Write half a surrogate pair in another key as the escape that it was read from.
            click.echo(line.encode("utf-8", "backslashreplace"))
    rejected = [(row, match) for row, match in zip(rows, matches, strict=True) if match]
    click.echo(_summary(len(known), len(rows), rejected, threshold), err=True)


def _files(pool: Path) -> list[Path]:
    if not pool.is_dir():
        return [pool]
    files = sorted(pool.glob("*.jsonl"))
    if not files:
        raise InputError(f"{pool}: no .jsonl file in this folder; give a pool")
    return files


def _texts(rows: list[Row]) -> list[str]:
    return [task_text(row.instruction, row.input) for row in rows]


def _summary(known: int, tried: int, rejected: list[tuple[Row, Match]], threshold: float) -> str:
    lines = [
        f"{tried - len(rejected):,} of {tried:,} candidates differ from {known:,} known ones; "
        f"{len(rejected):,} have a ROUGE-L of {threshold} or more"
    ]
    lines += [
        f"  {row.place}: {match.similarity:.3f} to {match.id}" for row, match in rejected[:_SHOWN]
    ]
    if len(rejected) > _SHOWN:
        lines.append(f"  and {len(rejected) - _SHOWN:,} more")
    return "\n".join(lines)
