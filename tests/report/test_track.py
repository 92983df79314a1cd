"""Trackers get the figures through their own libraries, where these are installed."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lion.params.examination import Tracker
from lion.report.track import track
from lion.support.errors import InputError

NAMES = (
    "quality",
    "held_out",
    "hard_share",
    "mean_gap",
    "win_rate",
    "unjudged_share",
    "acceptance",
    "loss",
)
ROWS: list[dict[str, Any]] = [
    {"round": "r0", **dict.fromkeys(NAMES), "quality": 40.5},
    {"round": "r1", **dict.fromkeys(NAMES), "quality": 61.25, "hard_share": 0.4},
]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LION_HOME", str(tmp_path / "home"))
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "rounds.csv").write_text("round\nr0\n")
    (tmp_path / "index.html").write_text("<!doctype html>")
    return [tmp_path / "index.html", tmp_path / "tables"]


@pytest.mark.parametrize("tracker", ["mlflow", "wandb", "tensorboard", "dvclive"])
def test_a_library_that_is_missing_is_one_line(tracker: Tracker, files: list[Path]) -> None:
    if find_spec(tracker):
        pytest.skip(f"{tracker} is installed")
    with pytest.raises(InputError, match=f"Run `pip install {tracker}`"):
        track(tracker, "a run", ROWS, files)


def test_no_library_is_imported_before_it_is_wanted() -> None:
    names = "{'mlflow', 'wandb', 'tensorboard', 'dvclive'}"
    code = f"import sys, stages.report; sys.exit(bool({names} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_figures_by_round_and_files(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    track("mlflow", "a run", ROWS, files)
    client = mlflow.MlflowClient()
    [run] = client.search_runs([client.get_experiment_by_name("Default").experiment_id])
    history = client.get_metric_history(run.info.run_id, "quality")
    assert [(point.step, point.value) for point in history] == [(0, 40.5), (1, 61.25)]
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {
        "index.html",
        "tables",
    }


@pytest.mark.filterwarnings("ignore")
def test_dvclive_has_figures_by_round(files: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("dvclive")
    track("dvclive", "a run", ROWS, files)
    plots = tmp_path / "home" / "dvclive" / "plots" / "metrics"
    quality = (plots / "quality.tsv").read_text().splitlines()
    assert [line.split("\t")[-2:] for line in quality[1:]] == [["0", "40.5"], ["1", "61.25"]]
    assert (plots / "hard_share.tsv").read_text().split()[2:] == ["1", "0.4"]
    assert not (tmp_path / "dvc.yaml").exists()


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_has_figures_by_round(files: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    track("tensorboard", "a run", ROWS, files)
    [events] = (tmp_path / "home" / "tensorboard").iterdir()
    data = events.read_bytes()
    assert data.count(b"quality") >= 2
    assert b"hard_share" in data


@pytest.mark.filterwarnings("ignore")
def test_wandb_keeps_a_run_offline(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    track("wandb", "a run", ROWS, files)
    [run] = (tmp_path / "home" / "wandb" / "wandb").glob("offline-run-*")
    data = b"".join(path.read_bytes() for path in run.glob("*.wandb"))
    assert b"quality" in data
    assert b"hard_share" in data
