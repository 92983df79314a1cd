"""Decontamination: instructions that repeat a piece of an evaluation question.

A piece is a run of `words` words, as the novelty filter reads them (lower case, letters and digits
alone). A question of fewer words counts whole: it is repeated by a text of just these words.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from lion.pools.instructions import task_texts
from lion.pools.novelty import tokens
from lion.pools.tables import QUESTION, read_table


class Overlap(NamedTuple):
    """A question that a text repeats, by id, and the words in common."""

    question: str
    words: str


class Questions:
    """Knows evaluation questions, and finds the one that a text repeats."""

    def __init__(self, texts: Sequence[str], ids: Sequence[str], *, words: int) -> None:
        """`words` is the length of a piece; with 0 nothing overlaps."""
        self._size = words
        self._pieces: dict[tuple[str, ...], str] = {}
        self._short: dict[tuple[str, ...], str] = {}
        for text, id in zip(texts, ids, strict=True):
            said = tuple(tokens(text))
            if words and 0 < len(said) < words:
                self._short.setdefault(said, id)
            for piece in self._pieces_of(said):
                self._pieces.setdefault(piece, id)

    def overlap(self, text: str) -> Overlap | None:
        """The first piece of `text` that stands in a question, or None."""
        said = tuple(tokens(text))
        if said in self._short:
            return Overlap(self._short[said], " ".join(said))
        for piece in self._pieces_of(said):
            if piece in self._pieces:
                return Overlap(self._pieces[piece], " ".join(piece))
        return None

    def _pieces_of(self, said: tuple[str, ...]) -> list[tuple[str, ...]]:
        if not self._size:
            return []
        return [said[at : at + self._size] for at in range(len(said) - self._size + 1)]


def read_avoided(paths: Sequence[Path], *, words: int) -> Questions:
    """Every question of the tables (QUESTION) at `paths`."""
    frames = [read_table(path, QUESTION) for path in paths]
    return known_questions(pl.concat([pl.DataFrame(schema=QUESTION), *frames]), words=words)


def known_questions(questions: pl.DataFrame, *, words: int) -> Questions:
    """The questions of one table (QUESTION), instruction and input together."""
    texts = task_texts(questions)
    return Questions(texts, questions["id"].to_list(), words=words)
