"""The novelty filter: ROUGE-L F-measure against every known text, decided exactly and fast.

Decisions are those of rouge-score's rougeL without stemming. RapidFuzz's normalised Indel
similarity of two token sequences is the same measure up to rounding: it picks out the pairs at,
above or just below the threshold, and on those rouge-score's own arithmetic decides.
"""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Indel

from lion.errors import InputError

# Pairs compared at a time: bounds the memory, however large the pool is.
_PAIRS = 4_000_000
# Texts of one `accept` call that are compared with each other at a time.
_BLOCK = 1024
# Share of the threshold by which RapidFuzz looks lower, so that its rounding loses no pair.
_SLACK = 1e-6

_TOKEN = re.compile("[a-z0-9]+")


class Match(NamedTuple):
    """A known text that is too similar: its id and the ROUGE-L F-measure, 0..1."""

    id: str
    similarity: float


class _Known(NamedTuple):
    """The known texts of one length, encoded, and their positions among all known texts."""

    encoded: list[str]
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
        self._alphabet: dict[str, str] = {}
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

    def _accept(self, queries: list[str], ids: Sequence[str]) -> list[Match | None]:
        matches = self._nearest(queries)
        rivals = self._rivals(queries, [place for place, match in enumerate(matches) if not match])
        for place, match in enumerate(matches):
            accepted = [rival for rival in rivals[place] if not matches[rival[1]]]
            if accepted:
                similarity, rival = max(accepted, key=lambda rival: (rival[0], -rival[1]))
                matches[place] = Match(ids[rival], similarity)
            elif not match:
                self._learn(queries[place], ids[place])
        return matches

    def _rivals(
        self, queries: list[str], places: list[int]
    ) -> defaultdict[int, list[tuple[float, int]]]:
        """For each of `places` the similar ones before it, as (similarity, place)."""
        places = [place for place in places if queries[place]]
        texts = [queries[place] for place in places]
        rivals: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
        for one, other, similarity in zip(*_similar(texts, texts, self._threshold), strict=True):
            if other < one:
                rivals[places[one]].append((float(similarity), places[other]))
        return rivals

    def _nearest(self, queries: list[str]) -> list[Match | None]:
        """The same for encoded texts, one length of known texts at a time.

        F = 2 LCS / (m + n) and LCS <= min(m, n), so texts of too different a length cannot match.
        """
        order = sorted(range(len(queries)), key=lambda place: len(queries[place]))
        lengths = [len(queries[place]) for place in order]
        lowest = self._threshold * (1 - _SLACK)
        ratio = lowest / (2 - lowest)
        best = [(0.0, 0)] * len(queries)  # minus the similarity, position: the least is the best
        for length, known in self._known.items():
            low, high = bisect_left(lengths, length * ratio), bisect_right(lengths, length / ratio)
            for place, found in self._search(queries, order[low:high], known):
                best[place] = min(best[place], found)
        return [Match(self._ids[at], -opposite) if opposite else None for opposite, at in best]

    def _search(
        self, queries: list[str], places: list[int], known: _Known
    ) -> Iterator[tuple[int, tuple[float, int]]]:
        """The best of `known` for those of `places` that have any: (place, what `best` holds)."""
        texts = [queries[place] for place in places]
        step = max(1, _PAIRS // max(1, len(texts)))
        for start in range(0, len(known.encoded) if texts else 0, step):
            choices = known.encoded[start : start + step]
            pairs = _similar(texts, choices, self._threshold).best()
            for one, other, similarity in zip(*pairs, strict=True):
                yield places[one], (-float(similarity), known.positions[start + other])

    def _learn(self, encoded: str, id: str) -> None:
        if encoded:
            known = self._known[len(encoded)]
            known.encoded.append(encoded)
            known.positions.append(len(self._ids))
            self._ids.append(id)

    def _encode(self, text: str) -> str:
        """`text` with one character a token: what RapidFuzz compares fastest."""
        known = self._alphabet
        try:
            return "".join(known.setdefault(token, chr(len(known))) for token in tokens(text))
        except ValueError:
            raise InputError(f"more than {len(known)} different words: filter in parts") from None


def _similar(queries: list[str], choices: list[str], threshold: float) -> _Pairs:
    """Every pair whose F-measure, in rouge-score's own arithmetic, is at least `threshold`.

    The texts are encoded and not empty. (Two empty ones would count as equal here.)
    """
    rough = process.cdist(
        queries,
        choices,
        scorer=Indel.normalized_similarity,
        score_cutoff=threshold * (1 - _SLACK),  # anything lower becomes 0
        dtype=np.float32,
        workers=-1,
    )
    rows, columns = np.nonzero(rough)
    ours = np.array([len(query) for query in queries])[rows]
    theirs = np.array([len(choice) for choice in choices])[columns]
    common = np.rint(rough[rows, columns] * (ours + theirs) / 2)  # length of the LCS, exact
    precision, recall = common / ours, common / theirs
    similarities = 2 * precision * recall / (precision + recall)
    return _Pairs(rows, columns, similarities).at(similarities >= threshold)
