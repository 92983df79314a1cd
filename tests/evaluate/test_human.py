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
        ("id,person,referee\n1,hard,hard\n2,easy,\n", "row 2: the person's verdict has no referee"),
        ("person,referee\nhard, \n", "row 1: the person's verdict has no referee"),
    ],
)
def test_a_table_of_something_else_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_marks(tmp_path / "x.csv")


@pytest.mark.parametrize(
    ("name", "text", "skipped"),
    [
        ("m.csv", "id,person,referee\n1,hard,hard\n2,,hard\n3,,easy\n4,easy,easy\n", 2),
        ("m.csv", "id,person,referee\n1,hard,hard\n2,,\n3,easy,easy\n", 1),
        ("m.csv", "id,right\n1,yes\n2,\n3,1\n", 1),
        ("m.csv", 'person,referee\nhard,hard\n"  ",hard\neasy,easy\n', 1),
        ("m.jsonl", '{"right": true}\n{"right": null}\n{"note": "?"}\n{"right": true}\n', 2),
    ],
)
def test_what_nobody_marked_is_neither_right_nor_wrong(
    tmp_path: Path, name: str, text: str, skipped: int
) -> None:
    (tmp_path / name).write_text(text)
    result = CliRunner().invoke(main, ["evaluate", "--human", str(tmp_path / name)])
    assert result.stdout.startswith("m: the referee is right in 2 of 2 verdicts")
    assert f"rows without a mark, left out: {skipped}" in result.stderr
    assert read_marks(tmp_path / name).height == 2


def test_a_table_without_any_mark_says_only_that(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("person,referee\n,hard\n,easy\n")
    result = CliRunner().invoke(main, ["evaluate", "--human", str(tmp_path / "m.csv")])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "left out: 2" in result.stderr
