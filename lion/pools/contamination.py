"""Decontamination: find instructions that repeat part of an evaluation question.

A text repeats a question if both contain the same run of tokens (`folded`) that is `words` words
long: a Chinese or Japanese character counts as half a word, a Thai one as a quarter. Only a text of
exactly the same tokens repeats a shorter question.
"""

import itertools
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from lion.pools.instructions import conversation_text
from lion.pools.tables import QUESTION, read_table
from lion.pools.tokens import WORD, folded, weight_of


class Overlap(NamedTuple):
    """The id of a question that a text repeats, and the tokens in common."""

    question: str
    words: str


class Questions:
    """An index of evaluation questions that finds the one a text repeats."""

    def __init__(self, texts: Sequence[str], ids: Sequence[str], *, words: int) -> None:
        """Index `texts`; `words` is the length of an n-gram, and 0 turns the check off."""
        self._size = words * WORD
        self._ngrams: dict[tuple[str, ...], str] = {}
        self._short: dict[tuple[str, ...], str] = {}
        for text, id in zip(texts, ids, strict=True):
            sequence = tuple(folded(text))
            if 0 < sum(map(weight_of, sequence)) < self._size:
                self._short.setdefault(sequence, id)
            for ngram in self._ngrams_of(sequence):
                self._ngrams.setdefault(ngram, id)

    def overlap(self, text: str) -> Overlap | None:
        """Return the first n-gram of `text` that occurs in a question, or None."""
        sequence = tuple(folded(text))
        if sequence in self._short:
            return Overlap(self._short[sequence], " ".join(sequence))
        for ngram in self._ngrams_of(sequence):
            if ngram in self._ngrams:
                return Overlap(self._ngrams[ngram], " ".join(ngram))
        return None

    def _ngrams_of(self, sequence: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """Yield from each token on the shortest n-gram that is long enough."""
        totals = [0, *itertools.accumulate(map(weight_of, sequence))]
        for start in range(len(sequence)) if self._size else ():
            end = bisect_left(totals, totals[start] + self._size)
            if end < len(totals):
                yield sequence[start:end]


def read_avoided(paths: Sequence[Path], *, words: int) -> Questions:
    """Index every question of the tables (QUESTION) at `paths`."""
    frames = [read_table(path, QUESTION) for path in paths]
    return known_questions(pl.concat([pl.DataFrame(schema=QUESTION), *frames]), words=words)


def known_questions(questions: pl.DataFrame, *, words: int) -> Questions:
    """Index the questions of one table (QUESTION): earlier turns, instruction and input together.

    A system prompt does not count: training and evaluation may share it.
    """
    texts = [conversation_text(row) for row in questions.iter_rows(named=True)]
    return Questions(texts, questions["id"].to_list(), words=words)
