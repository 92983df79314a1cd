"""`lion filter` and `lion check contamination` read every form of seeds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pytest
from click.testing import CliRunner, Result

from lion.cli import main

OLD = "Name the three longest rivers of South America, please."
NEW = "Write a poem about the sea at night in winter."
Write = Callable[[Path, list[dict[str, Any]]], Path]


def _jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    path = path.with_suffix(".csv")
    pl.DataFrame(rows).write_csv(path)
    return path


def _parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    path = path.with_suffix(".parquet")
    pl.DataFrame(rows).write_parquet(path)
    return path


def _saved(path: Path, rows: list[dict[str, Any]]) -> Path:
    folder = path.with_suffix("")
    datasets.Dataset.from_list(rows).save_to_disk(folder)
    return folder


def _shards(path: Path, rows: list[dict[str, Any]]) -> Path:
    folder = path.with_suffix("")
    folder.mkdir()
    for number, row in enumerate(rows):
        _jsonl(folder / f"r{number}.jsonl", [row])
    return folder


def _talk(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "A"}]}


FORMS: dict[str, tuple[Write, Callable[[str], dict[str, Any]], list[str]]] = {
    "Alpaca": (_jsonl, lambda text: {"instruction": text, "output": "A"}, []),
    "Dolly": (_jsonl, lambda text: {"instruction": text, "context": "", "response": "A"}, []),
    "Self-Instruct": (
        _jsonl,
        lambda text: {"instruction": text, "instances": [{"input": "", "output": "A"}]},
        [],
    ),
    "messages": (_jsonl, _talk, []),
    "ShareGPT": (_jsonl, lambda text: {"conversations": [{"from": "human", "value": text}]}, []),
    "CSV": (_csv, lambda text: {"instruction": text, "output": "A"}, []),
    "Parquet": (_parquet, _talk, []),
    "datasets": (_saved, lambda text: {"instruction": text, "output": "A"}, []),
    "other keys": (
        _jsonl,
        lambda text: {"question": text, "note": "mine"},
        ["--columns", "{instruction: question, ignore: [note]}"],
    ),
}
form = pytest.mark.parametrize(("write", "row", "options"), FORMS.values(), ids=FORMS)


def _lion(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@form
def test_filter_prints_the_new_rows(
    tmp_path: Path, write: Write, row: Callable[[str], dict[str, Any]], options: list[str]
) -> None:
    pool = write(tmp_path / "pool.jsonl", [row(OLD)])
    candidates = write(tmp_path / "new.jsonl", [row(OLD), row(NEW), row(NEW)])
    result = _lion("filter", pool, candidates, *options)
    assert result.exit_code == 0, result.output
    assert [json.loads(line) for line in result.stdout.splitlines()] == [row(NEW)]
    assert result.stderr.startswith("1 of 3 candidates differ from 1 known ones; 2 have")


@form
def test_contamination_finds_the_question(
    tmp_path: Path, write: Write, row: Callable[[str], dict[str, Any]], options: list[str]
) -> None:
    pool = write(tmp_path / "pool.jsonl", [row(NEW), row(OLD)])
    questions = _jsonl(tmp_path / "questions.jsonl", [{"question_id": 7, "text": OLD}])
    result = _lion("check", "contamination", pool, questions, *options)
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith("1 of 2 instructions share 8 words")


def test_contamination_reads_a_folder_of_shards(tmp_path: Path) -> None:
    pool = _shards(tmp_path / "pool", [{"instruction": NEW}, {"instruction": OLD}])
    questions = _jsonl(tmp_path / "questions.jsonl", [{"question_id": 7, "text": OLD}])
    result = _lion("check", "contamination", pool, questions)
    assert result.output.startswith(f"{pool}/r1.jsonl, line 1: ")


def test_a_row_of_instances_is_printed_once_if_one_of_them_is_new(tmp_path: Path) -> None:
    parts = [{"input": "one two three four"}, {"input": "five six seven eight nine ten eleven"}]
    pool = _jsonl(tmp_path / "pool.jsonl", [{"instruction": "Count.", "input": parts[0]["input"]}])
    row = {"instruction": "Count.", "instances": parts}
    result = _lion("filter", pool, _jsonl(tmp_path / "new.jsonl", [row]))
    assert [json.loads(line) for line in result.stdout.splitlines()] == [row]
    assert f"{tmp_path}/new.jsonl, line 1, instance 1: 1.000 to" in result.stderr


def test_contamination_finds_a_question_in_an_earlier_turn(tmp_path: Path) -> None:
    row = {"messages": [*_talk(OLD)["messages"], *_talk(NEW)["messages"]]}
    pool = _jsonl(tmp_path / "pool.jsonl", [row])
    questions = _jsonl(tmp_path / "questions.jsonl", [{"question_id": 7, "text": OLD}])
    result = _lion("check", "contamination", pool, questions)
    assert result.output.startswith(f"{pool}, line 1: {questions}, question 7: ")


BAD: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "material in a key that no form reads": (
        {"instruction": NEW, "passage": "By Ada."},
        [],
        "FILE, line 1: unused key 'passage' holds text; map it in seeds_columns",
    ),
    "two questions in a row": (
        {"messages": _talk(OLD)["messages"][:1] * 2},
        [],
        "FILE, line 1: 'messages' must alternate questions and answers, a question first",
    ),
    "no instruction": ({"question": NEW}, [], "FILE, line 1: missing key 'instruction' (found"),
    "a misspelt key": (
        {"instruction": NEW},
        ["--columns", "{input: pasage}"],
        "FILE: no row has the key 'pasage' of seeds_columns.input",
    ),
    "no such column": (
        {"instruction": NEW},
        ["--columns", "{question: x}"],
        "--columns: question: unknown parameter",
    ),
    "no YAML": ({"instruction": NEW}, ["--columns", "{"], "--columns: not YAML"),
}


@pytest.mark.parametrize(("row", "options", "message"), BAD.values(), ids=BAD)
def test_a_bad_row_is_refused_in_one_line(
    tmp_path: Path, row: dict[str, Any], options: list[str], message: str
) -> None:
    file = _jsonl(tmp_path / "pool.jsonl", [row])
    questions = _jsonl(tmp_path / "questions.jsonl", [{"question_id": 7, "text": OLD}])
    for words in (["filter", file, file], ["check", "contamination", file, questions]):
        result = _lion(*words, *options)
        assert (result.exit_code, result.stdout) == (1, "")
        assert message.replace("FILE", str(file)) in result.stderr
        assert len(result.stderr.splitlines()) == 1
