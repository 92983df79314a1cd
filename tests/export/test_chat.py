"""`lion chat`: both answer, within the budget, and no text plays tricks with the terminal."""

import shutil
import sqlite3
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from lion.cli import main
from lion.export.chat import side_by_side
from lion.support.text import width_of
from tests.repository import ROOT, environment, run

QUESTION = "Reverse: red green blue"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose round 0 has the untrained base as its student."""
    for name, value in environment(tmp_path / "site").items():
        monkeypatch.setenv(name, value)
    root = tmp_path / "project"
    root.mkdir()
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, root)
    shutil.copytree(ROOT / "data" / "base", root / "data" / "students" / "r0")
    monkeypatch.chdir(root)
    monkeypatch.setenv("COLUMNS", "90")
    run("dvc", "init", "--no-scm", "--quiet")
    return root


def _chat(*options: str, text: str = f"{QUESTION}\n\n") -> Result:
    return CliRunner().invoke(main, ["chat", "r0", *options], input=text)


def test_both_answer_and_the_teacher_is_paid_once(project: Path, tmp_path: Path) -> None:
    for _ in range(2):
        result = _chat()
        assert result.exit_code == 0, result.output
        head, _, *rows = result.stdout.strip("\n").split("\n")
        assert head.split() == ["student", "r0", "│", "teacher", "oracle"]
        assert rows[0].endswith("│  blue green red")
    store = sqlite3.connect(tmp_path / "lion-home" / "replies.sqlite")
    assert store.execute("SELECT count(*) FROM replies").fetchone() == (1,)


def test_the_student_answers_alone(project: Path, tmp_path: Path) -> None:
    result = _chat("--no-teacher")
    assert result.stdout.startswith("student r0\n")
    assert "teacher" not in result.stdout
    assert not (tmp_path / "lion-home" / "replies.sqlite").exists()


def test_a_question_that_is_not_utf_8_is_one_line(project: Path) -> None:
    result = CliRunner().invoke(main, ["chat", "r0"], input=b"caf\xe9\n")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "Error: standard input: 'question' contains U+DCE9 at character 4"
    )
    assert len(result.stderr.splitlines()) == 1


def test_the_budget_holds(project: Path) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["budget"] = {"requests": 0}
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    result = _chat()
    assert result.exit_code == 1
    assert "budget" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["chat", "r9"], "--round r9: no such round; params.yaml names r0, r1, r2, r3"),
        (["chat", "r2"], "data/students/r2: no such student; run `dvc repro` or `dvc pull`"),
    ],
)
def test_a_missing_student_is_one_line(project: Path, words: list[str], message: str) -> None:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    assert result.output.rstrip("\n").endswith(message)


@pytest.mark.parametrize("width", [40, 72, 80, 200])
def test_the_terminal_shows_every_character_in_its_columns(width: int) -> None:
    nasty = "\x1b[2J\u202eevil\u202c\ttab " + "長い文" * 30 + "\n\nlong" + "x" * 150
    shown = side_by_side({"student r3": nasty, "teacher \x1b[31mred": "short"}, width)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "⟦U+001B⟧[2J⟦U+202E⟧evil" in shown.replace("\n", "")
    assert all(width_of(line) <= width for line in shown.split("\n"))
    assert shown.count("長") == 30
    assert shown.count("x") == 150
