"""The stages that `dvc repro` would run, including dependent ones, by DVC's graph and status."""

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

import click
import networkx as nx
from dvc.exceptions import DvcException
from dvc.fs import LocalFileSystem
from dvc.repo import Repo
from dvc.stage import PipelineStage, Stage
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import apply_overrides

from lion.params import Params, load_params
from lion.runs.project import one_line, open_project
from lion.runs.revision import storage_exceptions
from lion.support.errors import InputError, ParamsError
from lion.versions.code import digest_file, stage_names

_CODE = "code"  # the stage that writes the code digests; others rerun only if their digest changes


@dataclass(frozen=True)
class Step:
    """A stage that would run. `changed` names the causes; empty if only its inputs would change."""

    name: str  # DVC's: teach@r1
    word: str  # teach
    round: str  # r1; eval for the questions
    changed: tuple[str, ...]

    @classmethod
    def of(cls, name: str, changed: tuple[str, ...]) -> "Step":
        """Return the step of a stage by DVC's name for it."""
        round = "eval" if name == "teach-questions" else name.partition("@")[2]
        return cls(name, re.split("[-@]", name)[0], round, changed)


@dataclass(frozen=True)
class Plan:
    """The steps in order of execution, with the parameters that they would read.

    `lost` are the paths of recorded outputs that neither the cache nor the default remote has.
    """

    params: Params
    steps: list[Step]
    unchanged: int
    lost: frozenset[str] = frozenset()


def plan_of(root: Path, overrides: Sequence[str]) -> Plan:
    """Return the plan with `overrides`, which have the form of `dvc exp run -S`."""
    with _overlaid(root / "params.yaml", overrides) as file:
        try:
            params = load_params(file)
        except ParamsError as error:
            named = " -S ".join(["params.yaml", *overrides])
            raise ParamsError(error.message.replace(str(file), named)) from None
        files = _Overlay(root / "params.yaml", file)
        with open_project(root, files) as repo, repo.lock:
            graph = repo.index.graph
            digests = _code_digests(root, graph)
            lost = _lost_outputs(repo)
            why = {stage: _changes(stage, graph, digests, lost) for stage in graph}
    code = {stage for stage in graph if stage.addressing == _CODE}
    direct = {stage for stage, changes in why.items() if changes}
    reached = direct.union(*(nx.ancestors(graph, stage) for stage in direct - code))
    ordered = [stage for stage in nx.dfs_postorder_nodes(graph) if stage in reached]
    steps = [Step.of(str(stage.addressing), why[stage]) for stage in ordered]
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
        for other, values in to_path_overrides(overrides).items():
            if other != path.name:
                raise InputError(f"-S {other}:{values[0]}: only {path.name} has parameters.")
            try:
                apply_overrides(copy, values)
            except DvcException as error:
                problem = one_line(error.__cause__ or error)
                raise InputError(f"-S {' -S '.join(overrides)}: {problem}") from None
        yield copy


def _code_digests(root: Path, graph: nx.DiGraph) -> dict[str, str]:
    """Return the MD5 of each digest file that the stage `code` would write now, by path."""
    folders = [str(out) for stage in graph if stage.addressing == _CODE for out in stage.outs]
    return {
        f"{folder}/{name}": hashlib.md5(digest_file(root, name), usedforsecurity=False).hexdigest()
        for folder in folders
        for name in stage_names(root)
    }


def _changes(
    stage: Stage, graph: nx.DiGraph, digests: dict[str, str], lost: frozenset[str]
) -> tuple[str, ...]:
    """Return why DVC would run a stage; empty if it would not.

    A missing output is no reason if the cache has it, since DVC then checks it out, or if the
    default remote has it, since `--pull` then fetches it. The same holds for a missing dependency
    that another stage makes.
    """
    if not isinstance(stage, PipelineStage) or stage.frozen:
        return ()
    if not any(file.hash_info for file in (*stage.deps, *stage.outs)):
        return ("never ran",)
    absent = [str(o) for before in graph.successors(stage) for o in before.outs if not o.exists]
    changes = [
        str(dep)
        for dep in stage.deps
        if str(dep) in digests and dep.hash_info.value != digests[str(dep)]
    ]
    for entry in stage.status(check_updates=False).get(stage.addressing, []):
        if not isinstance(entry, dict):
            changes.append("command")
            continue
        for name, state in entry.get("changed deps", {}).items():
            if isinstance(state, dict):  # parameters
                changes += map(str, state)
            elif name not in digests and not any(_holds(name, out) for out in absent):
                changes.append(str(name))
    # `code` runs in a second, and its digests are known.
    is_lost = stage.addressing != _CODE and any(str(out) in lost for out in stage.outs)
    return (*changes, *["results not in cache"] * is_lost)


def _holds(dependency: str, out: str) -> bool:
    return out == dependency or out.startswith(f"{dependency}/") or dependency.startswith(f"{out}/")


def _lost_outputs(repo: Repo) -> frozenset[str]:
    """Return the paths of recorded outputs that neither the cache nor the default remote has.

    A remote that cannot be read counts as empty, as in `dvc repro --pull`.
    """
    recorded = [out for stage in repo.index.graph for out in stage.outs if out.hash_info]
    outs = [out for out in recorded if out.use_cache and out.changed_cache()]
    there: set[str] = set()
    if outs and repo.config["core"].get("remote"):
        there = _hashes_in_remote(repo, {out.hash_info.value for out in outs})
    return frozenset(str(out) for out in outs if out.hash_info.value not in there)


def _hashes_in_remote(repo: Repo, hashes: set[str]) -> set[str]:
    """Return those of `hashes` that the default remote has."""
    remote = repo.cloud.get_remote()
    if remote.fs.version_aware or remote.worktree:
        return hashes  # it cannot be searched by hash
    first, *rest = sorted(hashes)  # one alone, to learn whether the remote can be reached
    try:
        return {
            found
            for some in ([first], rest)
            for found in remote.odb.list_oids_exists(some, jobs=remote.fs.jobs)
        }
    except DvcException:
        raise
    except storage_exceptions() as error:
        click.echo(
            f"The default remote cannot be read, and counts as empty: {one_line(error)}", err=True
        )
        return set()
