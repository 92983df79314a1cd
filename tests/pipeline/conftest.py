"""Miniatures that are made once, even under pytest-xdist; each test works on a copy."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipeline.mini import Project, copy_project, make_project


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Project]) -> Project:
    """Return the project that `make` makes for all workers of this test run."""
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # each worker has its own folder in the test run's
    folder /= name
    folder.mkdir(exist_ok=True)
    root = folder / "lion"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            shutil.rmtree(root, ignore_errors=True)
            make(root)
            (folder / "ready").touch()
    return Project(root, folder / "lion-site")


@pytest.fixture(scope="session")
def seeded_once(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The miniature in which the stages code and seed have run; do not change it."""

    def make(root: Path) -> Project:
        project = make_project(root, tiny_base)
        project.dvc("repro", "seed")
        project.commit("Seeded")
        return project

    return _once(tmp_path_factory, "seeded", make)


@pytest.fixture(scope="session")
def played_once(seeded_once: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The miniature in which r0 and r1 are played; do not change it."""

    def make(root: Path) -> Project:
        project = copy_project(seeded_once, root)
        project.dvc("repro")
        project.commit("Played")
        return project

    return _once(tmp_path_factory, "mini", make)


@pytest.fixture
def seeded(seeded_once: Project, tmp_path: Path) -> Project:
    """A copy of the miniature in which the stages code and seed have run."""
    return copy_project(seeded_once, tmp_path / "seeded")


@pytest.fixture
def played(played_once: Project, tmp_path: Path) -> Project:
    """A copy of the miniature in which r0 and r1 are played."""
    return copy_project(played_once, tmp_path / "played")
