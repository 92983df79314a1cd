"""The novelty filter decides what rouge_score decides, whatever the texts."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rouge_score.rouge_scorer import RougeScorer

from lion.cli import main
from lion.pools import novelty
from lion.pools.novelty import Match, NoveltyFilter
from lion.pools.tokens import tokens
from lion.support.errors import InputError

WORDS = (
    "the a of sum list write river poem 7 10 ten Tom's re-use café naïve 東京 ½ K İs ŒUVRE _ x_y"
)
NASTY = ["", " ", "...", "東京", "ſtraße", "K", "İ", "a\x00b", "a\u200bb", "１２", "x" * 500, "٣"]


class Tokenizer:
    """Our tokens, for rouge_score."""

    def tokenize(self, text: str) -> list[str]:
        return tokens(text)


SCORER = RougeScorer(["rougeL"], tokenizer=Tokenizer())


def rouge(one: str, other: str) -> float:
    return float(SCORER.score(one, other)["rougeL"].fmeasure)


def random_texts(rng: random.Random, count: int, *, longest: int = 12) -> list[str]:
    words = WORDS.split()
    return [" ".join(rng.choices(words, k=rng.randrange(longest))) for _ in range(count)]


def slow_accept(known: list[str], texts: list[str], threshold: float) -> list[Match | None]:
    """What `accept` must say, by rouge_score alone; ids are positions in known + texts."""
    pool = list(enumerate(known))
    matches: list[Match | None] = []
    for place, text in enumerate(texts, start=len(known)):
        found = [(rouge(other, text), -id) for id, other in pool]
        best, opposite = max(found, default=(0.0, 0))
        matches.append(Match(str(-opposite), best) if best >= threshold else None)
        if matches[-1] is None:
            pool.append((place, text))
    return matches


@pytest.mark.parametrize("threshold", [0.01, 0.5, 2 / 3, 0.7, 0.8, 1.0])
def test_decides_exactly_as_rouge_score(threshold: float) -> None:
    texts = [*NASTY, *random_texts(random.Random(2), 120)]
    known, new = texts[:70], texts[70:]
    filter = NoveltyFilter(known, [str(n) for n in range(70)], threshold=threshold)
    found = filter.accept(new, [str(n) for n in range(70, len(texts))])
    assert found == slow_accept(known, new, threshold)


def test_small_blocks_and_chunks_decide_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = random_texts(random.Random(3), 150)
    monkeypatch.setattr(novelty, "_BLOCK", 7)
    monkeypatch.setattr(novelty, "_PAIRS", 3)
    filter = NoveltyFilter([], [], threshold=0.6)
    assert filter.accept(texts, [str(n) for n in range(150)]) == slow_accept([], texts, 0.6)


def test_at_the_threshold_rouge_scores_rounding_decides() -> None:
    # The true F-measure of each pair is 2 * 7k / 20k = 0.7; in floating point it may be less.
    decided = set()
    for ours in range(7, 60):
        for theirs in range(ours, 120):
            if (ours + theirs) % 20 == 0 and 7 * (ours + theirs) // 20 <= ours:
                common = [f"w{n}" for n in range(7 * (ours + theirs) // 20)]
                one = " ".join(common + ["x"] * (ours - len(common)))
                other = " ".join(common + ["y"] * (theirs - len(common)))
                [match] = NoveltyFilter([one], ["known"], threshold=0.7).nearest([other])
                assert (match is not None) == (rouge(one, other) >= 0.7)
                decided.add(match is not None)
    assert decided == {True, False}


def test_long_texts_are_compared_exactly() -> None:
    *known, text = random_texts(random.Random(4), 5, longest=900)
    known.append(" ".join(text.split()[:-3]))
    matches = NoveltyFilter(known, list("abcde"), threshold=0.3).nearest([text])
    assert matches == [Match("e", rouge(known[4], text))]
    matches = NoveltyFilter(known[:4], list("abcd"), threshold=0.3).nearest([text])
    similarity, id = max((rouge(other, text), id) for other, id in zip(known, "abcd", strict=False))
    assert matches == [Match(id, similarity)]


def test_more_distinct_words_than_two_bytes_can_number() -> None:
    texts = [" ".join(f"w{n}" for n in range(start, start + 10)) for start in range(0, 70_000, 10)]
    filter = NoveltyFilter(texts, [str(n) for n in range(len(texts))], threshold=0.7)
    assert filter.nearest([texts[-1]]) == [Match("6999", 1.0)]
    other_words_of_the_same_bytes = " ".join(f"w{n - 256}" for n in range(69_990, 70_000))
    assert filter.nearest([other_words_of_the_same_bytes]) == [None]


def test_texts_without_a_token_are_always_new() -> None:
    filter = NoveltyFilter(["¿?"], ["a"], threshold=0.7)
    assert filter.accept(["¿?", "", "。"], ["b", "c", "d"]) == [None, None, None]


def test_of_equal_texts_the_one_known_longest_is_named() -> None:
    filter = NoveltyFilter(["a b c", "A, b; c!"], ["first", "second"], threshold=0.7)
    filter.add("a b c", "third")
    assert filter.nearest(["a b c"]) == [Match("first", 1.0)]


def test_nearest_learns_nothing_and_accept_learns_what_is_new() -> None:
    filter = NoveltyFilter([], [], threshold=0.7)
    assert filter.nearest(["a b c", "a b c"]) == [None, None]
    assert filter.accept(["a b c", "a b c"], ["x", "y"]) == [None, Match("x", 1.0)]
    assert filter.accept(["a b c", "d e f"], ["z", "w"]) == [Match("x", 1.0), None]


def test_a_rejected_text_rejects_no_other() -> None:
    chain = ["a b c d e f g h", "a b c d e f x y", "c d e f x y"]
    filter = NoveltyFilter([], [], threshold=0.7)
    assert filter.accept(chain, ["0", "1", "2"]) == [None, Match("0", 0.75), None]


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.01, float("nan")])
def test_a_threshold_that_makes_no_sense_is_refused(threshold: float) -> None:
    with pytest.raises(InputError, match="must be above 0 and at most 1"):
        NoveltyFilter([], [], threshold=threshold)


def test_texts_and_ids_must_pair_up() -> None:
    with pytest.raises(ValueError, match="2 texts, but 1 ids"):
        NoveltyFilter([], [], threshold=0.7).accept(["a", "b"], ["x"])


def test_command_prints_the_new_rows_as_they_were(tmp_path: Path) -> None:
    pool = _write(tmp_path / "pool.jsonl", [{"instruction": "Name a long river in Asia."}])
    rows = [
        {"instruction": "Name a long river in asia", "n": 1},
        {"instruction": "Écris un poème.", "n": 2, "output": "\ud83d"},
        {
            "instruction": "Name a long river in Asia.",
            "input": "Not the Yangtze, please; take one of the shorter two.",
        },
        {"instruction": "Ecris un poeme", "input": "", "n": 4},
    ]
    result = _filter(pool, _write(tmp_path / "new.jsonl", rows))
    assert result.exit_code == 0
    assert [json.loads(line) for line in result.stdout.splitlines()] == rows[1:]
    assert result.stderr == (
        "3 of 4 candidates differ from 1 known ones; 1 have a ROUGE-L of 0.7 or more\n"
        f"  {tmp_path}/new.jsonl, line 1: 1.000 to {tmp_path}/pool.jsonl, line 1\n"
    )


def test_command_takes_a_folder_of_shards_and_a_threshold(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    for name in ("r0", "r1"):
        _write(tmp_path / "pool" / f"{name}.jsonl", [{"instruction": f"a b c {name}"}])
    new = _write(tmp_path / "new.jsonl", [{"instruction": "a b c r1 d"}] * 7)
    assert "a b c" in _filter(tmp_path / "pool", new, "--threshold", "0.9").stdout
    result = _filter(tmp_path / "pool", new)
    assert result.stdout == ""
    assert "pool/r1.jsonl, line 1\n" in result.stderr
    assert result.stderr.endswith("  and 2 more\n")


@pytest.mark.parametrize(
    ("pool", "new", "options", "message"),
    [
        ("gone.jsonl", "new.jsonl", [], "gone.jsonl: No such file"),
        ("new.jsonl", "gone.jsonl", [], "gone.jsonl: No such file"),
        ("empty", "new.jsonl", [], "empty: no .jsonl file in this folder"),
        ("new.jsonl", "new.jsonl", ["--threshold", "7"], "novelty threshold 7.0: must be above 0"),
        ("bad.jsonl", "new.jsonl", [], "bad.jsonl, line 2: not JSON"),
    ],
)
def test_command_says_what_is_wrong_and_prints_no_row(
    tmp_path: Path, pool: str, new: str, options: list[str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    _write(tmp_path / "new.jsonl", [{"instruction": "x"}])
    (tmp_path / "bad.jsonl").write_text('{"instruction": "x"}\n{')
    result = _filter(tmp_path / pool, tmp_path / new, *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def _filter(pool: Path, new: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["filter", str(pool), str(new), *options])


def _write(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
