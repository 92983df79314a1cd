"""Who is drawn, and how likely: each setting of sampling does what it says."""

import random
from collections import Counter
from typing import Any

import polars as pl
import pytest

from lion.generate.drafts import Urn
from lion.generate.sampling import clusters, sides_of
from lion.params import Sampling
from lion.pools.tables import ANSWER_LOSS, ANSWERED, VERDICT, from_rows
from tests.pools.test_pools import answered

TEXTS = [
    *(f"Count the letters of word{n} please" for n in range(6)),
    *(f"Translate into French: word{n}" for n in range(3)),
]
CACHE = from_rows([answered(text) for text in TEXTS], ANSWERED)


def settings(**more: Any) -> Sampling:
    paper = {"by": "referee", "over": "rows", "clusters": 2}
    return Sampling(**{**paper, "teacher_floor": None, **more})


def verdicts(*gaps: float | None, teacher: float = 9.0) -> pl.DataFrame:
    rows = [
        {"id": id, "teacher": teacher, "student": 5.0, "gap": gap}
        | {"verdict": "unjudged" if gap is None else "hard" if gap >= 1 else "easy"}
        for id, gap in zip(CACHE["id"], gaps, strict=True)
    ]
    return from_rows(rows, VERDICT)


NOW = verdicts(5, 0, 2, 0, 0, None, 3, 0, 0)


def drawn(frame: pl.DataFrame, count: int = 6000) -> dict[str, float]:
    """The share of draws of each text."""
    urn = Urn("hard", frame, random.Random(1))
    counts = Counter(draw.text for draw in urn.take(count))
    return {text: number / count for text, number in counts.items()}


def test_the_papers_rule_parts_hard_from_easy_and_leaves_out_the_unjudged() -> None:
    sides = sides_of(CACHE, NOW, settings(), seed=1)
    assert sides["hard"]["instruction"].to_list() == [TEXTS[0], TEXTS[2], TEXTS[6]]
    assert sides["easy"].height == 5
    assert drawn(sides["hard"]) == pytest.approx(
        dict.fromkeys(sides["hard"]["instruction"], 1 / 3), abs=0.03
    )


def test_rows_that_were_not_examined_are_on_the_easy_side() -> None:
    cut = pl.when(pl.col("id") == CACHE["id"][8]).then(pl.lit("length"))
    cache = CACHE.with_columns(finish_reason=cut.otherwise("finish_reason"))
    sides = sides_of(cache, NOW.head(6), settings(), seed=1)
    assert sides["hard"]["instruction"].to_list() == [TEXTS[0], TEXTS[2]]
    assert sides["easy"]["instruction"].to_list() == [TEXTS[at] for at in (1, 3, 4, 6, 7)]


@pytest.mark.parametrize("scores", [NOW, NOW.head(2), NOW.clear()])
def test_chance_draws_from_all_answered_rows_judged_or_not(scores: pl.DataFrame) -> None:
    refused = pl.when(pl.col("id") == CACHE["id"][3]).then(pl.lit("content_filter"))
    cache = CACHE.with_columns(finish_reason=refused.otherwise("finish_reason"))
    sides = sides_of(cache, scores, settings(by="chance"), seed=1)
    assert sides["hard"].equals(sides["easy"])
    assert sides["hard"]["id"].to_list() == [id for id in CACHE["id"] if id != CACHE["id"][3]]


def test_clusters_are_found_from_the_text() -> None:
    labels = clusters(TEXTS, 2, seed=1)
    assert len(set(labels[:6])) == len(set(labels[6:])) == 1
    assert labels[0] != labels[6]


@pytest.mark.parametrize(("texts", "labels"), [([], []), (["a b"], [0]), (["a b"] * 3, [0] * 3)])
def test_few_texts_are_one_cluster(texts: list[str], labels: list[int]) -> None:
    assert clusters(texts, 5, seed=1) == labels


def test_each_cluster_is_as_likely_however_many_rows_it_has() -> None:
    sides = sides_of(CACHE, NOW, settings(over="clusters"), seed=1)
    shares = drawn(sides["hard"])
    assert shares[TEXTS[6]] == pytest.approx(0.5, abs=0.03)
    assert shares[TEXTS[0]] == pytest.approx(0.25, abs=0.03)


def test_where_the_teacher_did_badly_itself_nothing_is_hard() -> None:
    poor = verdicts(5, 0, 2, 0, 0, None, 3, 0, 0, teacher=6.0)
    sides = sides_of(CACHE, poor, settings(teacher_floor=7.0), seed=1)
    assert sides["hard"].height == 0
    assert sides["easy"].height == 5


def test_chance_takes_no_teacher_floor() -> None:
    with pytest.raises(ValueError, match="by: chance ignores the referee's scores"):
        settings(by="chance", teacher_floor=7.0)


def test_texts_without_spaces_cluster_by_their_characters() -> None:
    poems = [f"写一首关于{topic}的诗。" for topic in ("秋天", "大海", "月亮", "故乡")]
    plans = [f"为{who}制定旅行计划。" for who in ("一家三口", "老师", "朋友", "同学")]
    labels = clusters([*poems, *plans], 2, seed=1)
    assert labels[:4] == [labels[0]] * 4
    assert labels[4:] == [1 - labels[0]] * 4


def difficulty(*losses: float | None) -> pl.DataFrame:
    rows = zip(CACHE["id"], losses, strict=True)
    return from_rows([{"id": id, "tokens": 3, "loss": loss} for id, loss in rows], ANSWER_LOSS)


LOSSES = difficulty(0.5, 3.0, 0.1, 2.0, 0.2, None, 0.3, 4.0, 1.0)


def by_loss(known: pl.DataFrame = LOSSES, scores: pl.DataFrame = NOW, **more: Any) -> list[Any]:
    sides = sides_of(CACHE, scores, settings(by="loss", **more), seed=1, difficulty=known)
    order = CACHE["id"].to_list()
    return [[order.index(id) for id in side["id"]] for side in sides.values()]


def test_by_loss_the_rows_with_the_highest_loss_are_hard_judged_or_not() -> None:
    for scores in (NOW, NOW.clear()):
        assert by_loss(scores=scores) == [[1, 3, 7, 8], [0, 2, 4, 6]]  # 5 has no loss


@pytest.mark.parametrize(
    ("top", "count"), [(1.0, 8), (0.5, 4), (0.125, 1), (0.126, 2), (1e-6, 1), (0.999, 8)]
)
def test_the_top_share_is_hard_and_the_rest_easy(top: float, count: int) -> None:
    hard, easy = by_loss(top=top)
    assert (len(hard), len(easy)) == (count, 8 - count)


def test_equal_losses_part_by_id_whatever_their_order() -> None:
    equal = difficulty(*[1.5] * 9)
    hard, easy = by_loss(equal, top=0.25)
    assert {CACHE["id"][row] for row in hard} == set(CACHE["id"].sort()[:3])
    assert by_loss(equal.reverse(), top=0.25) == [hard, easy]


@pytest.mark.parametrize("known", [LOSSES.clear(), difficulty(*[None] * 9), None])
def test_without_a_loss_nobody_is_a_parent(known: pl.DataFrame | None) -> None:
    sides = sides_of(CACHE, NOW, settings(by="loss"), seed=1, difficulty=known)
    assert [side.height for side in sides.values()] == [0, 0]


def test_the_teachers_floor_holds_for_rows_with_a_verdict() -> None:
    low = verdicts(5, 0, 2, 0, 0, None, 3, 0, 0, teacher=4.0).head(4)  # rows 7 and 8: none
    assert by_loss(scores=low, teacher_floor=7.0) == [[7, 8], [0, 2, 4, 6]]
    assert by_loss(scores=low, teacher_floor=None)[0] == [1, 3, 7, 8]


def test_losses_and_clusters_go_together() -> None:
    sides = sides_of(CACHE, NOW, settings(by="loss", over="clusters"), seed=1, difficulty=LOSSES)
    assert drawn(sides["hard"])[TEXTS[1]] == pytest.approx(0.25, abs=0.03)  # beside 3
