"""`lion doctor`: checks of all that a run needs, one line each, with the fix of each problem.

`kill -9` can leave two of DVC's files empty or truncated, since DVC writes them in place: its table
of running processes, and dvc.lock. Only these two are repaired, and nothing else is removed.
"""

import json
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, chdir, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import click
import yaml

from lion.params import Params, load_params
from lion.runs.project import open_project
from lion.support.command_line import HELP
from lion.support.errors import LionError
from lion.support.files import replacing
from lion.support.home import project_root, store_home
from lion.support.text import visible

_GOOD = "params.yaml: all parameters are known and have allowed values"
_EMPTY = {"control": "no_control.csv", "marks": "no_marks.jsonl"}  # in lion/report/assets
_LOCK = "dvc.lock"
_FEW_BYTES = 1_000_000_000
_CONFLICT = "<<<<<<< "  # git writes it at the start of both versions
Level = Literal["OK", "error", "warning", "fixed"]


@dataclass(frozen=True)
class Finding:
    """A passed check, a problem, or a repair; a run can start despite a warning."""

    level: Level
    message: str


@click.command(context_settings=HELP)
@click.option("--fix", is_flag=True, help="Repair DVC files that a killed run left empty or cut.")
@click.option("--quick", is_flag=True, help="Check only DVC's files, parameters, store and disk.")
def doctor(fix: bool, quick: bool) -> None:
    """Check everything a run needs, and say how to fix what would make it fail.

    Checks DVC's files, params.yaml, the response store and the disk; unless --quick, also seeds
    and questions, the student (its files, template and memory), and every role by one short
    request to its model, which may cost a fraction of a cent. Prints one line for each check.
    Exits with 1 if a run would fail. `make repro` calls `lion doctor --fix --quick` first.
    """
    is_sound = True
    for finding in examine(project_root(), store_home(), fix=fix, quick=quick):
        level = finding.level[:1].upper() + finding.level[1:]
        click.echo(visible(f"{level}: {' '.join(finding.message.split())}"))
        is_sound &= finding.level != "error"
    if not is_sound:
        raise click.exceptions.Exit(1)


def examine(root: Path, home: Path, *, fix: bool, quick: bool) -> Iterator[Finding]:
    """Check the project at `root`, whose replies are in `home`."""
    files = list(dvc_files(root, fix=fix))
    yield from files
    params = None
    try:
        params = load_params(root / "params.yaml")
        yield from _project(params, root, is_readable=all(f.level != "error" for f in files))
    except LionError as error:
        yield Finding("error", error.format_message())
    yield from storage(home)
    if params is None or quick:
        return
    from lion.versions.doctor_run import data_of, roles_of, student_of

    with chdir(root):  # the parameters name files relative to it
        yield from data_of(params)
        yield from student_of(params)
        yield from roles_of(params)


def _project(params: Params, root: Path, *, is_readable: bool) -> Iterator[Finding]:
    """Check the report's files, and whether DVC can read dvc.yaml with these parameters."""
    if (tracker := params.report.track) and find_spec(tracker) is None:
        problem = f"{tracker} is not installed; run `pip install {tracker}`, or set null"
        yield Finding("warning", f"params.yaml: report.track: {problem}")
    faults = []
    for name, empty in _EMPTY.items():
        value = getattr(params.report, name)
        if value is None or not (root / value).is_file():
            problem = "DVC needs a file's name" if value is None else f"{value}: no such file"
            hint = f"for no {name} name lion/report/assets/{empty}"
            faults.append(Finding("error", f"params.yaml: report.{name}: {problem}; {hint}"))
    yield from faults or [Finding("OK", _GOOD)]
    if faults or not is_readable:
        return
    with open_project(root) as repo:
        list(repo.index.graph)


def dvc_files(root: Path, *, fix: bool) -> Iterator[Finding]:
    """Check DVC's files in the project at `root`; with `fix`, repair them."""
    tmp = root / ".dvc" / "tmp"
    is_sound = True
    for path in (tmp / "rwlock", root / _LOCK):
        if problem := _unreadable(path):
            is_sound = False
            if _CONFLICT in path.read_text("utf-8", errors="replace"):
                yield Finding("error", f"{path}: merge conflict; resolve it with git")
            elif fix:
                yield _mended(path, tmp)
            else:
                yield Finding("error", f"{path}: {problem}; run `lion doctor --fix`")
    if is_sound:
        yield Finding("OK", "DVC's files can be read")


def _unreadable(path: Path) -> str:
    """Check a file of DVC against DVC's own schema; return what is wrong, empty if nothing is."""
    from dvc.rwlock import SCHEMA
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    try:
        text = path.read_text(encoding="utf-8")
        if path.name == _LOCK:
            COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(text))
        else:
            SCHEMA(json.loads(text))
    except FileNotFoundError:
        return ""
    except (ValueError, RecursionError, yaml.YAMLError, Invalid):
        return "cut or damaged" if path.stat().st_size else "empty"
    return ""


def _mended(path: Path, tmp: Path) -> Finding:
    """Repair a file of DVC under DVC's locks, unless a running command may be writing it."""
    from dvc.lock import LockError, make_lock

    tmp.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            for guard in ("lock", "rwlock.lock"):
                held.enter_context(make_lock(str(tmp / guard), tmp_dir=str(tmp)))
        except LockError:
            return Finding("error", f"{path}: another DVC command is running; wait until it ends")
        done = _restored(path) if _unreadable(path) else "readable now"
    return Finding("fixed", f"{path}: empty or cut after a killed run; {done}")


def _restored(path: Path) -> str:
    """Replace a damaged file with git's last one, if that is valid; else remove it."""
    command = ["git", "show", f"HEAD:./{path.name}"]
    last = b""
    with suppress(FileNotFoundError):  # git need not be installed
        last = subprocess.run(command, cwd=path.parent, check=False, capture_output=True).stdout
    with replacing(path) as temporary:
        temporary.write_bytes(last)
    if not _unreadable(path):
        return "restored from git's HEAD; later stages come from DVC's cache"
    path.unlink()
    return "removed, since git's HEAD has no valid one; finished stages come from DVC's cache"


def storage(home: Path) -> Iterator[Finding]:
    """Check the response store, whether its folder is writable, and the free disk space."""
    try:
        folder = next(path for path in (home, *home.absolute().parents) if path.exists())
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        yield Finding(
            "warning", f"{home}: not writable ({reason}); only stored replies can be used"
        )
        return
    path, count = home / "replies.sqlite", 0
    if path.exists():
        try:
            with sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True) as db:
                [count] = db.execute("SELECT count(*) FROM replies").fetchone()
        except sqlite3.Error as error:
            yield Finding("error", f"{path}: {error}; run `lion store salvage`")
            return
    if (free := shutil.disk_usage(folder).free) < _FEW_BYTES:
        yield Finding("warning", f"{folder.resolve()}: {free // 10**6} MB left; free disk space")
        return
    yield Finding("OK", f"{home}: {count:,} stored replies, {free / 1e9:,.1f} GB of disk are free")
