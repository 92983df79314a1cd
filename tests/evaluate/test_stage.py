"""The stage: every question has a row, whether or not it could be judged."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lion.evaluate.questions import read_questions
from lion.oracle.families import FAMILIES
from lion.pools.tables import (
    ANSWER,
    ANSWER_LOSS,
    QUESTION,
    SCORE,
    from_rows,
    read_table,
    write_table,
)
from lion.student.models import write_base
from stages.evaluate import main

ROOT = Path(__file__).parents[2]
REVERSE = next(family.wordings[0] for family in FAMILIES if family.name == "reverse")
TASKS = [f"{REVERSE}: crow heron owl", "Write a poem.", f"{REVERSE}: fork plate jar"]
ANSWERS = [("owl heron crow", "stop"), ("I don't know.", "stop"), ("jar pl", "length")]


@pytest.mark.parametrize("has_room", [True, False])
def test_what_could_not_be_judged_is_counted_and_has_no_scores(
    tmp_path: Path, tiny_base: Path, has_room: bool
) -> None:
    source = tmp_path / "questions.jsonl"
    source.write_text("".join(json.dumps({"instruction": task}) + "\n" for task in TASKS))
    questions = read_questions(source)
    rows = [
        {"id": id, "answer": text, "finish_reason": reason, "model": "m"}
        | {"prompt_tokens": 1, "completion_tokens": 1}
        for id, (text, reason) in zip(questions["id"], ANSWERS, strict=True)
    ]
    write_table(tmp_path / "asked.jsonl", questions, QUESTION)
    write_table(tmp_path / "answers.jsonl", from_rows(rows, ANSWER), ANSWER)
    write_base(tmp_path / "student", base=str(tiny_base), revision=None)
    params = (ROOT / "params.yaml").read_text().replace("max_tokens: 64", "max_tokens: 8")
    params = params.replace("unreadable: 0.02", "unreadable: 0.0")
    limit = "max_length: 256" if has_room else "max_length: 2"  # shorter than any question
    (tmp_path / "params.yaml").write_text(params.replace("max_length: 256", limit))
    done = CliRunner().invoke(
        main,
        [
            *("--round", "r0", "--student", str(tmp_path / "student")),
            *("--questions", str(tmp_path / "asked.jsonl")),
            *("--answers", str(tmp_path / "answers.jsonl")),
            *("--out", str(tmp_path / "r0"), "--params", str(tmp_path / "params.yaml")),
        ],
    )
    assert done.exit_code == 0, done.output
    assert "1 of 3 questions judged\n1 left out: the teacher's answer is cut" in done.output
    scores = read_table(tmp_path / "r0" / "scores.parquet", SCORE)
    assert scores["id"].to_list() == questions["id"].to_list()
    assert scores["gap"].is_null().to_list() == [False, True, True]
    losses = read_table(tmp_path / "r0" / "losses.parquet", ANSWER_LOSS)
    assert losses["id"].to_list() == questions["id"].to_list()[:2]  # the third answer is cut
    assert losses["loss"].is_not_null().to_list() == [has_room, has_room]
    known = losses.drop_nulls("loss")
    assert (known["loss"] > 0).all()
    assert (known["tokens"] > 1).all()
