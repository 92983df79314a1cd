"""Check that tokens for all languages cost English nothing: the same decisions at the same speed.

The texts are real instructions whose letters are all ASCII, followed by recombined halves of them,
many of which lie near the threshold. Each is compared with every text accepted before it, as
generation does.
1. Decisions: the filter with Lion's tokens against one with rouge_score's own tokenizer. A decision
   is the nearest text and its exact similarity, or none. benchmarks.novelty compares the whole
      filter with rouge_score.
2. Speed: a pass with Lion's tokens against a pass with its former tokenizer, for English alone. The
   passes alternate, and the fastest of each counts, since other programs only slow a pass down.
   Seconds are CPU seconds.
Prints one JSON line.
"""

import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import click
from rouge_score.tokenizers import DefaultTokenizer

from benchmarks.novelty import ALPACA, THRESHOLD, rejoined
from lion.pools.novelty import Match, NoveltyFilter
from lion.pools.seeds import read_texts
from lion.pools.tokens import tokens
from lion.support.errors import InputError

_ENGLISH = re.compile("[a-z0-9]+")
Tokenizer = Callable[[str], list[str]]


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=ALPACA, help="Alpaca's JSON list.")
@click.option("--count", default=18_000, show_default=True, help="Texts to decide.")
@click.option("--passes", default=5, show_default=True, help="Timed passes of each tokenizer.")
def main(data: Path, count: int, passes: int) -> None:
    """Measure Lion's tokenizer against rouge_score's and against the one for English alone."""
    if not data.exists():
        raise InputError(f"{data}: no such file; pass --data with Alpaca's JSON list")
    every = [text.task for text in read_texts(data)]
    real = [text for text in every if has_ascii_letters(text)][:count]
    texts = real + rejoined(real, count - len(real), random.Random(1))
    matches, _ = timed(texts, tokens)
    reference, _ = timed(texts, DefaultTokenizer().tokenize)
    pairs = [(timed(texts, english)[1], timed(texts, tokens)[1]) for _ in range(passes)]
    before, after = (min(seconds) for seconds in zip(*pairs, strict=True))
    figures = {
        "benchmark": "english",
        "texts": len(texts),
        "real": len(real),
        "real_with_other_letters": len(every) - len(real),
        "rejecting": sum(match is not None for match in reference),
        "differing": sum(mine != its for mine, its in zip(matches, reference, strict=True)),
        "seconds_english_alone": round(before, 2),
        "seconds": round(after, 2),
        "speed_percent": round(100 * before / after, 1),
    }
    click.echo(json.dumps(figures))


def has_ascii_letters(text: str) -> bool:
    """Whether all letters and digits of `text` are ASCII; other characters need not be."""
    return not any((c.isalpha() or c.isdecimal()) and not c.isascii() for c in text)


def english(text: str) -> list[str]:
    """Return the tokens of Lion's former tokenizer: runs of ASCII letters and digits."""
    return _ENGLISH.findall(text.lower())


def timed(texts: list[str], tokenizer: Tokenizer) -> tuple[list[Match | None], float]:
    """Return the filter's decision on each text with this tokenizer, and the total CPU seconds."""
    with patch("lion.pools.novelty.tokens", tokenizer):
        start = time.process_time()
        novelty = NoveltyFilter([], [], threshold=THRESHOLD)
        matches = novelty.accept(texts, [str(n) for n in range(len(texts))])
        return matches, time.process_time() - start


if __name__ == "__main__":
    main()
