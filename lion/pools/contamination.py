"""Decontamination: find instructions that repeat part of an evaluation question.

A text repeats a question if both contain the same `words` consecutive tokens, as the novelty filter
reads them (lower case, letters and digits only). A shorter question counts as a whole: only a text
of exactly its tokens repeats it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from lion.pools.instructions import task_texts
from lion.pools.novelty import tokens
from lion.pools.tables import QUESTION, read_table


class Overlap(NamedTuple):
    """The id of a question that a text repeats, and the tokens in common."""

    question: str
    words: str


class Questions:
    """An index of evaluation questions that finds the one a text repeats."""

    def __init__(self, texts: Sequence[str], ids: Sequence[str], *, words: int) -> None:
        """Index `texts`; `words` is the length of an n-gram, and 0 turns the check off."""
        self._size = words
        self._ngrams: dict[tuple[str, ...], str] = {}
        self._short: dict[tuple[str, ...], str] = {}
        for text, id in zip(texts, ids, strict=True):
            sequence = tuple(tokens(text))
            if words and 0 < len(sequence) < words:
                self._short.setdefault(sequence, id)
            for ngram in self._ngrams_of(sequence):
                self._ngrams.setdefault(ngram, id)

    def overlap(self, text: str) -> Overlap | None:
        """Return the first n-gram of `text` that occurs in a question, or None."""
        sequence = tuple(tokens(text))
        if sequence in self._short:
            return Overlap(self._short[sequence], " ".join(sequence))
        for ngram in self._ngrams_of(sequence):
            if ngram in self._ngrams:
                return Overlap(self._ngrams[ngram], " ".join(ngram))
        return None

    def _ngrams_of(self, sequence: tuple[str, ...]) -> list[tuple[str, ...]]:
        if not self._size:
            return []
        return [sequence[at : at + self._size] for at in range(len(sequence) - self._size + 1)]


def read_avoided(paths: Sequence[Path], *, words: int) -> Questions:
    """Index every question of the tables (QUESTION) at `paths`."""
    frames = [read_table(path, QUESTION) for path in paths]
    return known_questions(pl.concat([pl.DataFrame(schema=QUESTION), *frames]), words=words)


def known_questions(questions: pl.DataFrame, *, words: int) -> Questions:
    """Index the questions of one table (QUESTION), instruction and input together."""
    texts = task_texts(questions)
    return Questions(texts, questions["id"].to_list(), words=words)
