"""The novelty filter: ROUGE-L F-measure against every known text, decided exactly and fast.

Decisions are those of rouge-score's rougeL without stemming. The normalised Indel similarity of
two token sequences is the same measure up to rounding. RapidFuzz computes it fastest on bytes, so
tokens become bytes first: where two share one, the similarity can only rise, so no pair is lost.
The few pairs found are then compared token by token, with rouge-score's own arithmetic.
"""

import re
import sys
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Indel, LCSseq

from lion.support.errors import InputError

# Pairs compared at a time: bounds the memory, however large the pool is.
_PAIRS = 4_000_000
# Pairs below which a second thread costs more than it does.
_FEW = 50_000
# Texts of one `accept` call that are compared with each other at a time.
_BLOCK = 1024
# Share of the threshold by which RapidFuzz looks lower, so that its rounding loses no pair.
_SLACK = 1e-6

_TOKEN = re.compile("[a-z0-9]+")


class Match(NamedTuple):
    """A known text that is too similar: its id and the ROUGE-L F-measure, 0..1."""

    id: str
    similarity: float


class _Text(NamedTuple):
    """A text with one character a token, and with one byte a token, which others may share."""

    exact: str
    rough: bytes


class _Known(NamedTuple):
    """The known texts of one length, and their positions among all known texts."""

    texts: list[_Text]
    positions: list[int]


class _Pairs(NamedTuple):
    """Similar pairs, ordered by query, then by choice: two columns of indices, one of 0..1."""

    queries: npt.NDArray[np.intp]
    choices: npt.NDArray[np.intp]
    similarities: npt.NDArray[np.float64]

    def best(self) -> "_Pairs":
        """The most similar pair of each query; of equal ones, that with the first choice."""
        order = np.lexsort((self.choices, -self.similarities, self.queries))
        _, first = np.unique(self.queries[order], return_index=True)
        return self.at(order[first])

    def at(self, rows: npt.NDArray[Any]) -> "_Pairs":
        """The pairs in the given rows."""
        return _Pairs(self.queries[rows], self.choices[rows], self.similarities[rows])


def tokens(text: str) -> list[str]:
    """The tokens of `text` as rouge-score sees them: lower case, runs of a-z and 0-9, no stems."""
    return _TOKEN.findall(text.lower())


class NoveltyFilter:
    """Knows texts, and says of a new one whether it is too similar to any of them.

    A text without a token (one in Chinese, say) is similar to nothing, as rouge-score has it.
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
        """Make `text` known."""
        self._learn(self._encode(text), id)

    def nearest(self, texts: Sequence[str]) -> list[Match | None]:
        """For each text the most similar known one at or above the threshold, else None.

        Of several equally similar ones it is the one known longest.
        """
        return self._nearest([self._encode(text) for text in texts])

    def accept(self, texts: Sequence[str], ids: Sequence[str]) -> list[Match | None]:
        """Learn the new ones among `texts`, in order: None for each that is known from now on.

        A text is compared with all known texts and with those accepted before it in this call.
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
            similarity, opposite = max(((s, -rival) for s, rival in accepted), default=(0.0, 0))
            if similarity > (match.similarity if match else 0.0):
                matches[place] = Match(ids[-opposite], similarity)
            elif match is None:
                self._learn(queries[place], ids[place])
        return matches

    def _rivals(
        self, queries: list[_Text], fresh: list[int]
    ) -> defaultdict[int, list[tuple[float, int]]]:
        """For each place the similar ones before it among `fresh`, as (similarity, place)."""
        pairs = _similar(queries, [queries[place] for place in fresh], self._threshold)
        rivals: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
        for one, other, similarity in zip(*pairs, strict=True):
            if fresh[other] < one:
                rivals[one].append((float(similarity), fresh[other]))
        return rivals

    def _nearest(self, queries: list[_Text]) -> list[Match | None]:
        """The same for encoded texts, one length of known texts at a time.

        F = 2 LCS / (m + n) and LCS <= min(m, n), so texts of too different a length cannot match.
        """
        order = sorted(range(len(queries)), key=lambda place: len(queries[place].exact))
        lengths = [len(queries[place].exact) for place in order]
        lowest = self._threshold * (1 - _SLACK)
        ratio = lowest / (2 - lowest)
        best = [(0.0, 0)] * len(queries)  # minus the similarity, position: the least is the best
        for length, known in self._known.items():
            low, high = bisect_left(lengths, length * ratio), bisect_right(lengths, length / ratio)
            for place, found in self._search(queries, order[low:high], known):
                best[place] = min(best[place], found)
        return [Match(self._ids[at], -opposite) if opposite else None for opposite, at in best]

    def _search(
        self, queries: list[_Text], places: list[int], known: _Known
    ) -> Iterator[tuple[int, tuple[float, int]]]:
        """The best of `known` for those of `places` that have any: (place, what `best` holds)."""
        texts = [queries[place] for place in places]
        step = max(1, _PAIRS // max(1, len(texts)))
        for start in range(0, len(known.texts) if texts else 0, step):
            pairs = _similar(texts, known.texts[start : start + step], self._threshold).best()
            for one, other, similarity in zip(*pairs, strict=True):
                yield places[one], (-float(similarity), known.positions[start + other])

    def _learn(self, text: _Text, id: str) -> None:
        # A repeat never is the nearest: the first of its kind is as near and known longer.
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
            raise InputError(f"more than {sys.maxunicode:,} different words; filter in parts")
        return _Text("".join(map(chr, numbers)), bytes(number % 256 for number in numbers))


def _similar(queries: list[_Text], choices: list[_Text], threshold: float) -> _Pairs:
    """Every pair whose F-measure, in rouge-score's own arithmetic, is at least `threshold`.

    The choices have a token each: rouge-score sees nothing in common between two empty texts.
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
    return _Pairs(rows, columns, similarities).at(similarities >= threshold)
