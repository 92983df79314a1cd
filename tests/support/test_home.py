"""Where work is kept that must outlive a stage."""

from pathlib import Path

import pytest

from lion.support.home import store_home


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project; the work goes on deep inside of it, and nothing says where its store is."""
    deep = tmp_path / "data" / "pools"
    deep.mkdir(parents=True)
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(deep)
    monkeypatch.delenv("LION_HOME", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def test_a_folder_of_the_project_has_the_store_of_the_project(project: Path) -> None:
    assert store_home() == project / ".lion"


def test_a_stage_has_the_store_of_the_main_project(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", "/main")
    assert store_home() == Path("/main/.lion")


def test_the_user_may_name_another(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LION_HOME", "/elsewhere")
    assert store_home() == Path("/elsewhere")


def test_outside_of_any_project_it_is_here(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".dvc").rmdir()
    assert store_home() == Path(".lion")
