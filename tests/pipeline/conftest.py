"""One miniature that is played once; each test works on a copy of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipeline.mini import Project, copy_project, make_project


@pytest.fixture(scope="session")
def played_once(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("mini") / "lion", tiny_base)
    project.dvc("repro")
    project.commit("Played")
    return project


@pytest.fixture
def played(played_once: Project, tmp_path: Path) -> Project:
    """A miniature in which r0 and r1 are played and committed."""
    return copy_project(played_once, tmp_path / "played")


@pytest.fixture
def fresh(tiny_base: Path, tmp_path: Path) -> Callable[[], Project]:
    """Makes a miniature in which nothing has run."""
    return lambda: make_project(tmp_path / "fresh", tiny_base)
