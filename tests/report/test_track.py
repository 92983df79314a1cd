"""Trackers get the figures through their own libraries, where these are installed."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from lion.params import load_params
from lion.params.examination import Tracker
from lion.report.track import Report, track, track_round, write
from lion.support.errors import InputError
from tests.report.conftest import as_project
from tests.report.synthetic import Size, make_run
from tests.repository import ROOT

FIRST = {"r0": {"quality": 40.5}}
BOTH = {**FIRST, "r1": {"quality": 61.25, "hard_share": 0.4}}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LION_HOME", str(tmp_path / "home"))
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "rounds.csv").write_text("round\nr0\n")
    (tmp_path / "index.html").write_text("<!doctype html>")
    return [str(tmp_path / "index.html"), str(tmp_path / "tables")]


def twice(tracker: Tracker, files: list[str]) -> None:
    """Write what a run sends: a round at a time, the last one again, and files at its end."""
    write(tracker, Report("abc", "a run", FIRST, []))
    write(tracker, Report("abc", "a run", {"r1": BOTH["r1"]}, []))
    write(tracker, Report("abc", "a run", BOTH, files))


@pytest.mark.parametrize("tracker", ["mlflow", "wandb", "tensorboard", "dvclive"])
def test_a_library_that_is_missing_is_one_line(tracker: Tracker, files: list[str]) -> None:
    if find_spec(tracker):
        pytest.skip(f"{tracker} is installed")
    with pytest.raises(InputError, match=f"Run `pip install {tracker}`"):
        write(tracker, Report("abc", "a run", BOTH, files))


def test_no_library_is_imported_before_it_is_wanted() -> None:
    names = "{'mlflow', 'wandb', 'tensorboard', 'dvclive', 'lion.report.track'}"
    code = f"import sys, stages.evaluate; sys.exit(bool({names} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_tracker_that_fails_is_one_line_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A module of the tracker's name that breaks in a way that nobody foresaw."""
    root = as_project(make_run(tmp_path / "run", Size(rounds=2, seeds=20, new=5, questions=5)))
    (root / "wandb.py").write_text("def init(**options):\n    raise SystemError('out of cheese')\n")
    monkeypatch.chdir(root)
    monkeypatch.setenv("LION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", f"{root}:{ROOT}")
    params = load_params(Path("params.yaml"))
    tracked = params.model_copy(
        update={"report": params.report.model_copy(update={"track": "wandb"})}
    )
    track_round(tracked, "r1")
    message = capsys.readouterr().err
    assert message.startswith("report.track: wandb did not get r1: SystemError: out of cheese.")
    assert message.count("\n") == 1
    assert not (tmp_path / "home" / "tracked.json").exists()


def test_a_round_is_sent_with_its_own_figures_to_the_run_of_its_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the process that a stage starts, with a tracker that notes what it gets."""
    root = as_project(make_run(tmp_path / "run", Size(rounds=2, seeds=20, new=5, questions=5)))
    (root / "wandb.py").write_text(_NOTING)
    monkeypatch.chdir(root)
    monkeypatch.setenv("LION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", f"{root}:{ROOT}")
    params = load_params(Path("params.yaml"))
    report = params.report.model_copy(update={"track": "wandb"})
    tracked = params.model_copy(update={"report": report})
    track_round(tracked, "r1")
    track_round(tracked, "r0")
    track_round(tracked, "r1")
    track_round(tracked.model_copy(update={"tau": 2.0}), "r1")
    rows = [json.loads(line) for line in Path("noted.jsonl").read_text().splitlines()]
    assert [row["round"] for row in rows] == [1, 0, 1]  # nothing twice for equal parameters
    assert rows[0]["id"] == rows[1]["id"] != rows[2]["id"]
    assert {"quality", "hard_share", "acceptance", "loss"} < set(rows[0])
    assert "hard_share" not in rows[1]
    track(params, "off", [{"round": "r0"}], [])
    assert len(Path("noted.jsonl").read_text().splitlines()) == 3


_NOTING = """
import contextlib, json
class Run:
    def __init__(self, id): self.id = id
    def define_metric(self, *names, **options): pass
    def log(self, row):
        with open("noted.jsonl", "a") as file:
            file.write(json.dumps({"id": self.id, **row}) + "\\n")
@contextlib.contextmanager
def init(*, id, **options):
    yield Run(id)
"""


@pytest.mark.filterwarnings("ignore")
def test_mlflow_continues_one_run_and_has_files(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    twice("mlflow", files)
    client = mlflow.MlflowClient()
    [run] = client.search_runs([client.get_experiment_by_name("Default").experiment_id])
    history = client.get_metric_history(run.info.run_id, "quality")
    assert [(point.step, point.value) for point in history] == [(0, 40.5), (1, 61.25)]
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {
        "index.html",
        "tables",
    }


@pytest.mark.filterwarnings("ignore")
def test_dvclive_has_figures_by_round(files: list[str], tmp_path: Path) -> None:
    pytest.importorskip("dvclive")
    twice("dvclive", files)
    plots = tmp_path / "home" / "dvclive" / "abc" / "plots" / "metrics"
    quality = (plots / "quality.tsv").read_text().splitlines()
    assert [line.split("\t")[-2:] for line in quality[1:]] == [["0", "40.5"], ["1", "61.25"]]
    assert (plots / "hard_share.tsv").read_text().split()[2:] == ["1", "0.4"]
    assert not (tmp_path / "dvc.yaml").exists()


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_has_figures_by_round(files: list[str], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    twice("tensorboard", files)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "home" / "tensorboard" / "abc")).Reload()
    assert "quality" in str(events.Tags())
    files_of = list((tmp_path / "home" / "tensorboard" / "abc").iterdir())
    assert sum(file.read_bytes().count(b"quality") for file in files_of) == 2
    assert sum(file.read_bytes().count(b"hard_share") for file in files_of) == 1


@pytest.mark.filterwarnings("ignore")
def test_wandb_keeps_a_run_offline(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    twice("wandb", files)
    runs = list((tmp_path / "home" / "wandb" / "wandb").glob("offline-run-*-abc"))
    data = b"".join(path.read_bytes() for run in runs for path in run.glob("*.wandb"))
    assert b"quality" in data
    assert b"hard_share" in data
