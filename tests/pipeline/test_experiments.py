"""DVC's experiments on the loop: run, queue, compare, keep and share."""

import csv
import io
import re
from dataclasses import dataclass

import pytest
import yaml

from tests.pipeline.mini import Project, copy_project

# The command in README: few columns, so that the table fits a terminal.
SHOW = (
    "exp",
    "show",
    "--only-changed",
    "--drop",
    ".*",
    "--keep",
    "^Experiment$|^tau$|relative_quality|hard_share|mean_gap",
    "--no-pager",
)


@dataclass(frozen=True)
class Tried:
    """A project with the experiments `low` and `high`, run by two concurrent queue workers.

    They end with the stage generate, which asks; learning from it would take a minute more.
    """

    project: Project
    started: str
    status: str


@pytest.fixture(scope="module")
def tried(played_once: Project, tmp_path_factory: pytest.TempPathFactory) -> Tried:
    folder = tmp_path_factory.mktemp("experiments")
    project = copy_project(played_once, folder / "lion")
    project.git("init", "--quiet", "--bare", str(folder / "git"))
    project.git("remote", "add", "origin", str(folder / "git"))
    project.dvc("remote", "add", "--default", "folder", str(folder / "remote"))
    project.commit("Remotes")
    project.git("push", "--quiet", "origin", "HEAD")
    for name, tau in (("low", 1.25), ("high", 1.5)):
        project.dvc("exp", "run", "--queue", "--name", name, "-S", f"tau={tau}", "generate@r1")
    started = project.dvc("queue", "start", "--jobs", "2")
    return Tried(project, started, project.wait_for_queue("low", "high"))


@pytest.fixture
def project(tried: Tried) -> Project:
    return tried.project


def test_two_queue_workers_finish_both_experiments(tried: Tried) -> None:
    assert "Started '2' new experiments task queue workers" in tried.started
    assert len(re.findall(r"\bSuccess\b", tried.status)) == 2


def test_the_workers_pay_into_one_store(project: Project) -> None:
    assert (project.root / ".lion" / "replies.sqlite").exists()
    assert not list((project.root / ".dvc" / "tmp").rglob("replies.sqlite"))


def test_the_table_of_experiments_fits_a_terminal(project: Project) -> None:
    table = project.dvc(*SHOW, COLUMNS="100")
    assert {"low", "high"} <= set(re.findall(r"\w+", table))
    assert max(map(len, table.splitlines())) <= 100


def test_the_table_of_experiments_has_the_figures(project: Project) -> None:
    rows = list(csv.DictReader(io.StringIO(project.dvc("exp", "show", "--csv"))))
    taus = {row["Experiment"]: row["tau"] for row in rows if row["Experiment"]}
    assert taus == {"low": "1.25", "high": "1.5"}
    assert all(row["relative_quality"] for row in rows)


def test_two_experiments_are_compared(project: Project) -> None:
    assert re.search(r"tau\s+1.25\s+1.5", project.dvc("exp", "diff", "low", "high"))


def test_an_experiment_is_applied(project: Project) -> None:
    project.dvc("exp", "apply", "high")
    try:
        assert yaml.safe_load((project.root / "params.yaml").read_text())["tau"] == 1.5
    finally:
        project.git("reset", "--quiet", "--hard")


def test_an_experiment_becomes_a_branch(project: Project) -> None:
    project.dvc("exp", "branch", "low", "kept")
    assert "tau: 1.25" in project.git("show", "kept:params.yaml")


def test_lion_reads_an_experiment_by_its_name(project: Project) -> None:
    assert "low" in project.run("lion", "rounds", "--rev", "HEAD", "--rev", "low")


def test_an_experiment_is_pushed_and_pulled(project: Project) -> None:
    project.dvc("exp", "push", "origin", "low")
    other = Project(project.root.parent / "other", project.site.parent / "other-site")
    url = project.git("remote", "get-url", "origin").strip()
    project.git("clone", "--quiet", url, str(other.root))
    other.dvc("exp", "pull", "origin", "low")
    assert "low" in other.dvc("exp", "list", "--all-commits")
    assert "+ " in other.run("lion", "pool", "diff", "HEAD~3", "low")
