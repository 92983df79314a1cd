"""A miniature run that is played once, even under pytest-xdist; each test works on a copy."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipeline.mini import Project, copy_project, make_project


@pytest.fixture(scope="session")
def played_once(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return the miniature that all workers of this test run share."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # each worker has its own folder in the test run's
    folder /= "mini"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            shutil.rmtree(folder / "lion", ignore_errors=True)
            project = make_project(folder / "lion", tiny_base)
            project.dvc("repro")
            project.commit("Played")
            (folder / "ready").touch()
    return Project(folder / "lion", folder / "lion-site")


@pytest.fixture
def played(played_once: Project, tmp_path: Path) -> Project:
    """Return a copy of the miniature, in which r0 and r1 are played and committed."""
    return copy_project(played_once, tmp_path / "played")


@pytest.fixture
def fresh(tiny_base: Path, tmp_path: Path) -> Callable[[], Project]:
    """Return a function that makes a miniature in which nothing has run."""
    return lambda: make_project(tmp_path / "fresh", tiny_base)
