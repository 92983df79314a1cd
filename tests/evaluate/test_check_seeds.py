"""`lion check seeds`: what a run would read, before anything is paid."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from lion.cli import main
from lion.evaluate.check import main_script

ROOT = Path(__file__).parent.parent.parent
ROWS = [
    {"question": "Name a river in France.", "context": "", "id": 1, "notes": "easy"},
    {"question": "Name a river in Spain.", "context": ""},
    {"question": "用 Python 写快速排序", "response": "def sort"},
    {"question": "x" * 20_001},
    {"question": "Name a river in Spain."},
]
COLUMNS = {"instruction": "question", "ignore": ["notes"]}


def check(folder: Path, rows: list[dict[str, Any]], *args: str, **changes: Any) -> Result:
    params = yaml.safe_load((ROOT / "params.yaml").read_text()) | changes
    params["student"]["base"] = str(folder / "gone")
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    file = folder / "mine.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ["--params", str(folder / "params.yaml"), *args]
    return CliRunner().invoke(main, ["check", "seeds", str(file), *options])


def test_says_what_is_read_mapped_and_left_out(tmp_path: Path) -> None:
    result = check(tmp_path, ROWS, seeds_columns=COLUMNS)
    assert result.exit_code == 0, result.output
    text = result.output.replace(f"{tmp_path}/", "")
    assert "mine.jsonl: 5 rows (Dolly 2, Alpaca 3); 3 seeds, 1 duplicates, 1 too long" in text
    assert "  mine.jsonl, line 4: 'question' has 20,001 characters" in text
    assert "mapped keys: question as instruction\nkeys not used: id, notes\n" in text
    assert "an answer of their own: 1\n" in text
    assert "in each seed: Latin 2, Han 1\n" in text
    assert "in characters (the student is not here yet): median 22, longest 23 (mine" in text
    assert "earlier seed): 1\n  mine.jsonl, line 2: 0.800 to mine.jsonl, line 1\n" in text


def test_measures_in_the_students_tokens(tmp_path: Path, tiny_base: Path) -> None:
    result = check(tmp_path, [{"instruction": "Hi."}], "--student", str(tiny_base))
    assert f"length of prompts in tokens of {tiny_base}: median" in result.output


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "line 1: missing key 'instruction'"),
        ({"seeds_columns": {"instruction": "question"}}, "line 1: unused key 'notes' holds text"),
        (
            {"seeds_columns": COLUMNS, "seeds_too_long": "refuse"},
            "line 4: 'question' has 20,001 characters",
        ),
        ({"seeds_columns": {"instruktion": "question"}}, "seeds_columns.instruktion: unknown"),
        ({"seeds_columns": {"instruction": 3}}, "seeds_columns.instruction: Input should be"),
    ],
)
def test_refuses_as_the_run_would(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    result = check(tmp_path, ROWS, **changes)
    assert result.exit_code == 1
    [line] = result.output.splitlines()
    assert reason in line


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Name a river", "Latin"),
        ("用 Py 写快速排序", "Han"),
        ("Назови реку", "Cyrillic"),
        ("اذكر نهرا", "Arabic"),
        ("강 이름", "Hangul"),
        ("1 + 1", "none"),
    ],
)
def test_script_of_most_letters(text: str, script: str) -> None:
    assert main_script(text) == script


def test_counts_system_prompts_and_earlier_turns(tmp_path: Path) -> None:
    ask, answer = {"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hi."}
    system = {"role": "system", "content": "You are the assistant of a large bank. " * 9}
    more = {"role": "user", "content": "Which rivers are there in France?"}
    rows = [{"messages": talk} for talk in ([system, ask], [system, more], [ask, answer, more])]
    result = check(tmp_path, rows, seeds_turns="last")
    assert "seeds with a system prompt: 2 (1 distinct)\n" in result.output
    assert "seeds with earlier turns: 1\n" in result.output
    assert "or more to an earlier seed): 1\n" in result.output  # of the question, not the prompt
    [line] = check(tmp_path, rows).output.splitlines()
    assert "line 3: 'messages' has 2 questions; set seeds_turns: last" in line
    plain = check(tmp_path, [{"instruction": "Hi?"}]).output
    assert "system prompt" not in plain
    assert "earlier turns" not in plain
