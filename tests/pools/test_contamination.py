"""What repeats a question is found, whatever its case and punctuation; nothing else is."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lion.cli import main
from lion.pools.contamination import Questions

LONG = "Name the three longest rivers of South America and say where they end."
KNOWN = Questions([LONG, "Name a river."], ["long", "short"], words=8)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        (LONG, "long"),
        ("Please name THE three longest rivers, of South America and Asia!", "long"),
        ("Name the three longest rivers of South Africa and say where they end.", None),
        ("name a river", "short"),
        ("Name a river of Spain.", None),
        ("", None),
        ("河流", None),
    ],
)
def test_eight_words_in_a_row_or_a_whole_short_question_are_too_many(
    text: str, question: str | None
) -> None:
    found = KNOWN.overlap(text)
    assert (found and found.question) == question


def test_the_words_in_common_are_told() -> None:
    found = KNOWN.overlap(f"First: {LONG}")
    assert found
    assert found.words == "name the three longest rivers of south america"


def test_zero_words_turn_it_off() -> None:
    assert Questions([LONG, "Name a river."], ["a", "b"], words=0).overlap("Name a river.") is None


@pytest.mark.parametrize(("said", "code"), [("Name a mountain.", 0), (LONG, 1)])
def test_the_check_tells_each_row_and_fails_if_there_is_one(
    tmp_path: Path, said: str, code: int
) -> None:
    pool, questions = tmp_path / "pool.jsonl", tmp_path / "questions.jsonl"
    pool.write_text(json.dumps({"instruction": "x"}) + "\n" + json.dumps({"instruction": said}))
    questions.write_text(json.dumps({"question_id": 7, "text": LONG}))
    done = CliRunner().invoke(main, ["check", "contamination", str(pool), str(questions)])
    assert done.exit_code == code
    assert f"{code} of 2 instructions share 8 words in a row" in done.output
    assert (f"{pool}, line 2: {questions}, question 7: 'name the" in done.output) == bool(code)
