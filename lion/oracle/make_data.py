"""Write the oracle's seeds and questions: `python -m lion.oracle.make_data SEEDS QUESTIONS`."""

import json
import random
from collections.abc import Iterable
from pathlib import Path

import click

from lion.oracle.families import FAMILIES, Family, draw, write
from lion.oracle.words import THEMES
from lion.pools.instructions import task_text
from lion.pools.novelty import NoveltyFilter
from lion.support.files import replacing

Row = dict[str, str]
SEEDS = 1500
QUESTIONS = 25  # of each family
THRESHOLD = 0.7  # ROUGE-L F-measure: every row is below it against all others


@click.command()
@click.argument("seeds", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("questions", type=click.Path(path_type=Path, dir_okay=False))
def main(seeds: Path, questions: Path) -> None:
    """Write SEEDS (common families often) and QUESTIONS (all families alike), JSONL both."""
    rng = random.Random(1)
    known = NoveltyFilter([], [], threshold=THRESHOLD)
    _write(seeds, [new_row(rng, family, known) for family in zipf(rng, SEEDS)])
    evenly = [family for family in FAMILIES for _ in range(QUESTIONS)]
    rows = [{**new_row(rng, family, known), "category": family.name} for family in evenly]
    _write(questions, rows)


def zipf(rng: random.Random, count: int) -> list[Family]:
    """Draw `count` families; the one of rank k has weight 1 / k (Zipf's law)."""
    weights = [1 / rank for rank in range(1, len(FAMILIES) + 1)]
    return rng.choices(FAMILIES, weights, k=count)


def new_row(rng: random.Random, family: Family, known: NoveltyFilter) -> Row:
    """Return a task of `family` that is new against all `known` texts, and add it to them."""
    themes = [theme for theme in THEMES if family.suits(theme)]
    for _ in range(1000):
        instruction, input = write(rng, draw(rng, family, rng.choice(themes)))
        text = task_text(instruction, input)
        if known.accept([text], [text]) == [None]:
            return {"instruction": instruction, "input": input}
    raise RuntimeError(f"{family.name}: no new task in 1,000 draws; its words are used up")


def _write(path: Path, rows: Iterable[Row]) -> None:
    with replacing(path) as temporary:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        temporary.write_text(lines, encoding="utf-8")
    click.echo(f"{path}: {lines.count(chr(10))} rows", err=True)


if __name__ == "__main__":
    main()
