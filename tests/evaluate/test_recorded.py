"""Recorded answers and reviews are matched by id; what is missing is left out, never guessed."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from lion.cli import main
from lion.evaluate.comparison import from_recorded
from lion.evaluate.questions import KEYED, read_keyed_questions
from lion.evaluate.recorded import read_answers, read_reviews
from lion.pools.tables import from_rows
from lion.support.errors import InputError

DATA = Path(__file__).parents[3] / "shared" / "data" / "vicuna80"
real = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data is not there ({DATA})")


def questions(*keys: str | None) -> pl.DataFrame:
    rows = [
        {"category": "all", "id": f"id{at}", "input": "", "instruction": f"Q{at}?", "key": key}
        for at, key in enumerate(keys)
    ]
    return from_rows(rows, KEYED)


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "recorded.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "row",
    [
        {"question_id": 7, "text": "Yes."},
        {"id": "7", "answer": "Yes."},
        {"idx": 7, "output": "Yes."},
        {"instruction": "Q0?", "output": "Yes."},
        {"question_id": 7, "choices": [{"index": 0, "turns": ["Yes.", "And more."]}]},
        {"question_id": "7", "choices": [{"index": 0, "turns": [{"content": "Yes."}]}]},
    ],
)
def test_answers_are_read_in_every_common_form(tmp_path: Path, row: dict[str, Any]) -> None:
    answers = read_answers(write(tmp_path, row), questions("7", "8"))
    assert answers.select("id", "answer").rows() == [("id0", "Yes.")]


def asked_about(*texts: tuple[str, str]) -> pl.DataFrame:
    """Questions without ids: instruction and input."""
    rows = [
        {"category": "all", "id": f"id{at}", "input": input, "instruction": instruction}
        for at, (instruction, input) in enumerate(texts)
    ]
    return from_rows([row | {"key": None} for row in rows], KEYED)


LOVE, HATE, BARE = ({"input": "I love it"}, {"input": "I hate it"}, {"input": ""})
SORT = {"instruction": "Sort.", "output": "x"}
SORTED = (("Sort.", "I love it"), ("Sort.", "I hate it"), ("Say hi", ""), ("Sort.", ""))


@pytest.mark.parametrize(
    ("rows", "ids"),
    [
        ([SORT | LOVE], ["id0"]),
        ([SORT | HATE, SORT | LOVE], ["id0", "id1"]),
        ([SORT | BARE, SORT | {"input": " I love it\n"}], ["id0", "id3"]),
        ([SORT | {"input": "<noinput>"}], ["id3"]),
        ([SORT | {"instruction": "Say hi\n"}], ["id2"]),
        ([SORT | {"instruction": " Say hi", "input": None}], ["id2"]),
        ([SORT | LOVE, SORT | {"input": "I like it"}], ["id0"]),
    ],
)
def test_answers_without_ids_go_to_the_question_with_their_texts(
    tmp_path: Path, rows: list[Any], ids: list[str]
) -> None:
    answers = read_answers(write(tmp_path, *rows), asked_about(*SORTED))
    assert answers["id"].to_list() == ids


def test_an_answer_may_omit_the_input_of_the_only_question(tmp_path: Path) -> None:
    asked = asked_about(("Sort.", "I love it"), ("Say hi", ""))
    assert read_answers(write(tmp_path, SORT), asked)["id"].to_list() == ["id0"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (SORT, "line 1: 3 questions have these texts; add 'input'"),
        (SORT | {"input": None}, "line 1: 3 questions have these texts"),
        (SORT | {"instruction": ["x"]}, r"line 1: 'instruction' must be a string, found \['x'\]"),
        (SORT | {"instruction": None}, "line 1: 'instruction' must be a string"),
        (SORT | {"input": {"a": 1}}, "line 1: 'input' must be a string"),
    ],
)
def test_texts_that_do_not_tell_the_question_are_refused(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_answers(write(tmp_path, row), asked_about(*SORTED))


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("<think>Is it?</think>\nYes.", ["Yes."]),
        ("Yes.\n<think>Is it?</think>\nNo.", []),
        ("Write `</think>` at the end.", ["Write `</think>` at the end."]),
        ("<think>Is it?", []),
    ],
)
def test_thoughts_are_no_part_of_a_recorded_answer(
    tmp_path: Path, text: str, answers: list[str]
) -> None:
    path = write(tmp_path, {"id": "7", "text": text}, {"id": "8", "text": " Right. "})
    assert read_answers(path, questions("7", "8"))["answer"].to_list() == [*answers, " Right. "]


def test_an_empty_answer_is_a_missing_one(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": "7", "text": " "}, {"id": "8", "text": "Yes."})
    assert read_answers(path, questions("7", "8"))["id"].to_list() == ["id1"]


@pytest.mark.parametrize(
    ("rows", "keys", "message"),
    [
        ([{"id": "9", "text": "x"}], ["7"], "answers none of the 1 questions; its questions are"),
        (
            [{"id": "9", "text": "x"}],
            [None],
            r"the questions have no ids \(question_id, id, idx, uid\)",
        ),
        ([{"text": "x"}], ["7"], "line 1: no id .* and no 'instruction'"),
        ([{"id": "7", "said": "x"}], ["7"], "line 1: no text under 'answer' or 'text' or 'output'"),
        ([{"id": "7", "text": "x"}] * 2, ["7"], "line 2: a second answer to question 7"),
    ],
)
def test_answers_that_cannot_be_matched_are_refused(
    tmp_path: Path, rows: list[Any], keys: list[str | None], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_answers(write(tmp_path, *rows), questions(*keys))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no reviews"),
        ([{"question_id": 9, "text": "8 9"}], "line 1: reviews question 9, unknown here"),
        ([{"question_id": 7, "text": "8 9"}] * 2, "line 2: a second review of question 7"),
        ([{"question_id": 7, "text": "8 9", "score": [8]}], "'score' must be two numbers"),
        ([{"question_id": 7, "score": [8, 9]}], "line 1: no text under 'text' or 'reply'"),
    ],
)
def test_reviews_that_cannot_be_matched_are_refused(
    tmp_path: Path, rows: list[Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_reviews(write(tmp_path, *rows), questions("7"))


@pytest.mark.parametrize(
    "score",
    [
        [800, 9],
        [True, False],
        [8, True],
        [-1, 5],
        [10.5, 9],
        ["8", "9"],
        [8, 9, 9],
        "8 9",
        [1e400, 1],
    ],
)
def test_a_score_out_of_range_is_refused(tmp_path: Path, score: Any) -> None:
    path = write(tmp_path, {"question_id": 7, "text": "8 9", "score": score})
    with pytest.raises(InputError, match="line 1: "):
        read_reviews(path, questions("7"))


@pytest.mark.parametrize("failed", [{"score": [-1, -1]}, {"score": [-1.0, -1.0]}, {}])
def test_a_failed_parse_is_unjudged_in_the_persons_reading(
    tmp_path: Path, failed: dict[str, Any]
) -> None:
    asked = tmp_path / "questions.jsonl"
    rows = [{"question_id": number, "text": f"Question {number}?"} for number in (1, 2)]
    asked.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    reviews = write(
        tmp_path,
        {"question_id": 1, "text": "8 4\nThe first is better.", "score": [8, 4]},
        {"question_id": 2, "text": "No scores.", **failed},
    )
    code, (person, _), _ = evaluate("--questions", str(asked), "--reviews", str(reviews))
    assert code == 0
    assert (person["total"]["judged"], person["total"]["asked"]) == (1, 2)
    assert person["total"]["scores"] == [4.0, 8.0]


def test_the_candidate_may_have_been_either_assistant(tmp_path: Path) -> None:
    asked = questions("7")
    path = write(tmp_path, {"question_id": 7, "text": "8 4\nThe first is better."})
    totals = [
        from_recorded("x", asked, read_reviews(path, asked), place=place, by="parser").summary.total
        for place in (1, 2)
    ]
    assert [total.quality.value for total in totals] == [200.0, 50.0]


def evaluate(*args: str) -> tuple[int, list[dict[str, Any]], str]:
    done = CliRunner().invoke(main, ["evaluate", "--json", *args])
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return done.exit_code, lines, done.output


def test_a_persons_scores_and_the_parsers_stand_side_by_side(tmp_path: Path) -> None:
    asked = tmp_path / "questions.jsonl"
    rows = [{"question_id": number, "text": f"Question {number}?"} for number in (1, 2, 3)]
    asked.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    reviews = write(
        tmp_path,
        {"question_id": 1, "text": "8 4\nThe first is better.", "score": [8, 4]},
        {"question_id": 2, "text": "10 4\nThe second is wrong.", "score": [10, 2]},
        {"question_id": 3, "text": "0 9\nThe first is empty.", "score": [0, 9]},
    )
    code, (person, parser), output = evaluate(
        *("--questions", str(asked), "--reviews", str(reviews), "--candidate", "1")
    )
    assert code == 0
    assert person["total"]["scores"] == [18.0, 15.0]
    assert (parser["total"]["judged"], parser["total"]["asked"]) == (2, 3)
    assert parser["total"]["scores"] == [18.0, 8.0]
    assert "question 3: unreadable, so unjudged by the parser: '0 9" in output
    assert "question 2: read as (10.0, 4.0), by the person as (10.0, 2.0)" in output


def test_an_interval_without_an_upper_bound_is_null_in_json(tmp_path: Path) -> None:
    asked = tmp_path / "questions.jsonl"
    rows = [{"question_id": number, "text": f"Question {number}?"} for number in (1, 2)]
    asked.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    reviews = write(
        tmp_path,
        {"question_id": 1, "text": "8 4\nThe first is better.", "score": [0, 4]},
        {"question_id": 2, "text": "4 4\nBoth.", "score": [8, 4]},
    )
    code, (person, _), _ = evaluate("--questions", str(asked), "--reviews", str(reviews))
    assert code == 0
    assert person["total"]["quality"] == {"value": 100.0, "low": 50.0, "high": None}


def test_names_from_files_cannot_steer_the_terminal(tmp_path: Path) -> None:
    asked = tmp_path / "questions.jsonl"
    rows = [
        {
            "question_id": f"{at}\x1b[2J",
            "text": f"Question {at}?",
            "category": f"{at}\u202e\x1b[31m",
        }
        for at in range(4)
    ]
    asked.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    texts = ("8 4\nThe first.", "None.", "9 8\nBoth.")
    reviews = write(
        tmp_path,
        *(
            {"question_id": rows[at]["question_id"], "text": text, "score": [8, 4]}
            for at, text in enumerate(texts)
        ),
    )
    done = CliRunner().invoke(
        main, ["evaluate", "--questions", str(asked), "--reviews", str(reviews)]
    )
    assert done.exit_code == 0, done.output
    assert not {"\x1b", "\u202e"} & set(done.output)
    for shown in ("question 1⟦U+001B⟧[2J: unreadable", "question 2⟦U+001B⟧[2J: read as"):
        assert shown in done.output
    assert "unanswered questions: 3⟦U+001B⟧[2J" in done.output
    assert "  0⟦U+202E⟧⟦U+001B⟧[31m" in done.output


@real
def test_chatgpt_against_vicuna_is_the_figure_of_the_announcement() -> None:
    code, (person, parser), _ = evaluate(
        *("--questions", str(DATA / "questions.jsonl")),
        *("--reviews", str(DATA / "reviews" / "gpt35_vs_vicuna-13b.jsonl")),
    )
    assert code == 0
    assert person["total"]["scores"] == [638.0, 693.0]
    assert person["total"]["quality"]["value"] == 92.06
    assert parser["total"] == person["total"]


@real
def test_unreadable_and_differently_read_replies_are_listed() -> None:
    code, (person, parser), output = evaluate(
        *("--questions", str(DATA / "questions.jsonl"), "--candidate", "1"),
        *("--reviews", str(DATA / "reviews" / "llama-13b_vs_vicuna-13b.jsonl")),
    )
    assert code == 0
    assert person["total"]["scores"] == [513.0, 694.0]
    assert (parser["total"]["judged"], parser["total"]["asked"]) == (79, 80)
    assert "question 74: unreadable, so unjudged by the parser: '0 9" in output
    assert "question 70: read as (10.0, 4.0), by the person as (10.0, 2.0)" in output


@real
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("gpt35", 80),
        ("alpaca-13b", 80),
        ("llama-13b", 79),
        ("vicuna-13b", 80),
        ("bard", 80),
        ("wizardlm-13b", 80),
    ],
)
def test_recorded_answers_of_real_systems_are_read(name: str, count: int) -> None:
    asked = read_keyed_questions(DATA / "questions.jsonl")
    assert read_answers(DATA / "answers" / f"{name}.jsonl", asked).height == count
