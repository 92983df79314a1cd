"""Figures that can be counted by hand."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lion.discriminate.scores import ORDERS, discriminate, score
from lion.evaluate.quality import quality_by_category
from lion.pools.tables import ACCEPTED, REVIEW, SCORE, from_rows
from lion.report.charts import origin_chart, trend_chart
from lion.report.details import changed
from lion.report.drawing import page_svg
from lion.report.glance import better, headline, on_what, trusted, warnings
from lion.runs.composition import (
    EVERY,
    category_shares,
    hard_shares,
    most_drawn,
    outcome_rows,
    outcomes,
    pool_by_origin,
    topic,
)
from lion.runs.figures import gap_table
from lion.runs.gain import Gain, floor_of, loss_change, paired_gain
from lion.runs.run import places_of, read_run
from lion.runs.trust import doubts, score_matrix, shared_model, trust_of, trust_rows
from lion.support.text import as_json, brief, visible
from tests.report.conftest import as_project
from tests.report.synthetic import Size, make_run


def _reviews(*points: tuple[str, str, float | None, float | None]) -> pl.DataFrame:
    """Replies from (id, order, teacher, student)."""
    rest = {"attempt": 0, "completion_tokens": 1, "model": "m", "prompt_tokens": 1, "reply": "x"}
    rows = [
        {"id": id, "order": order, "teacher": teacher, "student": student} | rest
        for id, order, teacher, student in points
    ]
    return from_rows(rows, REVIEW)


REVIEWS = _reviews(
    ("flips", "teacher_first", 8, 7),
    ("flips", "student_first", 6, 9),
    ("stays", "teacher_first", 9, 2),
    ("stays", "student_first", 9, 3),
    ("half", "teacher_first", 9, 2),
    ("half", "student_first", None, None),
)


def test_a_verdict_flips_when_the_winner_changes_with_the_place() -> None:
    trust = trust_of(REVIEWS, discriminate(score(REVIEWS), tau=1.0))
    assert (trust["asked"], trust["judged"]) == (3, 2)
    assert (trust["replies"], trust["unreadable"]) == (6, 1)
    assert trust["flip_share"] == 0.5
    assert trust["position_bias"] == pytest.approx((2 + 2 + 0 + 1) / 4)


def test_the_matrix_counts_each_answer_by_its_points_in_both_places() -> None:
    matrix = score_matrix(REVIEWS.with_columns(round=pl.lit("r1")))
    cells = {(row["first"], row["second"]): row["rows"] for row in matrix.to_dicts()}
    assert cells == {(8, 6): 1, (9, 7): 1, (9, 9): 1, (3, 2): 1}


def _round(name: str, **figures: float) -> dict[str, Any]:
    names = ("quality", "hard_share", "mean_gap", "flip_share", "acceptance", "unjudged_share")
    return {"round": name, "judged": None, **dict.fromkeys(names), **figures}


def _referee(**figures: float | None) -> dict[str, Any]:
    """A referee of round 1 without a doubt, but for `figures`."""
    sound = {"asked": 100, "judged": 100, "replies": 200, "unreadable": 0}
    orders = {"verdict_kappa": 0.8, "verdict_splits": 20}
    flips = {"hard": 40, "hard_flips": 2, "easy": 60, "easy_flips": 20}
    return {"role": "referee", "round": "r1", **sound, **orders, **flips, **figures}


ROWS = [
    _round("r0", quality=75.7),
    _round("r1", quality=77.4, hard_share=0.3),
    _round("r2", quality=81.2, hard_share=0.123),
]


@pytest.mark.parametrize(
    ("gain", "clause"),
    [
        (Gain("r0", 5.5, 3.0, 8.0, 80), ", +5.5 since round 0"),
        (
            Gain("r0", 0.5, -1.0, 2.0, 80),
            ": no gain is shown, +0.5 since round 0 is within chance",
        ),
        (Gain("r0", -3.5, -5.0, -2.0, 80), ": the student got worse, -3.5 since round 0"),
    ],
)
def test_the_headline_says_whether_the_gain_is_real(gain: Gain, clause: str) -> None:
    assert "".join(headline(ROWS, [gain])) == (
        f"Round 2: 81.2% of the teacher's quality{clause}; 12% of instructions are still hard."
    )


def test_the_headline_counts_what_was_examined_and_rounds_like_the_charts() -> None:
    rows = [_round("r0", quality=75.7), _round("r1", hard_share=0.325, examined=40, pool=150)]
    assert "".join(headline(rows, [])).endswith("33% of the 40 examined instructions are hard.")


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({}, None),
        ({"hard_flips": 3}, "the answers' order decides 3 of 40 hard verdicts in r1"),
        ({"hard": 13, "hard_flips": 1}, None),  # one is no share
        ({"hard": 13, "hard_flips": 2}, "the answers' order decides 2 of 13 hard verdicts in r1"),
        ({"unreadable": 21}, "21 of its 200 replies in r1 have no readable scores"),
        (
            {"verdict_kappa": 0.09},
            "20 of 100 instructions in r1 are hard in one order of the answers",
        ),
        ({"verdict_kappa": 0.09, "verdict_splits": 9}, None),  # one verdict is rare
        ({"verdict_kappa": 0.09, "hard": 9, "hard_flips": 0, "easy": 9}, None),
        ({"verdict_kappa": None}, None),
    ],
)
def test_a_referee_is_doubted_only_where_it_matters(
    figures: dict[str, float | None], reason: str | None
) -> None:
    row = _referee(**figures)
    assert [text.startswith(reason or "") for text in doubts(row)] == [True] * bool(reason)
    answer = trusted([row], is_shared=False)
    assert answer["value"].startswith("Only with care" if reason else "Yes")
    assert (reason or "").lower() in answer["note"].lower()


def test_every_doubt_is_told_and_the_first_screen_tells_it_once() -> None:
    note = trusted([_referee(unreadable=50, verdict_kappa=0.1)], is_shared=True)["note"]
    for part in ("50 of its 200", "One model is teacher, referee and judge", "2 of 40 hard"):
        assert part in note
    assert note.count("kappa") == 1
    assert not warnings([_round("r0", quality=75.7), _round("r1", quality=77.4)], 11.0)


def test_questions_without_categories_are_counted_by_what_they_gained() -> None:
    quality = pl.DataFrame({"round": [0], "category": ["all"], "quality": [70.0]}).clear()
    answer = on_what(quality, [Gain("r0", 0.5, -10.9, 11.8, 45, 14, 13)])
    assert answer["value"] == "Questions: 14 gained, 13 lost"
    assert answer["note"] == "Of 45, since r0. Fewer than two categories of questions are judged."
    assert on_what(quality, [])["value"] == "Unknown"


def test_the_change_of_the_loss_is_paired_and_weighted_by_tokens(tmp_path: Path) -> None:
    tables = read_run({}, ["r0", "r1", "r2"])
    first = pl.DataFrame({"id": ["a", "b"], "tokens": [30, 10], "loss": [2.0, 4.0]})
    second = first.with_columns(pl.col("loss") - pl.Series([1.0, 0.0]), round=pl.lit("r1"))
    losses = pl.concat([first.with_columns(round=pl.lit("r0")), second])
    change = loss_change(replace(tables, question_losses=losses))
    assert change is not None
    assert (change.since, change.gain, change.questions) == ("r0", -0.75, 2)
    broken = losses.with_columns(loss=pl.lit(float("nan")))
    assert loss_change(replace(tables, question_losses=broken)) is None
    assert loss_change(replace(tables, question_losses=losses.filter(round="r0"))) is None


def test_a_student_at_the_floor_is_named() -> None:
    [sentence] = warnings([_round("r0", quality=14.0), _round("r1", quality=15.0)], 11.0)
    assert sentence.startswith("15.0% is close to 11.0%, which wrong answers score")


def test_the_gain_is_paired_over_the_questions_that_both_answered() -> None:
    ids = [str(number) for number in range(60)]
    first = pl.DataFrame({"id": ids, "teacher": [10.0] * 60, "student": [1.0, 9.0] * 30})
    first = first.with_columns(gap=pl.col("teacher") - pl.col("student"))
    second = first.with_columns(pl.col("student") + 0.5, gap=pl.col("gap") - 0.5)
    gain = paired_gain(first, second.head(50), "r0")
    assert gain is not None
    assert gain == ("r0", 5.0, 5.0, 5.0, 50, 50, 0)  # every question gained
    assert gain.is_shown
    assert paired_gain(first, second.with_columns(gap=None), "r0") is None
    assert floor_of(first) == 10.0


def test_orders_that_agree_on_hard_and_easy_are_told_from_near_ties() -> None:
    """Winners change in all easy pairs here, and in none does the verdict."""
    easy = [
        (f"e{n}", order, 9.0 + (order == "teacher_first"), 9.5)
        for n in range(5)
        for order in ORDERS
    ]
    hard = [(f"h{n}", order, 9.0, 2.0) for n in range(5) for order in ORDERS]
    reviews = _reviews(*easy, *hard).with_columns(round=pl.lit("r1"))
    tables = read_run({}, ["r0", "r1"])
    verdicts = discriminate(score(reviews), tau=1.0).with_columns(round=pl.lit("r1"))
    [row] = trust_rows(replace(tables, reviews=reviews, scores=verdicts), 1.0)
    assert (row["hard_flips"], row["easy_flips"], row["verdict_kappa"]) == (0, 5, 1.0)
    assert row["kappa"] < 0.5
    answer = trusted([row], is_shared=False)
    assert answer["value"].startswith("Yes")
    assert "winner of 0 of 5 hard verdicts and 5 of 5 easy verdicts; kappa" in answer["note"]


def test_flips_are_counted_by_verdict() -> None:
    verdicts = discriminate(score(REVIEWS), tau=1.0)
    trust = trust_of(REVIEWS, verdicts)
    assert (trust["hard"], trust["hard_flips"]) == (1, 0)  # 9/2 and 9/3
    assert (trust["easy"], trust["easy_flips"]) == (1, 1)  # 8/7 and 6/9


@pytest.mark.parametrize(("judge", "shared"), [("gpt-x", "gpt-x"), ("other", None), (None, None)])
def test_one_model_in_three_roles_is_named(
    tmp_path: Path, judge: str | None, shared: str | None
) -> None:
    """A seed's own answer, without tokens, has no teacher."""
    tables = read_run(places_of(as_project(make_run(tmp_path))), ["r0", "r1"])
    named = {
        name: getattr(tables, name).with_columns(model=pl.lit("gpt-x"))
        for name in ("answers", "reviews")
    }
    own = named["answers"].head(1).with_columns(prompt_tokens=None, model=pl.lit("seeds.jsonl"))
    named["answers"] = pl.concat([own, named["answers"]], how="vertical_relaxed")
    named["judged"] = (
        tables.judged.with_columns(model=pl.lit(judge)) if judge else tables.judged.clear()
    )
    named["question_answers"] = tables.question_answers.with_columns(model=pl.lit("gpt-x"))
    assert shared_model(replace(tables, **named)) == shared
    others = tables.question_answers.with_columns(model=pl.lit("teacher"))
    assert shared_model(replace(tables, **named | {"question_answers": others})) is None


def test_no_hard_row_is_no_claim_about_the_referee() -> None:
    rows = [_round("r0", quality=99.0), _round("r1", quality=100.0, hard_share=0.0)]
    assert "".join(headline(rows, [])).endswith("; no instruction is hard.")
    rows[1] |= {"examined": 3, "pool": 1500}
    assert "".join(headline(rows, [])).endswith("; none of the 3 examined instructions is hard.")


def test_a_category_without_a_judged_question_has_no_quality() -> None:
    questions = pl.DataFrame({"id": ["a", "b", "c"], "category": ["math", "code", "poem"]})
    scores = from_rows(
        [
            {"id": "a", "teacher": 8.0, "student": 4.0, "gap": 4.0},
            {"id": "b", "teacher": None, "student": None, "gap": None},
            {"id": "c", "teacher": 8.0, "student": 6.0, "gap": 2.0},
        ],
        SCORE,
    )
    quality = quality_by_category(scores, questions)
    assert quality["quality"].to_list() == [50.0, None, 75.0]
    answer = on_what(quality.with_columns(round=pl.lit(0)), [])
    assert (answer["value"], answer["note"]) == ("Weakest: math (50%)", "Strongest: poem (75%).")


@pytest.mark.parametrize(("questions", "is_shown"), [(1, False), (5, False), (6, True)])
def test_a_handful_of_questions_shows_no_gain(questions: int, is_shown: bool) -> None:
    gain = Gain("r0", 31.2, 31.2, 31.2, questions, questions, 0)
    assert (gain.is_up, gain.is_shown) == (is_shown, is_shown)
    value = better([], [gain], None)["value"]
    assert value.startswith("Yes, by" if is_shown else "Not shown")


def test_the_tenth_round_follows_the_ninth(tmp_path: Path) -> None:
    run = places_of(as_project(make_run(tmp_path, Size(rounds=12))))
    names = [f"r{number}" for number in range(12)]
    tables = read_run(run, names)
    hard = hard_shares(tables).filter(category=EVERY)
    assert hard["round"].to_list() == names[1:]
    assert gap_table(tables)["round"].unique(maintain_order=True).to_list() == names[1:]
    chart = origin_chart(pool_by_origin(tables))
    assert chart is not None
    shown = re.findall(r">(r\d+)</text>", page_svg(chart, "pools"))
    assert shown == names


@pytest.mark.parametrize(
    ("instruction", "category"),
    [
        ("Name the last: pear fig", "name the last"),
        ("Write a poem about: rain", "write a poem about"),
        ("Write a poem.", "write"),
        ("  What?", "what"),
        ("One two three four five six: x", "one"),
        ("", "other"),
        ("日本 語", "日本"),
        ("解释为什么天空是蓝色的。", "解释"),
        ("翻译成英文：今天很冷。", "翻译成英文"),
        ("¿Cuáles son las ventajas?", "cuáles"),
        ("„Carpe diem“ erklären", "carpe"),
        ("อธิบายว่าทำไม", "อธิบ"),
        ("Объясни: почему", "объясни"),
    ],
)
def test_the_first_words_are_the_category(instruction: str, category: str) -> None:
    assert pl.DataFrame({"instruction": [instruction]}).select(topic()).item() == category


def test_what_cannot_be_seen_is_named() -> None:
    assert visible("a\u202eb\u2066c\x00d\ufeff") == "a⟦U+202E⟧b⟦U+2066⟧c⟦U+0000⟧d⟦U+FEFF⟧"
    assert visible("line\nline\tשלום 👩\u200d🔬") == "line\nline\tשלום 👩\u200d🔬"


def test_brief_text_fits_its_columns() -> None:
    assert brief("a  b\nc", 9) == "a b c"
    assert brief("abcdef", 4) == "abc…"
    assert brief("日本語", 4) == "日…"


def test_json_cannot_end_its_script_element() -> None:
    text = as_json(["</script><!--", "a & b", "\u2028"])
    assert not set("<>&\u2028") & set(text)
    assert text == '["\\u003c/script\\u003e\\u003c!--","a \\u0026 b","\\u2028"]'


def test_points_of_a_long_run_keep_two_figures() -> None:
    """The first and the last; more would stand on each other."""
    for count, told in ((4, 4), (5, 2)):
        rounds = pl.DataFrame({"round": range(count), "mean_gap": [1.5] * count})
        chart = trend_chart(rounds, "mean_gap", ".2f")
        assert chart is not None
        assert page_svg(chart, "gap").count(">1.50<") == told


def test_what_inspired_most_is_told_with_its_input(tmp_path: Path) -> None:
    tables = read_run(places_of(as_project(make_run(tmp_path))), ["r0", "r1", "r2", "r3"])
    texts = {row["parent"]: row["text"] for row in most_drawn(tables, 100)}
    whole = tables.pool.filter(pl.col("input") != "", pl.col("id").is_in(list(texts)))
    assert whole.height > 0
    for row in whole.to_dicts():
        assert texts[row["id"]] == f"{row['instruction']} {row['input']}"


def test_new_words_of_an_answer_are_marked() -> None:
    assert changed(None, "a b") == [("a b", False)]
    assert changed("a b c", "a x c") == [("a", False), ("x", True), ("c", False)]
    assert changed("a b", "a") == [("a", False)]


def _draws(counts: dict[str, int]) -> pl.DataFrame:
    verdicts = [verdict for verdict, count in counts.items() for _ in range(count)]
    return pl.DataFrame({"verdict": verdicts}).with_columns(round=pl.lit("r1"))


@pytest.mark.parametrize("reasons", [0, 1, 6, 7, 40])
def test_no_outcome_of_a_draft_is_dropped(reasons: int) -> None:
    counts = {ACCEPTED: 50, **{f"reason {number}": number + 1 for number in range(reasons)}}
    shown = outcomes(_draws(counts))
    assert shown["rows"].sum() == sum(counts.values())
    assert shown["verdict"].n_unique() <= 7
    assert shown["verdict"][0] == ACCEPTED
    folded = [name for name in shown["verdict"] if name.startswith("other (")]
    assert folded == ([f"other ({reasons - 5} reasons)"] if reasons > 6 else [])
    listed = {row["verdict"]: row["rows"] for row in outcome_rows(_draws(counts))}
    assert listed == counts


def test_rejects_alone_are_all_shown() -> None:
    counts = {f"reason {number}": 1 for number in range(9)}
    assert outcomes(_draws(counts))["rows"].sum() == 9


def test_rare_categories_are_folded_and_not_dropped() -> None:
    texts = [f"verb{number} it" for number in range(30) for _ in range(number + 1)]
    pool = pl.DataFrame({"instruction": texts}).with_columns(round=pl.lit("r0"))
    shares = category_shares(pool)
    assert shares["share"].sum() == pytest.approx(1)
    assert shares["category"][-1] == "other (19 categories)"


def test_a_rare_topic_that_is_hard_stands_before_frequent_easy_ones(tmp_path: Path) -> None:
    tables = read_run(places_of(as_project(make_run(tmp_path))), ["r0", "r1", "r2", "r3"])
    texts = [f"easy{number % 20} it" for number in range(200)] + ["sum it"] * 3 + ["half it"] * 4
    pool = pl.DataFrame({"id": [str(number) for number in range(207)], "instruction": texts})
    hard = [False] * 200 + [True] * 3 + [True, True, False, False]
    scores = pool.select("id", gap=pl.Series(hard) * 5.0, round=pl.lit("r3")).with_columns(
        verdict=pl.when(pl.col("gap") > 1).then(pl.lit("hard")).otherwise(pl.lit("easy"))
    )
    shares = hard_shares(replace(tables, pool=pool, scores=scores))
    assert shares["category"].to_list()[:3] == [EVERY, "sum", "half"]
    assert shares["share"].to_list()[:3] == [5 / 207, 1.0, 0.5]
    assert shares["category"][-1] == "other (11 categories)"
    assert shares["judged"].sum() == 2 * 207
    assert shares["category"].n_unique() == shares.height
