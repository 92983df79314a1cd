"""Benchmark the novelty filter against rouge_score: speed and identical decisions.

Both compare each text with every text accepted before it, as generation does.
1. Speed, on real instructions. rouge_score runs on the first rows only, with each text tokenised
   once, which it would not do by itself; its time per pair is extrapolated to all rows.
2. Decisions, on real instructions followed by recombined halves of them, many of which lie near the
   threshold. A decision is the nearest text and its exact similarity, or none.
3. Candidates against a large pool (6,000 against 70,000), both with recombined halves.
Prints one JSON line.
"""

import json
import random
import resource
import time
from pathlib import Path

import click
from rouge_score import rouge_scorer, tokenizers

from lion.pools.novelty import Match, NoveltyFilter
from lion.pools.seeds import read_texts
from lion.support.errors import InputError

ALPACA = Path(__file__).parents[2] / "shared" / "data" / "alpaca" / "alpaca_9k.json"
THRESHOLD = 0.7


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=ALPACA, help="Alpaca's JSON list.")
@click.option("--timed", default=1_000, show_default=True, help="Rows for rouge_score's speed.")
@click.option("--decided", default=800, show_default=True, help="Rows whose decisions it checks.")
@click.option("--pool", default=70_000, show_default=True, help="Rows of the large pool.")
@click.option("--tried", default=6_000, show_default=True, help="Candidates for the large pool.")
def main(data: Path, timed: int, decided: int, pool: int, tried: int) -> None:
    """Measure the novelty filter against rouge_score."""
    if not data.exists():
        raise InputError(f"{data}: no such file; pass --data with Alpaca's JSON list")
    texts = [text.task for text in read_texts(data)]
    rng = random.Random(1)
    mixed = texts[: decided // 2] + rejoined(texts[: decided // 2], decided - decided // 2, rng)
    figures = {
        "benchmark": "novelty",
        **speed(texts, texts[:timed]),
        **decisions(mixed),
        **large_pool(texts, rng, known=pool, tried=tried),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    click.echo(json.dumps(figures))


def speed(texts: list[str], some: list[str]) -> dict[str, float]:
    """Time a pass of the filter over `texts`; extrapolate rouge_score's time from `some`."""
    matches, seconds = fast_pass(texts)
    part, part_seconds = slow_pass(some)
    slow_seconds = part_seconds / pairs_of(part) * pairs_of(matches)
    return {
        "rows": len(texts),
        "pairs": pairs_of(matches),
        "seconds": round(seconds, 3),
        "rouge_score_pairs": pairs_of(part),
        "rouge_score_seconds": round(part_seconds, 2),
        "rouge_score_seconds_extrapolated": round(slow_seconds),
        "speedup": round(slow_seconds / seconds),
    }


def decisions(texts: list[str]) -> dict[str, float]:
    """Count the decisions on `texts` that differ between the filter and rouge_score."""
    fast, _ = fast_pass(texts)
    slow, _ = slow_pass(texts)
    return {
        "decisions": len(slow),
        "decisions_rejecting": sum(match is not None for match in slow),
        "decisions_differing": sum(mine != theirs for mine, theirs in zip(fast, slow, strict=True)),
    }


def large_pool(texts: list[str], rng: random.Random, *, known: int, tried: int) -> dict[str, float]:
    """Time `tried` candidates against a pool of `known` texts, including loading the pool."""
    pool = texts + rejoined(texts, known - len(texts), rng)
    candidates = rejoined(texts, tried, rng)
    start = time.perf_counter()
    novelty = NoveltyFilter(pool, [str(n) for n in range(known)], threshold=THRESHOLD)
    matches = novelty.accept(candidates, [f"candidate {n}" for n in range(tried)])
    return {
        "pool": len(pool),
        "candidates": len(candidates),
        "candidates_accepted": matches.count(None),
        "pool_seconds": round(time.perf_counter() - start, 2),
    }


def fast_pass(texts: list[str]) -> tuple[list[Match | None], float]:
    """Return the filter's decision on each text, and the total seconds."""
    start = time.perf_counter()
    novelty = NoveltyFilter([], [], threshold=THRESHOLD)
    matches = novelty.accept(texts, [str(n) for n in range(len(texts))])
    return matches, time.perf_counter() - start


def slow_pass(texts: list[str]) -> tuple[list[Match | None], float]:
    """Return rouge_score's decision on each text, pair by pair, and the total seconds."""
    start = time.perf_counter()
    tokenize = tokenizers.DefaultTokenizer().tokenize
    accepted: list[tuple[str, list[str]]] = []
    matches: list[Match | None] = []
    for number, text in enumerate(texts):
        tokens = tokenize(text)
        best = Match("", 0.0)
        for id, known in accepted:
            similarity = rouge_scorer._score_lcs(known, tokens).fmeasure
            if similarity > best.similarity:
                best = Match(id, similarity)
        matches.append(best if best.similarity >= THRESHOLD else None)
        if matches[-1] is None:
            accepted.append((str(number), tokens))
    return matches, time.perf_counter() - start


def pairs_of(matches: list[Match | None]) -> int:
    """Count the pairs that a pass compared: each text with all texts accepted before it."""
    pairs = accepted = 0
    for match in matches:
        pairs += accepted
        accepted += match is None
    return pairs


def rejoined(texts: list[str], count: int, rng: random.Random) -> list[str]:
    """Return `count` texts, each the first half of one random text and the second of another."""
    joined = []
    for _ in range(count):
        first, second = rng.choice(texts).split(), rng.choice(texts).split()
        joined.append(" ".join(first[: (len(first) + 1) // 2] + second[len(second) // 2 :]))
    return joined


if __name__ == "__main__":
    main()
