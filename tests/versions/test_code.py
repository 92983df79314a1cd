"""The digest of a stage's code: it changes with what the stage does, and with nothing else."""

import shutil
from pathlib import Path

import pytest

from lion.versions.code import NEUTRAL, code_digest, stage_names
from tests.repository import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("lion", "stages"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    return tmp_path


def changed(project: Path, path: str, old: str, new: str) -> set[str]:
    """The stages whose digest differs once `old` is `new` in the file `path`."""
    before = {name: code_digest(project, name) for name in stage_names(project)}
    file = project / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return {name for name, digest in before.items() if code_digest(project, name) != digest}


def test_docstrings_and_comments_do_not_count(project: Path) -> None:
    before = {name: code_digest(project, name) for name in stage_names(project)}
    for file in (project / "lion").rglob("*.py"):
        text = file.read_text()
        if text.startswith('"""'):
            end = text.index('"""', 3) + 3
            file.write_text('"""Other words."""  # and a comment\n' + text[end:])
    assert {name: code_digest(project, name) for name in stage_names(project)} == before


def test_a_function_that_loses_its_docstring_is_the_same(project: Path) -> None:
    text = (project / "lion/pools/cache.py").read_text()
    begin = text.index('    """Return the rows with a complete')
    end = text.index("    return frame.filter")
    assert not changed(project, "lion/pools/cache.py", text[begin:end], "")


def test_training_counts_for_imitate_alone(project: Path) -> None:
    assert changed(project, "lion/student/training.py", "def train(", "def trained(") == {"imitate"}


def test_a_prompt_counts_where_it_is_asked(project: Path) -> None:
    teachers = {"rewrite", "teach"}
    assert changed(project, "lion/prompts/teacher.txt", "---", "Be kind.\n---") == teachers
    assert changed(project, "lion/prompts/rewrite.txt", "---", "Be kind.\n---") == {"rewrite"}
    assert changed(project, "lion/prompts/judge.txt", "---", "Be kind.\n---") == {"evaluate"}
    assert changed(project, "lion/prompts/generator_easy.txt", "---", "Be kind.\n---") == {
        "generate"
    }


def test_the_page_counts_for_the_report(project: Path) -> None:
    assert changed(project, "lion/report/assets/page.css", "{", " {") == {"report"}


@pytest.mark.parametrize("path", NEUTRAL)
def test_every_exception_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_what_is_left_out_changes_no_digest(project: Path) -> None:
    for path in ("lion/chat/chat.py", "lion/params/roles.py", "lion/support/errors.py"):
        file = project / path
        file.write_text(file.read_text() + "\nADDED = 1\n")
        assert not changed(project, path, "ADDED = 1", "ADDED = 2")


def test_a_module_imported_within_a_function_counts(project: Path) -> None:
    (project / "lion/pools/more.py").write_text("WORDS = 1\n")
    file = project / "stages/cache.py"
    file.write_text(file.read_text() + "\n\ndef late():\n    from lion.pools import more\n")
    assert changed(project, "lion/pools/more.py", "1", "2") == {"cache"}


def test_moving_a_module_changes_only_what_imports_it(project: Path) -> None:
    before = code_digest(project, "cache")
    (project / "lion/pools/novelty.py").rename(project / "lion/pools/texts.py")
    assert code_digest(project, "cache") == before


def test_a_module_counts_wherever_it_is_imported(project: Path) -> None:
    path = "lion/discriminate/verdicts.py"
    assert {"referee", "evaluate"} <= changed(project, path, "import re", "import re as _re")
