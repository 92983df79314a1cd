"""`lion check`: checks the seeds before a run, and a pool against evaluation questions."""

import statistics
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click

from lion.evaluate.questions import read_keyed_questions
from lion.params import SeedsColumns, load_params, parse_columns
from lion.pools.contamination import known_questions
from lion.pools.filter_cli import columns_option
from lion.pools.instructions import conversation_text, flat_text
from lion.pools.novelty import NoveltyFilter
from lion.pools.seeds import Seeds, read_texts, seeds_of
from lion.support.command_line import FILE, HELP, params_option
from lion.support.errors import InputError
from lion.support.text import visible

_SHOWN = 5
# Names of scripts that differ from the first word of a character's Unicode name.
_SCRIPTS = {"Cjk": "Han", "Fullwidth": "Latin", "Halfwidth": "Katakana"}


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
                where = f"{path}, question {names[overlap.question]}"
                click.echo(f"{text.place}: {where}: {overlap.words!r}")
    total = f"{repeats} of {len(texts)} instructions"
    click.echo(f"{total} share {words} words in a row with a question")
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
    measured = base if base.is_dir() else None
    lengths, _ = prompt_lengths(read, measured, limit=params.imitate.max_length)
    duplicates = near_duplicates(read, threshold=params.generate.novelty)
    for line in (*describe(file, read, params.seeds_columns), lengths, *duplicates):
        click.echo(visible(line))


def describe(file: Path, seeds: Seeds, columns: SeedsColumns) -> Iterator[str]:
    """Yield lines about rows, keys, the seeds' own answers, earlier turns and scripts."""
    rows = sum(seeds.forms.values())
    yield (
        f"{file}: {rows:,} rows ({_counts(seeds.forms)}); {len(seeds.seeds):,} seeds, "
        f"{seeds.duplicates:,} duplicates, {len(seeds.too_long):,} too long and left out"
    )
    yield from _listed(seeds.too_long)
    if columns.names:
        pairs = ", ".join(f"{key} as {name}" for key, name in columns.names.items())
        yield f"mapped keys: {pairs}"
    if seeds.unused:
        yield f"keys not used: {', '.join(sorted(seeds.unused))}"
    own = sum(bool(seed.answer) for seed in seeds.seeds.values())
    yield f"seeds with an answer of their own: {own:,}"
    if systems := [seed.system for seed in seeds.seeds.values() if seed.system]:
        yield f"seeds with a system prompt: {len(systems):,} ({len(set(systems)):,} distinct)"
    if talks := sum(bool(seed.turns) for seed in seeds.seeds.values()):
        yield f"seeds with earlier turns: {talks:,}"
    scripts = dict(Counter(main_script(text) for _, text in seeds.texts).most_common())
    yield f"scripts, by the most frequent one in each seed: {_counts(scripts)}"


def prompt_lengths(seeds: Seeds, student: Path | None, *, limit: int) -> tuple[str, int]:
    """Return a line about the lengths of the prompts, and how many are too long.

    Lengths are in tokens of `student`, as is `limit`, the longest row that training accepts.
    Without a student they are in characters, and no prompt is too long.
    """
    tasks = {seed.place: seed.task for seed in seeds.seeds.values()}
    if student is None:
        unit = "characters (the student is not here yet)"
        sizes = {place: len(flat_text(task)) for place, task in tasks.items()}
    else:
        from lion.student.models import load_tokenizer
        from lion.student.template import encode_prompt

        tokenizer = load_tokenizer(str(student), None)
        tokenizer.model_max_length = sys.maxsize  # no warning: no model reads these tokens
        unit = f"tokens of {student}"
        sizes = {place: len(encode_prompt(tokenizer, task)) for place, task in tasks.items()}
    longest, most = max(sizes.items(), key=lambda place_and_size: place_and_size[1])
    median = statistics.median(sizes.values())
    line = f"length of prompts in {unit}: median {median:,.0f}, longest {most:,} ({longest})"
    if student is None:
        return line, 0
    over = sum(size >= limit for size in sizes.values())
    return f"{line}; {over:,} leave an answer no room in imitate.max_length: {limit}", over


def near_duplicates(seeds: Seeds, *, threshold: float) -> Iterator[str]:
    """Yield lines about seeds that resemble an earlier one; many may share a system prompt."""
    texts = {seed.place: conversation_text(seed.columns) for seed in seeds.seeds.values()}
    matches = NoveltyFilter([], [], threshold=threshold).accept([*texts.values()], [*texts])
    pairs = [
        f"{place}: {match.similarity:.3f} to {match.id}"
        for place, match in zip(texts, matches, strict=True)
        if match
    ]
    yield f"near-duplicates (ROUGE-L {threshold} or more to an earlier seed): {len(pairs):,}"
    yield from _listed(pairs)


def main_script(text: str) -> str:
    """Return the Unicode script of most letters of `text`; among equals, the first."""
    scripts = Counter(_script(letter) for letter in text if letter.isalpha())
    return scripts.most_common(1)[0][0] if scripts else "none"


@cache
def _script(letter: str) -> str:
    """Return a letter's script, which is the first word of its Unicode name."""
    word = unicodedata.name(letter, "unknown").split()[0].capitalize()
    return _SCRIPTS.get(word, word)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _listed(lines: list[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in lines[:_SHOWN])
    if len(lines) > _SHOWN:
        yield f"  and {len(lines) - _SHOWN:,} more"
