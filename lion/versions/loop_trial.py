"""One round of the loop on a tenth of the seeds, offline, in a temporary folder.

The commands are those of dvc.yaml. They run one after another in this process, because starting
Python would take longer than most of them. The project does not change.
"""

import json
import os
import runpy
import shlex
import shutil
import sys
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

import click
import networkx as nx
import yaml

from lion.params import load_params, read_yaml
from lion.pools.seed_files import read_items
from lion.runs.gain import gain_between
from lion.runs.project import open_project
from lion.runs.rounds import as_text, rounds_of
from lion.runs.run import places_of, read_run
from lion.support.errors import ParamsError

_SEEDS = 10  # use one seed in this many
_NEW = 4  # this many times fewer new instructions; fewer than that rarely help the student
_QUESTIONS = 3  # use one question in this many; a small gain shows only over many questions
_STEPS = 4  # this many times the training steps per row, since few rows make few steps
_LEFT_OUT = {"code", "report"}  # only DVC and the page need them
_KEYS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "DVC_ROOT")  # removed: not needed offline


def play_a_tenth(root: Path) -> str:
    """Play rounds r0 and r1 of the project at `root`; return whether the student improved, as text.

    This changes the environment of the process, so it must be the last thing that a command does.
    """
    params = load_params(root / "params.yaml")
    if params.model != "oracle":
        raise ParamsError(
            f"params.yaml: model: {params.model}: --loop is for the offline oracle; to try your"
            " own model, run `lion try`"
        )
    with tempfile.TemporaryDirectory(prefix="lion-try-") as scratch:
        folder = Path(scratch)
        _lay_out(folder, root, read_yaml(root / "params.yaml"))
        sys.path.insert(0, str(root.absolute()))  # where Python finds the stages
        for name in _KEYS:
            os.environ.pop(name, None)
        os.environ["LION_HOME"] = str(folder / ".lion")
        with chdir(folder):
            for description, command in _commands():
                click.echo(f"{description}.")
                _run(command)
            return _verdict(folder)


def _lay_out(folder: Path, root: Path, params: dict[str, Any]) -> None:
    """Write a project with a part of the rows to `folder`."""
    params["seeds"] = _part(root / params["seeds"], _SEEDS, folder / "seeds.jsonl")
    questions = root / params["evaluate"]["questions"]
    params["evaluate"]["questions"] = _part(questions, _QUESTIONS, folder / "questions.jsonl")
    others = params["decontaminate"]["files"]
    params["decontaminate"]["files"] = {name: _absolute(root, others[name]) for name in others}
    params["rounds"] = {"r1": "r0"}
    params["imitate"]["batch"] = max(1, params["imitate"]["batch"] // _STEPS)
    params["generate"]["count"] = max(1, params["generate"]["count"] // _NEW)
    params["student"]["base"] = _absolute(root, params["student"]["base"])
    params["report"] |= dict.fromkeys(("control", "marks"), "unused")  # `report` is left out
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    shutil.copyfile(root / "dvc.yaml", folder / "dvc.yaml")
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("[core]\nno_scm = true\n", encoding="utf-8")


def _part(file: Path, share: int, part: Path) -> str:
    """Write one row in `share` of `file` to `part`; return its name."""
    rows = [row for _, row in read_items(file)][::share]
    lines = [json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows]
    part.write_text("".join(lines), encoding="utf-8")
    return part.name


def _absolute(root: Path, name: str) -> str:
    """Return the absolute path of a file or folder of the project; other names as they are."""
    return str((root / name).absolute()) if (root / name).exists() else name


def _commands() -> list[tuple[str, str]]:
    """Return each stage's description and command, in an order in which they can run."""
    with open_project() as repo:
        ordered = nx.dfs_postorder_nodes(repo.index.graph)
        return [
            (str(stage.desc), str(stage.cmd))
            for stage in ordered
            if stage.addressing not in _LEFT_OUT
        ]


def _run(command: str) -> None:
    """Run `python -m MODULE ...` in this process."""
    module, *arguments = shlex.split(command.removeprefix("python -m "))
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code:
            raise click.exceptions.Exit(1) from None


def _verdict(folder: Path) -> str:
    tables = read_run(places_of(folder), ["r0", "r1"])
    click.echo(as_text({"": rounds_of(tables)}))
    gain = gain_between(tables, "r0", "r1")
    if gain is None:
        return "No question was judged in both rounds, so the students cannot be compared."
    figures = f"{gain.gain:+.1f} points from r0 to r1 (95%: {gain.low:+.1f} to {gain.high:+.1f})"
    if gain.low > 0:
        return f"The student improved: {figures}."
    return f"The student may not have improved: {figures}. So few rows do not always suffice."
