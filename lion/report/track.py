"""Sending the figures of each round to an experiment tracker as soon as they are known.

The tracker's own library writes them in a process of its own. If that fails or hangs, the next
stage sends what is missing. Equal parameters continue the same tracked run.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import click

from lion.params import Params
from lion.params.examination import Tracker
from lion.runs.compare import NEUTRAL
from lion.runs.figures import round_rows
from lion.runs.identity import identity_of
from lion.runs.run import places_of, read_run, round_number
from lion.support.errors import InputError, LionError
from lion.support.files import replacing
from lion.support.home import store_home
from lion.support.text import brief

Row = dict[str, Any]
_FIGURES = (
    *("quality", "held_out", "hard_share", "mean_gap"),
    *("win_rate", "unjudged_share", "acceptance", "loss"),
)
_PATIENCE = 300  # seconds
_SHOWN = 300  # columns of an error message


class Report(NamedTuple):
    """The data for a tracker: the figures of some rounds, and files and folders."""

    key: str  # identifies the run: equal for equal parameters
    title: str
    rounds: dict[str, dict[str, float]]
    files: list[str]

    @property
    def steps(self) -> list[tuple[int, dict[str, float]]]:
        """Return each round's number and its figures by name."""
        return [(round_number(name), figures) for name, figures in self.rounds.items()]


def track_round(params: Params, round: str) -> None:
    """Send the figures of a round that has just been evaluated, from the current folder's run."""
    try:
        places = places_of(Path())
        tables = read_run(places, [round])
    except LionError as error:
        click.echo(f"report.track: {error.format_message()}", err=True)
        return
    track(params, identity_of(tables, params, places).title, round_rows(tables), [])


def track(params: Params, title: str, rows: list[Row], files: list[Path]) -> None:
    """Send the rounds' figures that the tracker lacks, and `files`; print a failure as one line."""
    tracker = params.report.track
    if tracker is None:
        return
    rounds = {
        row["round"]: {name: row[name] for name in _FIGURES if row[name] is not None}
        for row in rows
    }
    values = params.model_dump(mode="json", exclude={*NEUTRAL, "rounds"})
    key = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
    report = Report(key, title, rounds, [str(path.absolute()) for path in files])
    if problem := _problem(tracker, report):
        click.echo(
            f"report.track: {tracker} did not get {', '.join(rounds)}: {problem}. The stage goes "
            "on; the stage `report` sends what is missing.",
            err=True,
        )


def _problem(tracker: Tracker, report: Report) -> str:
    """Write the report in a process of its own; return what went wrong, empty if nothing did."""
    command = [sys.executable, "-m", "lion.report.track", tracker]
    text = json.dumps(report._asdict())
    try:
        done = subprocess.run(
            command, input=text, text=True, capture_output=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {_PATIENCE} seconds"
    last = next(reversed(done.stderr.split("\n")[:-1]), "it failed")
    return brief(last, _SHOWN) if done.returncode else ""


def write(tracker: Tracker, report: Report) -> None:
    """Write what the tracker lacks, with its own library; InputError if that is not installed.

    The library's settings choose the target (MLFLOW_TRACKING_URI, WANDB_MODE, ...). TensorBoard and
    DVCLive write to the folder .lion, where a file records what has been sent.
    """
    module, write_rounds = _WRITERS[tracker]
    try:
        library = import_module(module)
    except ImportError as error:
        raise InputError(
            f"{tracker} cannot be imported ({error}). Run `pip install {tracker}`."
        ) from None
    memory = store_home() / "tracked.json"
    sent = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
    known = sent.setdefault(f"{tracker} {report.key}", {})
    lacking = {name: row for name, row in report.rounds.items() if row != known.get(name)}
    if lacking or report.files:
        write_rounds(library, report._replace(rounds=lacking))
        known |= lacking
        with replacing(memory) as file:
            file.write_text(json.dumps(sent), encoding="utf-8")


def _mlflow(mlflow: ModuleType, report: Report) -> None:
    same = mlflow.search_runs(filter_string=f"tags.lion = '{report.key}'", output_format="list")
    begun = {"run_id": same[0].info.run_id} if same else {"tags": {"lion": report.key}}
    with mlflow.start_run(run_name=report.title, **begun):
        for number, figures in report.steps:
            mlflow.log_metrics(figures, step=number)
        for path in map(Path, report.files):
            if path.is_dir():
                mlflow.log_artifacts(str(path), artifact_path=path.name)
            else:
                mlflow.log_artifact(str(path))


def _wandb(wandb: ModuleType, report: Report) -> None:
    """Log to W&B by round, since rounds may come in any order and W&B's own steps only grow."""
    options = {"id": report.key, "name": report.title, "dir": str(_folder("wandb"))}
    with wandb.init(project="lion", resume="allow", **options) as run:
        run.define_metric("*", step_metric="round")
        for number, figures in report.steps:
            run.log({"round": number, **figures})
        if report.files:
            artifact = wandb.Artifact("report", type="report")
            for path in map(Path, report.files):
                add = artifact.add_dir if path.is_dir() else artifact.add_file
                add(str(path), name=path.name)
            run.log_artifact(artifact)


def _tensorboard(summary: ModuleType, report: Report) -> None:
    """Write only figures, since TensorBoard holds no files."""
    writer = summary.Writer(str(_folder("tensorboard") / report.key))
    for number, figures in report.steps:
        for name, value in figures.items():
            writer.add_scalar(name, value, number)
    writer.close()


def _dvclive(dvclive: ModuleType, report: Report) -> None:
    """Log only figures, since DVC itself tracks the page and the tables."""
    options = {"save_dvc_exp": False, "dvcyaml": None, "report": None, "resume": True}
    with dvclive.Live(str(_folder("dvclive") / report.key), **options) as live:
        for number, figures in report.steps:
            live.step = number
            for name, value in figures.items():
                live.log_metric(name, value)
            live.make_summary()


def _folder(tracker: str) -> Path:
    folder = store_home() / tracker
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# The module of each tracker's library, and what writes with it.
_WRITERS: dict[Tracker, tuple[str, Callable[[ModuleType, Report], None]]] = {
    "mlflow": ("mlflow", _mlflow),
    "wandb": ("wandb", _wandb),
    "tensorboard": ("tensorboard.summary", _tensorboard),
    "dvclive": ("dvclive", _dvclive),
}

if __name__ == "__main__":
    try:
        write(sys.argv[1], Report(**json.load(sys.stdin)))  # type: ignore[arg-type]
    except LionError as error:
        sys.exit(error.format_message())
