"""Question files: each format is recognised by its keys, a wrong one is named with its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from lion.evaluate.questions import read_keyed_questions
from lion.pools.instructions import instruction_id, tasks_of
from lion.support.errors import InputError

DATA = Path(__file__).parents[3] / "shared" / "data"
USER = {"id": "t0", "motivation_app": "Mail", "instruction": "Shorten.", "instances": []}

GOOD: dict[str, tuple[dict[str, Any], tuple[str, str, str, str | None]]] = {
    "plain": ({"instruction": "Hi?", "input": "x"}, ("all", "x", "Hi?", None)),
    "plain with Dolly's context": (
        {"instruction": "Hi?", "input": "", "context": "x"},
        ("all", "x", "Hi?", None),
    ),
    "plain with id": ({"instruction": "Hi?", "id": 7, "category": "c"}, ("c", "", "Hi?", "7")),
    "Vicuna's": ({"question_id": 1, "text": "Hi?", "category": "c"}, ("c", "", "Hi?", "1")),
    "WizardLM's": (
        {"idx": 3, "Skill": "Math", "Difficulty": 1, "Instruction": "Add 1 and 2"},
        ("Math", "", "Add 1 and 2", "3"),
    ),
    "MT-Bench's, its first turn": (
        {"question_id": 81, "category": "writing", "turns": ["Hi?"], "reference": ["Hello."]},
        ("writing", "", "Hi?", "81"),
    ),
    "Arena-Hard 0.1's": (
        {"question_id": "a1", "cluster": "x", "turns": [{"content": "Hi?"}]},
        ("all", "", "Hi?", "a1"),
    ),
    "Arena-Hard 2.0's": (
        {"uid": "a1", "category": "hard_prompt", "subcategory": "coding", "prompt": "Hi?"},
        ("hard_prompt", "", "Hi?", "a1"),
    ),
    "Self-Instruct's": (
        {**USER, "instances": [{"input": "a b", "output": "a"}]},
        ("Mail", "a b", "Shorten.", "t0"),
    ),
}
SYSTEM, ASK, ANSWER, MORE = (
    {"role": role, "content": text}
    for role, text in zip(
        ("system", "user", "assistant", "user"), ("Be brief.", "Hi?", "Hi.", "And?"), strict=True
    )
)
# Format and row; the messages that a model is asked with.
TALKS: dict[str, tuple[dict[str, Any], tuple[dict[str, str], ...]]] = {
    "plain": ({"instruction": "Hi?", "system": "Be brief."}, (SYSTEM, ASK)),
    "plain with turns": ({"instruction": "And?", "history": [["Hi?", "Hi."]]}, (ASK, ANSWER, MORE)),
    "Vicuna's": ({"question_id": 1, "text": "Hi?", "system_prompt": "Be brief."}, (SYSTEM, ASK)),
    "WizardLM's": ({"Skill": "s", "Instruction": "Hi?", "system": "Be brief."}, (SYSTEM, ASK)),
    "Self-Instruct's": (
        {**USER, "instances": [{"input": ""}], "instruction": "Hi?", "system": "Be brief."},
        (SYSTEM, ASK),
    ),
    "OpenAI's": (
        {"messages": [SYSTEM, ASK, ANSWER, MORE], "id": 1, "notes": "x"},
        (SYSTEM, ASK, ANSWER, MORE),
    ),
    "OpenAI's with an answer": ({"messages": [SYSTEM, ASK, ANSWER]}, (SYSTEM, ASK)),
    "ShareGPT's": (
        {"conversations": [{"from": "human", "value": "Hi?"}], "system": "Be brief."},
        (SYSTEM, ASK),
    ),
}
FIRST = {"question_id": 1, "text": "Hi?"}

BAD: dict[str, tuple[list[Any], str]] = {
    "unknown keys": ([{"prompt": "Hi?"}], r"line 1: unknown format .*\(found 'prompt'\).*Vicuna's"),
    "no object": (["Hi?"], r"line 1: unknown format .*found 'Hi\?'"),
    "two formats": (
        [FIRST, {"instruction": "x"}],
        "line 2: lacks 'question_id', 'text'; the first row",
    ),
    "same id": ([FIRST, {**FIRST, "text": "Ho?"}], r"line 2: has the same id \(1\) as .*line 1"),
    "repeated": ([FIRST, {**FIRST, "question_id": 2}], "line 2: repeats .*line 1"),
    "empty": ([{**FIRST, "text": " "}], "line 1: 'text' is empty"),
    "two instances": ([{**USER, "instances": [{}, {}]}], "line 1: 'instances' must be a list of"),
    "two turns": (
        [{"question_id": 81, "turns": ["Hi?", "And?"]}],
        "line 1: 'turns' must be a list of one question, found 2 turns; .*keep the first",
    ),
    "turns without a text": (
        [{"question_id": 81, "turns": [{"text": "Hi?"}]}],
        "line 1: 'turns' must be a string",
    ),
    "conversation of answers": ([{"messages": [ANSWER]}], r"a question first \(found: assistant\)"),
    "system a number": ([{**FIRST, "system": 3}], "line 1: 'system' must be a string"),
    "no rows": ([], "no rows; known formats"),
}


def write(folder: Path, rows: list[Any]) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", GOOD)
def test_each_format_is_recognised(tmp_path: Path, name: str) -> None:
    row, expected = GOOD[name]
    table = read_keyed_questions(write(tmp_path, [row]))
    assert table.select("category", "input", "instruction", "key").row(0) == expected


@pytest.mark.parametrize("name", TALKS)
def test_system_prompts_and_earlier_turns_are_read(tmp_path: Path, name: str) -> None:
    row, messages = TALKS[name]
    table = read_keyed_questions(write(tmp_path, [row]))
    assert tasks_of(table) == [messages]
    assert table["category"][0] in ("all", "s", "Mail")


def test_the_same_question_under_two_system_prompts_is_two_questions(tmp_path: Path) -> None:
    rows = [{"instruction": "Hi?", "system": text} for text in ("a", "b", "")]
    table = read_keyed_questions(write(tmp_path, rows))
    assert table["id"].n_unique() == 3
    assert table["id"][2] == instruction_id("Hi?", "")


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_file_is_refused_with_the_place(tmp_path: Path, name: str) -> None:
    rows, message = BAD[name]
    with pytest.raises(InputError, match=message):
        read_keyed_questions(write(tmp_path, rows))


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data is not there ({DATA})")
@pytest.mark.parametrize(("name", "count", "kinds"), [("vicuna80", 80, 9), ("user252", 252, 71)])
def test_real_files_are_read_whole(name: str, count: int, kinds: int) -> None:
    table = read_keyed_questions(DATA / name / "questions.jsonl")
    assert (table.height, table["category"].n_unique()) == (count, kinds)
    assert table["key"].null_count() == 0
