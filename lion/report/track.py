"""An experiment tracker that gets the figures of each round, the tables and the page, if wanted."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from lion.params.examination import Tracker
from lion.support.errors import InputError
from lion.support.home import store_home

Row = dict[str, Any]
Step = tuple[int, dict[str, float]]  # a round's number, and its figures by name
_FIGURES = (
    "quality",
    "held_out",
    "hard_share",
    "mean_gap",
    "win_rate",
    "unjudged_share",
    "acceptance",
    "loss",
)


def track(tracker: Tracker, title: str, rows: list[Row], files: list[Path]) -> None:
    """Write the rounds' figures, then `files` (files and folders), with the tracker's own library.

    The library's own settings say where to (MLFLOW_TRACKING_URI, WANDB_MODE, ...); TensorBoard and
    DVCLive write below .lion. InputError if the library is missing or fails.
    """
    steps = [
        (int(row["round"][1:]), {name: row[name] for name in _FIGURES if row[name] is not None})
        for row in rows
    ]
    try:
        library = import_module(_MODULES[tracker])
    except ImportError as error:
        raise InputError(
            f"report.track: {tracker} cannot be imported ({error}). Run `pip install {tracker}`."
        ) from None
    _WRITERS[tracker](library, title, steps, files)


def _mlflow(mlflow: ModuleType, title: str, steps: list[Step], files: list[Path]) -> None:
    with mlflow.start_run(run_name=title):
        for number, figures in steps:
            mlflow.log_metrics(figures, step=number)
        for path in files:
            if path.is_dir():
                mlflow.log_artifacts(str(path), artifact_path=path.name)
            else:
                mlflow.log_artifact(str(path))


def _wandb(wandb: ModuleType, title: str, steps: list[Step], files: list[Path]) -> None:
    with wandb.init(project="lion", name=title, dir=str(_folder("wandb"))) as run:
        for number, figures in steps:
            run.log(figures, step=number)
        artifact = wandb.Artifact("report", type="report")
        for path in files:
            if path.is_dir():
                artifact.add_dir(str(path), name=path.name)
            else:
                artifact.add_file(str(path))
        run.log_artifact(artifact)


def _tensorboard(summary: ModuleType, title: str, steps: list[Step], files: list[Path]) -> None:
    """TensorBoard holds figures alone."""
    writer = summary.Writer(str(_folder("tensorboard")))
    for number, figures in steps:
        for name, value in figures.items():
            writer.add_scalar(name, value, number)
    writer.close()


def _dvclive(dvclive: ModuleType, title: str, steps: list[Step], files: list[Path]) -> None:
    """DVC tracks the page and the tables itself, so DVCLive gets the figures alone."""
    folder = str(_folder("dvclive"))
    options = {"save_dvc_exp": False, "dvcyaml": None, "report": None}
    with dvclive.Live(folder, exp_message=title, **options) as live:
        for number, figures in steps:
            live.step = number
            for name, value in figures.items():
                live.log_metric(name, value)
            live.make_summary()


def _folder(tracker: str) -> Path:
    folder = store_home() / tracker
    folder.mkdir(parents=True, exist_ok=True)
    return folder


_MODULES: dict[Tracker, str] = {name: name for name in get_args(Tracker)} | {
    "tensorboard": "tensorboard.summary"
}
_WRITERS: dict[Tracker, Callable[[ModuleType, str, list[Step], list[Path]], None]] = {
    "mlflow": _mlflow,
    "wandb": _wandb,
    "tensorboard": _tensorboard,
    "dvclive": _dvclive,
}
