"""A person's marks of verdicts: read from lines and tables, counted with an interval."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lion.cli import main
from lion.evaluate.human import agreements, read_marks, wilson
from lion.support.errors import InputError


def _line(id: str, *, right: bool, by: str = "Ann", verdict: str = "hard") -> str:
    return json.dumps({"by": by, "id": id, "right": right, "round": "r1", "verdict": verdict})


def test_the_last_word_of_each_person_counts(tmp_path: Path) -> None:
    file = tmp_path / "marks.jsonl"
    lines = [
        _line("a", right=False),
        _line("a", right=True),
        _line("b", right=True, verdict="easy"),
        _line("c", right=False, verdict="easy"),
        _line("a", right=False, by="Bob"),
    ]
    file.write_text("\n".join(lines) + "\n")
    shown = {(row.by, row.verdict): (row.right, row.marks) for row in agreements(read_marks(file))}
    assert shown == {
        ("Ann", "all"): (2, 3),
        ("Ann", "hard"): (1, 1),
        ("Ann", "easy"): (1, 2),
        ("Bob", "all"): (0, 1),
        ("Bob", "hard"): (0, 1),
    }


@pytest.mark.parametrize("text", ["", "\n", " \n\n"])
def test_a_blank_file_has_no_marks(tmp_path: Path, text: str) -> None:
    (tmp_path / "marks.jsonl").write_text(text)
    assert read_marks(tmp_path / "marks.jsonl").is_empty()


def test_the_interval_is_wilsons() -> None:
    interval = wilson(9, 10).scaled(100, digits=1)
    assert tuple(interval) == (90.0, 59.6, 98.2)
    assert tuple(wilson(0, 3))[:2] == (0.0, 0.0)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ann.csv", "person,referee\nhard,hard\neasy,hard\nHard , hard\n"),
        ("ann.csv", "right,note\nyes,a\nno,b\n1,c\n"),
        ("ann.jsonl", '{"right":"right"}\n{"right":"wrong"}\n{"right":"true"}\n'),
    ],
)
def test_plain_tables_are_marks(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    result = CliRunner().invoke(main, ["evaluate", "--human", str(tmp_path / name)])
    assert result.output.splitlines()[0] == (
        "ann: the referee is right in 2 of 3 verdicts, 67% (95%: 21 to 94)"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "marks need a column `right`"),
        ("right\nperhaps\n", "row 1: right is 'perhaps'"),
    ],
)
def test_a_table_of_something_else_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_marks(tmp_path / "x.csv")
