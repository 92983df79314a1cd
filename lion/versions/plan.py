"""The stages that `dvc repro` would run, including dependent stages.

The plan comes from DVC's own graph and status; overrides apply to a copy of params.yaml.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import networkx as nx
from dvc.exceptions import DvcException
from dvc.fs import LocalFileSystem
from dvc.stage import PipelineStage, Stage
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import apply_overrides

from lion.params import Params, load_params
from lion.runs.project import one_line, open_project
from lion.support.errors import InputError, ParamsError
from lion.versions.code import digest_file, stage_names
from lion.versions.remote import lost_outputs

_CODE = "code"  # the stage that writes the code digests; others rerun only if their digest changes


@dataclass(frozen=True)
class Step:
    """A stage that would run. `changed` names the causes; empty if only its inputs would change."""

    name: str  # DVC's: teach@r1
    word: str  # teach
    round: str  # r1; eval for the questions
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The steps in order of execution, with the parameters that they would read.

    `lost` are the paths of recorded outputs that neither the cache nor the default remote has.
    """

    params: Params
    steps: list[Step]
    unchanged: int
    lost: frozenset[str] = frozenset()


def plan(root: Path, overrides: Sequence[str]) -> Plan:
    """Return the plan with `overrides`, which have the form of `dvc exp run -S`."""
    with _overlaid(root / "params.yaml", overrides) as file:
        params = _checked(file, overrides)
        files = _Overlay(root / "params.yaml", file)
        with open_project(root, files) as repo, repo.lock:
            graph = repo.index.graph
            digests = _code_digests(root, graph)
            lost = lost_outputs(repo)
            why = {stage: _changes(stage, graph, digests, lost) for stage in graph}
    code = {stage for stage in graph if stage.addressing == _CODE}
    direct = {stage for stage, changes in why.items() if changes}
    reached = direct.union(*(nx.ancestors(graph, stage) for stage in direct - code))
    ordered = [stage for stage in nx.dfs_postorder_nodes(graph) if stage in reached]
    steps = [_step(stage, why[stage]) for stage in ordered]
    return Plan(params, steps, len(graph) - len(steps), lost)


class _Overlay(LocalFileSystem):  # type: ignore[misc]
    """The local file system, with the content of one file replaced."""

    def __init__(self, path: Path, content: Path) -> None:
        super().__init__()
        self._path, self._content = str(path), str(content)

    def open(self, path: str, mode: str = "r", **options: Any) -> IO[Any]:
        wanted = self._content if os.path.abspath(path) == self._path else path  # noqa: PTH100
        opened: IO[Any] = super().open(wanted, mode, **options)
        return opened


@contextmanager
def _overlaid(path: Path, overrides: Sequence[str]) -> Iterator[Path]:
    """Yield a copy of the parameters with `overrides` applied; InputError if one is invalid."""
    if not path.exists():
        raise InputError(f"{path}: no such file. Run this command in a folder of the project.")
    with tempfile.TemporaryDirectory(prefix="lion-") as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        if overrides:
            try:
                apply_overrides(copy, _own(path.name, overrides))
            except DvcException as error:
                problem = one_line(error.__cause__ or error)
                raise InputError(f"-S {' -S '.join(overrides)}: {problem}") from None
        yield copy


def _own(name: str, overrides: Sequence[str]) -> list[str]:
    """Return the overrides without their optional file name, which must be `name`."""
    by_file: dict[str, list[str]] = to_path_overrides(overrides)
    for other in by_file.keys() - {name}:
        raise InputError(f"-S {other}:{by_file[other][0]}: only {name} has parameters.")
    return by_file[name]


def _checked(file: Path, overrides: Sequence[str]) -> Params:
    try:
        return load_params(file)
    except ParamsError as error:
        named = " ".join(["params.yaml", *(f"-S {override}" for override in overrides)])
        raise ParamsError(error.message.replace(str(file), named)) from None


def _code_digests(root: Path, graph: nx.DiGraph) -> dict[str, str]:
    """Return the MD5 of each digest file that the stage `code` would write now, by path."""
    folders = [str(out) for stage in graph if stage.addressing == _CODE for out in stage.outs]
    contents = {name: digest_file(root, name) for name in stage_names(root) if folders}
    return {
        f"{folder}/{name}": hashlib.md5(content, usedforsecurity=False).hexdigest()
        for folder in folders
        for name, content in contents.items()
    }


def _changes(
    stage: Stage, graph: nx.DiGraph, digests: dict[str, str], lost: frozenset[str]
) -> tuple[str, ...]:
    """Return why DVC would run a stage; empty if it would not.

    A missing output is no reason if the cache has it, since DVC then checks it out, or if the
    default remote has it, since `--pull` then fetches it.
    """
    if not isinstance(stage, PipelineStage) or stage.frozen:
        return ()
    if not any(file.hash_info for file in (*stage.deps, *stage.outs)):
        return ("never ran",)
    made = {str(out): out.exists for before in graph.successors(stage) for out in before.outs}
    changes = [
        str(dep)
        for dep in stage.deps
        if str(dep) in digests and dep.hash_info.value != digests[str(dep)]
    ]
    for entry in stage.status(check_updates=False).get(stage.addressing, []):
        if not isinstance(entry, dict):
            changes.append("command")
            continue
        changes += _changed_deps(entry.get("changed deps", {}), made, digests)
    # `code` runs in a second, and its digests are known.
    is_lost = stage.addressing != _CODE and any(str(out) in lost for out in stage.outs)
    changes += ["results not in cache"] * is_lost
    return tuple(changes)


def _changed_deps(
    states: dict[str, Any], made: dict[str, bool], digests: dict[str, str]
) -> list[str]:
    """Return the changed dependencies and parameters of a stage.

    `made` says which outputs of earlier stages exist. A missing one does not count as a change,
    since DVC checks it out first.
    """
    changes = []
    for name, state in states.items():
        if isinstance(state, dict):  # parameters
            changes += [str(key) for key in state]
        elif name not in digests and not any(
            _holds(name, out) and not there for out, there in made.items()
        ):
            changes.append(str(name))
    return changes


def _holds(dependency: str, out: str) -> bool:
    return out == dependency or out.startswith(f"{dependency}/") or dependency.startswith(f"{out}/")


def _step(stage: Stage, changed: tuple[str, ...]) -> Step:
    name = str(stage.addressing)
    round = "eval" if name == "teach-questions" else name.partition("@")[2]
    return Step(name, re.split("[-@]", name)[0], round, changed)
