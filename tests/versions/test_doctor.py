"""`lion doctor`: real git, real DVC, files cut as `kill -9` cuts them."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from lion.cli import main
from tests.repository import ROOT, begin, environment, run

# DVC's own, when it reads a pipeline within this process.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")

STAGES = """\
stages:
  hello:
    cmd: echo hello > hello.txt
    outs:
      - hello.txt
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed project of one stage that has run; the working folder."""
    root = tmp_path / "project"
    root.mkdir()
    for name, value in environment(tmp_path / "site").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LION_HOME")
    begin(root)
    shutil.copy(ROOT / "params.yaml", root)
    shutil.copytree(ROOT / "lion/report/assets", root / "lion/report/assets")
    (root / "dvc.yaml").write_text(STAGES)
    run("dvc", "repro", "--quiet", root=root)
    run("git", "add", "--all", root=root)
    run("git", "commit", "--quiet", "--message", "ran", root=root)
    monkeypatch.chdir(root)
    return root


def doctor(*args: str) -> Result:
    return CliRunner().invoke(main, ["doctor", "--quick", *args])


def problems(result: Result) -> list[str]:
    """The lines that are not about a passed check."""
    return [line for line in result.output.splitlines() if not line.startswith("OK: ")]


def only_line(result: Result) -> str:
    (line,) = problems(result)
    return line


def test_a_sound_project_passes_each_check(project: Path) -> None:
    result = doctor()
    assert (result.exit_code, problems(result)) == (0, [])
    assert [line.split()[1] for line in result.output.splitlines()] == [
        "DVC's",
        "params.yaml:",
        ".lion:",
    ]


@pytest.mark.parametrize("content", ["", '{"write": {"/a', '{"write": []}', "\0" * 40])
@pytest.mark.parametrize("name", [".dvc/tmp/rwlock", "dvc.lock"])
def test_what_a_kill_leaves_is_named_and_mended(project: Path, name: str, content: str) -> None:
    lock = Path("dvc.lock").read_bytes()
    Path(name).write_text(content)
    result = doctor()
    assert result.exit_code == 1
    assert f"{name}: " in only_line(result)
    assert "run `lion doctor --fix`" in result.output
    assert Path(name).read_text() == content  # only --fix writes
    result = doctor("--fix")
    assert result.exit_code == 0
    assert only_line(result).startswith("Fixed: ")
    assert Path("dvc.lock").read_bytes() == lock
    assert "Running stage" not in run("dvc", "repro")
    assert problems(doctor()) == []


def test_a_file_of_the_report_that_is_not_there_is_named(project: Path) -> None:
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(
        text.replace("control: lion/report/assets/no_control.csv", "control: nowhere.csv")
    )
    result = doctor()
    assert result.exit_code == 1
    assert "report.control: nowhere.csv: no such file; for no control name" in only_line(result)


@pytest.mark.parametrize(
    "content", ["<<<<<<< HEAD\nstages: {}\n", "stages:\n  a: {cmd: ${nothing}}\n"]
)
def test_a_pipeline_that_dvc_cannot_read_is_one_line(project: Path, content: str) -> None:
    Path("dvc.yaml").write_text(content)
    result = doctor()
    assert result.exit_code == 1
    assert only_line(result).startswith("Error: DVC cannot read this project: ")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_lock_file_cut_anywhere_lets_dvc_run_again(project: Path, share: float) -> None:
    path = Path("dvc.lock")
    os.truncate(path, int(path.stat().st_size * share))
    assert doctor("--fix").exit_code == 0
    run("dvc", "repro")
    assert problems(doctor()) == []


def test_an_empty_lock_file_that_git_does_not_know_is_removed(project: Path) -> None:
    run("git", "rm", "--quiet", "--cached", "dvc.lock")
    run("git", "commit", "--quiet", "--message", "no lock file")
    Path("dvc.lock").write_text("")
    assert "removed" in only_line(doctor("--fix"))
    assert not Path("dvc.lock").exists()
    run("dvc", "repro")


def test_a_merge_conflict_is_left_to_the_person(project: Path) -> None:
    text = f"<<<<<<< HEAD\n{Path('dvc.lock').read_text()}=======\n>>>>>>> other\n"
    Path("dvc.lock").write_text(text)
    result = doctor("--fix")
    assert result.exit_code == 1
    assert "merge conflict" in only_line(result)
    assert Path("dvc.lock").read_text() == text


def test_nothing_is_mended_under_a_running_dvc(project: Path) -> None:
    from dvc.lock import make_lock

    Path("dvc.lock").write_text("")
    with make_lock(".dvc/tmp/lock", tmp_dir=".dvc/tmp"):
        output = run("sh", "-c", "lion doctor --fix --quick 2>&1 || true")
    assert "another DVC command is running" in output
    assert Path("dvc.lock").read_text() == ""


def test_wrong_parameters_are_one_line(project: Path) -> None:
    with Path("params.yaml").open("a") as file:
        file.write("batchh: 3\n")
    result = doctor("--fix")
    assert result.exit_code == 1
    assert "batchh: unknown parameter" in only_line(result)


def test_a_key_that_dvc_itself_cannot_name_is_one_line(project: Path) -> None:
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("  files: {}", '  files: {"": a, "x\\ny": b}'))
    result = doctor("--fix")
    assert result.exit_code == 1
    assert "decontaminate.files.x y: String should match pattern" in only_line(result)


@pytest.mark.parametrize(
    ("section", "name"),
    [
        ({"control": None, "marks": "m.jsonl"}, "control"),
        ({"marks": "m.jsonl"}, "control"),
        ({"control": "c.csv"}, "marks"),
    ],
)
def test_a_file_that_dvc_cannot_depend_on_is_one_line(
    project: Path, section: Any, name: str
) -> None:
    raw = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump(raw | {"report": section}))
    result = doctor()
    assert result.exit_code == 1
    assert f"params.yaml: report.{name}: DVC needs a file's name" in result.output


def test_a_store_that_cannot_be_read_is_named(project: Path) -> None:
    Path(".lion").mkdir()
    Path(".lion/replies.sqlite").write_bytes(b"no database " * 500)
    result = doctor()
    assert result.exit_code == 1
    assert "replies.sqlite: file is not a database; run `lion store salvage`" in only_line(result)


def test_a_folder_that_takes_no_file_is_a_warning(project: Path) -> None:
    Path(".lion").write_text("a file where the folder belongs")
    result = doctor()
    assert result.exit_code == 0
    assert "Warning: .lion: not writable (Not a directory)" in only_line(result)


def test_a_disk_nearly_full_is_a_warning(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lion.versions.doctor._FEW_BYTES", 10**18)
    result = doctor()
    assert result.exit_code == 0
    assert "MB left; free disk space" in only_line(result)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_project_of_somebody_else_is_one_line(project: Path) -> None:
    run("git", "commit", "--quiet", "--allow-empty", "--message", "another")
    for path in (project, *project.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    result = CliRunner().invoke(main, ["rounds", "--rev", "HEAD"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: git cannot read this project: ")
    assert len(result.output.splitlines()) == 1
