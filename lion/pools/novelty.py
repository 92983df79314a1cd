"""The novelty filter: ROUGE-L F-measure against every known text, exact and fast.

Its decisions are those of rouge-score's rougeL without stemming, on the tokens of
lion.pools.tokens. The normalised Indel similarity of two token sequences is the same measure up to
rounding. RapidFuzz computes it fastest on bytes, so a first pass maps tokens to bytes. Tokens that
share a byte can only raise the similarity, so this pass loses no pair. A second pass compares the
few remaining pairs token by token, with rouge-score's own arithmetic.
"""

import sys
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Indel, LCSseq

from lion.pools.tokens import tokens
from lion.support.errors import InputError

# Pairs compared at a time; bounds the memory for any pool size.
_PAIRS = 4_000_000
# Below this many pairs a second thread costs more than it saves.
_FEW = 50_000
# Texts of one `accept` call that are compared with each other at a time.
_BLOCK = 1024
# Relative margin below the threshold, so that rounding in RapidFuzz loses no pair.
_SLACK = 1e-6


class Match(NamedTuple):
    """A known text that is too similar: its id and the ROUGE-L F-measure, 0..1."""

    id: str
    similarity: float


class _Text(NamedTuple):
    """A text as one character per token, and as one byte per token; tokens may share a byte."""

    exact: str
    rough: bytes


class _Known(NamedTuple):
    """The known texts of one length in tokens, and their positions among all known texts."""

    texts: list[_Text]
    positions: list[int]


class NoveltyFilter:
    """A set of known texts that finds the one to which a new text is too similar.

    A text without a token (punctuation only) is similar to nothing, as in rouge-score.
    """

    def __init__(self, texts: Sequence[str], ids: Sequence[str], *, threshold: float) -> None:
        if not 0 < threshold <= 1:
            raise InputError(f"novelty threshold {threshold}: must be above 0 and at most 1")
        self._threshold = threshold
        self._ids: list[str] = []
        self._distinct: set[str] = set()
        self._alphabet: dict[str, int] = {}
        self._known: defaultdict[int, _Known] = defaultdict(lambda: _Known([], []))
        for text, id in zip(texts, ids, strict=True):
            self.add(text, id)

    def add(self, text: str, id: str) -> None:
        """Add `text` to the known texts."""
        self._learn(self._encode(text), id)

    def nearest(self, texts: Sequence[str]) -> list[Match | None]:
        """Return each text's most similar known text at or above the threshold, else None.

        Among equally similar texts the first known wins.
        """
        return self._nearest([self._encode(text) for text in texts])

    def accept(self, texts: Sequence[str], ids: Sequence[str]) -> list[Match | None]:
        """Add the texts that are new, in order; return None for an added text, else its match.

        Each text is compared with all known texts and with those accepted before it in this call.
        """
        if len(texts) != len(ids):
            raise ValueError(f"{len(texts)} texts, but {len(ids)} ids")
        matches: list[Match | None] = []
        for start in range(0, len(texts), _BLOCK):
            block = slice(start, start + _BLOCK)
            matches += self._accept([self._encode(text) for text in texts[block]], ids[block])
        return matches

    def _accept(self, queries: list[_Text], ids: Sequence[str]) -> list[Match | None]:
        matches = self._nearest(queries)
        fresh = [at for at, match in enumerate(matches) if match is None and queries[at].exact]
        rivals = self._rivals(queries, fresh)
        for place, match in enumerate(matches):
            accepted = [rival for rival in rivals[place] if matches[rival[1]] is None]
            opposite, rival = min(accepted, default=(0.0, 0))
            if -opposite > (match.similarity if match else 0.0):
                matches[place] = Match(ids[rival], -opposite)
            elif match is None:
                self._learn(queries[place], ids[place])
        return matches

    def _rivals(
        self, queries: list[_Text], fresh: list[int]
    ) -> defaultdict[int, list[tuple[float, int]]]:
        """Return each place's similar earlier places among `fresh`, as (-similarity, place)."""
        pairs = _similar(queries, [queries[place] for place in fresh], self._threshold)
        rivals: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
        for query, choice, similarity in pairs:
            if fresh[choice] < query:
                rivals[query].append((-float(similarity), fresh[choice]))
        return rivals

    def _nearest(self, queries: list[_Text]) -> list[Match | None]:
        """Return the matches of `nearest` for encoded texts, one length of known texts at a time.

        F = 2 LCS / (m + n) and LCS <= min(m, n), so texts of too different a length cannot match.
        """
        order = sorted(range(len(queries)), key=lambda place: len(queries[place].exact))
        lengths = [len(queries[place].exact) for place in order]
        lowest = self._threshold * (1 - _SLACK)
        ratio = lowest / (2 - lowest)
        best = [(0.0, 0)] * len(queries)  # (-similarity, position): the minimum is the best
        for length, known in self._known.items():
            low, high = bisect_left(lengths, length * ratio), bisect_right(lengths, length / ratio)
            for place, candidate in self._search(queries, order[low:high], known):
                best[place] = min(best[place], candidate)
        return [Match(self._ids[at], -opposite) if opposite else None for opposite, at in best]

    def _search(
        self, queries: list[_Text], places: list[int], known: _Known
    ) -> Iterator[tuple[int, tuple[float, int]]]:
        """Yield (place, (-similarity, position)) of each similar known text."""
        texts = [queries[place] for place in places]
        step = max(1, _PAIRS // max(1, len(texts)))
        for start in range(0, len(known.texts) if texts else 0, step):
            pairs = _similar(texts, known.texts[start : start + step], self._threshold)
            for query, choice, similarity in pairs:
                yield places[query], (-float(similarity), known.positions[start + choice])

    def _learn(self, text: _Text, id: str) -> None:
        # A duplicate is never the nearest: the first of its kind is as similar and was known first.
        if text.exact and text.exact not in self._distinct:
            self._distinct.add(text.exact)
            known = self._known[len(text.exact)]
            known.texts.append(text)
            known.positions.append(len(self._ids))
            self._ids.append(id)

    def _encode(self, text: str) -> _Text:
        known = self._alphabet
        numbers = [known.setdefault(token, len(known)) for token in tokens(text)]
        if len(known) > sys.maxunicode:
            raise InputError(f"more than {sys.maxunicode:,} different tokens; filter in parts")
        return _Text("".join(map(chr, numbers)), bytes(number % 256 for number in numbers))


def _similar(
    queries: list[_Text], choices: list[_Text], threshold: float
) -> Iterator[tuple[int, int, float]]:
    """Return each query and choice whose F-measure is at least `threshold`, and that measure.

    The arithmetic is rouge-score's. Every choice must have at least one token, since rouge-score
    calls two empty texts dissimilar.
    """
    workers = 1 if len(queries) * len(choices) < _FEW else -1
    rough = process.cdist(
        [query.rough for query in queries],
        [choice.rough for choice in choices],
        scorer=Indel.normalized_similarity,
        score_cutoff=threshold * (1 - _SLACK),  # anything lower becomes 0
        dtype=np.float32,
        workers=workers,
    )
    rows, columns = np.nonzero(rough)
    ours, theirs = [queries[row].exact for row in rows], [choices[at].exact for at in columns]
    common = process.cpdist(ours, theirs, scorer=LCSseq.similarity, dtype=np.int64, workers=workers)
    precision = common / np.array([len(text) for text in ours])
    recall = common / np.array([len(text) for text in theirs])
    total = precision + recall
    similarities = 2 * precision * recall / np.where(total > 0, total, 1)  # nothing shared: 0
    kept = similarities >= threshold
    return zip(rows[kept], columns[kept], similarities[kept], strict=True)
