"""What is wrong is told in one line, with exit code 1; nothing is worked on that need not be."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from lion.runs.revision import open_revisions
from tests.repository import run
from tests.versions.conftest import Lion, Versions

# DVC reads a trie in a manner that its library is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")

COMMANDS = [("pool", "diff"), ("trace", "0000"), ("rounds",), ("estimate",)]


@pytest.fixture
def project(
    versions: Versions, lion: Lion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of the project to spoil, which is where `lion` then runs."""
    root = tmp_path / "project"
    shutil.copytree(versions.root, root, symlinks=True)
    monkeypatch.chdir(root)
    return root


def refused(lion: Lion, *args: str) -> str:
    """What the command says; it must be one line and a failure."""
    result = lion(*args)
    assert (result.exit_code, result.output.count("\n")) == (1, 1), result.output
    assert result.output.startswith("Error: ")
    return result.output


@pytest.mark.parametrize(
    "name", ["nowhere", "first~5", "HEAD:dvc.yaml", "HEAD^{tree}", "-x", "a b"]
)
def test_a_name_that_means_no_commit_is_refused(lion: Lion, name: str) -> None:
    assert f"{name}: no git revision" in refused(lion, "rounds", "--rev", name)


def test_an_empty_name_is_not_taken_for_head(lion: Lion) -> None:
    assert "revision is empty" in refused(lion, "pool", "diff", "")


def test_two_experiments_of_one_name_are_ambiguous(lion: Lion, project: Path) -> None:
    for revision in ("first", "second"):
        run("git", "checkout", "--quiet", "--force", revision)
        (project / "params.yaml").write_text(f"rounds: {{r1: r0}} # {revision}\n")
        run("dvc", "exp", "save", "--quiet", "--force", "--name", "twice")
    run("git", "checkout", "--quiet", "--force", "second")
    run("git", "commit", "--quiet", "--allow-empty", "--message", "third")
    assert "several experiments have this name" in refused(lion, "rounds", "--rev", "twice")


@pytest.mark.parametrize("args", COMMANDS)
def test_outside_a_project(lion: Lion, args: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert "not in a DVC project" in refused(lion, *args)


@pytest.mark.parametrize("args", COMMANDS)
def test_a_broken_configuration(lion: Lion, project: Path, args: tuple[str, ...]) -> None:
    (project / ".dvc" / "config").write_text("[core")
    assert "config file error" in refused(lion, *args)


def test_a_default_remote_that_is_not_defined(lion: Lion, project: Path) -> None:
    (project / ".dvc" / "config").write_text("[core]\n    remote = gone\n")
    shutil.rmtree(project / ".dvc" / "cache")
    shutil.rmtree(project / "data")
    assert "gone" in refused(lion, "rounds", "--rev", "first")


@pytest.mark.filterwarnings("ignore:Exception ignored.*ClientSession")  # of DVC's HTTP client
@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "/nowhere/at/all"])
def test_an_estimate_uses_the_tables_at_hand_when_the_remote_is_away(
    lion: Lion, project: Path, url: str
) -> None:
    run("dvc", "remote", "add", "--quiet", "--default", "away", url)
    lost = project / "data" / "pools" / "train" / "r2.jsonl"
    digest = hashlib.md5(lost.read_bytes()).hexdigest()
    lost.unlink()
    (project / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]).unlink()
    with open_revisions("workspace") as (here,):
        rounds = here.tables_on_hand().pool["round"].unique(maintain_order=True)
    assert rounds.to_list() == ["r0", "r1"]
    assert lion("estimate").exit_code == 0


@pytest.mark.parametrize("rounds", [{"late": "r0"}, ["r1", 3], 5, None])
def test_rounds_that_are_none(lion: Lion, project: Path, rounds: object) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    (project / "params.yaml").write_text(yaml.safe_dump(params | {"rounds": rounds}))
    assert "rounds" in refused(lion, "rounds")


@pytest.mark.parametrize("args", COMMANDS)
def test_rows_that_lack_what_a_row_needs(lion: Lion, project: Path, args: tuple[str, ...]) -> None:
    pool = project / "data" / "pools" / "train" / "r2.jsonl"
    pool.unlink()  # it is a link into the cache
    pool.write_text('{"id": "0000"}\n')
    assert "data/pools/train/r2.jsonl, row 1: missing" in refused(lion, *args)


def test_an_estimate_while_dvc_is_at_work(lion: Lion, project: Path) -> None:
    with Repo() as busy, busy.lock:
        assert "another dvc command is running" in refused(lion, "estimate")


def test_without_git_there_is_the_workspace_alone(lion: Lion, project: Path) -> None:
    shutil.rmtree(project / ".git")
    run("dvc", "config", "core.no_scm", "true")
    assert "not under git" in refused(lion, "pool", "diff")
    assert len(json.loads(lion("rounds", "--json").output)["workspace"]) == 3


def test_a_folder_of_the_project_will_do(
    lion: Lion, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = [*COMMANDS, ("rounds", "--rev", "first"), ("pool", "diff", "first", "second")]
    above = [lion(*args).output for args in commands]
    monkeypatch.chdir(project / "data" / "pools")
    assert [lion(*args).output for args in commands] == above


def test_a_revision_older_than_the_remote_is_read_from_it(
    lion: Lion, project: Path, tmp_path: Path
) -> None:
    there = lion("pool", "diff", "first", "second").output
    run("dvc", "remote", "add", "--quiet", "--default", "later", str(tmp_path / "later"))
    for revision in ("first", "second"):
        run("git", "checkout", "--quiet", revision)
        run("dvc", "push", "--quiet")
    shutil.rmtree(project / ".dvc" / "cache")
    assert lion("pool", "diff", "first", "second").output == there


def test_a_folder_that_cannot_be_written(lion: Lion, project: Path) -> None:
    (project / "taken").write_text("")
    real = Path(__file__).parents[2] / "dvc.yaml"
    shutil.copy(real, project / "dvc.yaml")
    assert "--out taken" in refused(lion, "export", "--round", "r1", "--out", "taken/x")
