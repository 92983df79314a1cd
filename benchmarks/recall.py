"""Compare SemHash and MinHash with the novelty filter: recall, precision and speed.

Needs `pip install datasketch semhash wordllama`, which nothing else in this project uses. SemHash
gets the static word vectors in the wordllama package, since its own model would be a download.

The pool holds real instructions. The candidates are other real instructions, and recombined halves
of those in the pool, many of which lie near the threshold. The novelty filter's decision (ROUGE-L F
of at least 0.7 with any row of the pool) is the ground truth. Prints one JSON line per method and
threshold, and some pairs that only SemHash calls duplicates.
"""

import json
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.novelty import ALPACA, THRESHOLD, rejoined
from lion.pools.novelty import NoveltyFilter
from lion.pools.seeds import read_texts

_REAL = 1_000  # candidates of each kind
_PERMUTATIONS = 128
_SHOWN = 20  # pairs that only SemHash calls duplicates
_WORDS = re.compile(r"[a-z0-9]+")

Matches = dict[str, str]  # candidate to its near duplicate in the pool


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=ALPACA, help="Alpaca's JSON list.")
def main(data: Path) -> None:
    """Measure what approximate methods find of what the novelty filter finds."""
    texts = list(dict.fromkeys(text.task for text in read_texts(data)))
    pool, real = texts[:-_REAL], texts[-_REAL:]
    joined = rejoined(pool, _REAL, random.Random(1))
    methods: dict[str, Callable[[Sequence[str], Sequence[str]], Matches]] = {
        "novelty filter": exact,
        **{f"MinHash {at}": lambda a, b, at=at: minhash(a, b, at) for at in (0.4, 0.5, 0.7)},
        **{f"SemHash {at}": lambda a, b, at=at: semhash(a, b, at) for at in (0.8, 0.9, 0.95)},
    }
    truth: dict[str, Matches] = {}
    for name, find in methods.items():
        for kind, candidates in (("real", real), ("joined", joined)):
            begun = time.perf_counter()
            matches = find(pool, candidates)
            seconds = time.perf_counter() - begun
            truth.setdefault(kind, matches)
            figures = compare(truth[kind], matches, candidates)
            row = {"method": name, "candidates": kind, **figures, "seconds": round(seconds, 2)}
            click.echo(json.dumps(row))
            if (name, kind) == ("SemHash 0.9", "real"):
                more = [(text, matches[text]) for text in matches if text not in truth[kind]]
    for candidate, match in random.Random(2).sample(more, min(_SHOWN, len(more))):
        click.echo(json.dumps({"candidate": candidate[:300], "match": match[:300]}))


def compare(truth: Matches, matches: Matches, candidates: Sequence[str]) -> dict[str, Any]:
    """Return recall and precision, and how many truly new candidates the method rejects."""
    both = len(truth.keys() & matches.keys())
    return {
        "rows": len(candidates),
        "found": len(matches),
        "recall": round(both / len(truth), 3) if truth else None,
        "precision": round(both / len(matches), 3) if matches else None,
        "accepted_but_found": len(matches) - both,
    }


def exact(pool: Sequence[str], candidates: Sequence[str]) -> Matches:
    """Find near duplicates with the novelty filter."""
    known = NoveltyFilter(pool, list(map(str, range(len(pool)))), threshold=THRESHOLD)
    matches = zip(candidates, known.nearest(candidates), strict=True)
    return {text: pool[int(match.id)] for text, match in matches if match}


def minhash(pool: Sequence[str], candidates: Sequence[str], threshold: float) -> Matches:
    """Find near duplicates by the estimated Jaccard similarity of the words."""
    from datasketch import MinHash, MinHashLSH

    def hashes(texts: Sequence[str]) -> Iterator[Any]:
        sets = ([word.encode() for word in set(_WORDS.findall(text.lower()))] for text in texts)
        yield from MinHash.generator(sets, num_perm=_PERMUTATIONS)

    index = MinHashLSH(threshold=threshold, num_perm=_PERMUTATIONS)
    for number, item in enumerate(hashes(pool)):
        index.insert(number, item)
    hits = zip(candidates, map(index.query, hashes(candidates)), strict=True)
    return {text: pool[min(hit)] for text, hit in hits if hit}


def semhash(pool: Sequence[str], candidates: Sequence[str], threshold: float) -> Matches:
    """Find near duplicates by the cosine of the texts' mean word vectors."""
    from semhash import SemHash

    index = SemHash.from_records(list(pool), model=_Vectors())
    result = index.deduplicate(list(candidates), threshold=threshold)
    return {row.record: row.duplicate_of for row in result.filtered if row.duplicate_of}


class _Vectors:
    """Mean word vectors of the wordllama package, with the interface that SemHash expects."""

    def __init__(self) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        spec = find_spec("wordllama")
        if spec is None or spec.origin is None:
            raise click.ClickException("pip install datasketch semhash wordllama")
        folder = Path(spec.origin).parent
        (self._weights,) = load_file(folder / "weights/l2_supercat_256.safetensors").values()
        self._tokenizer = Tokenizer.from_file(
            str(folder / "tokenizers/l2_supercat_tokenizer_config.json")
        )

    def encode(self, inputs: Sequence[str], **_: Any) -> Any:
        """Return one vector of length 1 per text (n, 256)."""
        rows = self._tokenizer.encode_batch(list(inputs), add_special_tokens=False)
        vectors = np.stack(
            [self._weights[row.ids or [0]].mean(0, dtype=np.float32) for row in rows]
        )
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
