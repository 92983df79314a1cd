"""`lion doctor`: what keeps a project from running, one line each with its fix.

`kill -9` can leave two of DVC's files empty or cut, since DVC writes them in place: its table of
running processes, and dvc.lock. Only these are mended. Nothing else that a person or a run wrote
is ever removed here.
"""

import json
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click
import yaml

from lion.params import load_params
from lion.support.command_line import HELP
from lion.support.errors import LionError
from lion.support.files import replacing
from lion.support.home import project_root, store_home

_LOCK = "dvc.lock"
_FEW_BYTES = 1_000_000_000
_CONFLICT = "<<<<<<< "  # git writes it at the start of both versions
_NO_CONTROL = "DVC needs a file's name; for no control name lion/report/assets/no_control.csv"
Level = Literal["error", "warning", "fixed"]


@dataclass(frozen=True)
class Finding:
    """A problem, or a repair that was made; a warning does not stop a run."""

    level: Level
    message: str


@click.command(context_settings=HELP)
@click.option("--fix", is_flag=True, help="Mend DVC files that a killed run left empty or cut.")
def doctor(fix: bool) -> None:
    """Check what would keep the project from running, and say how to fix it.

    Checks DVC's lock files, params.yaml, the response store, its folder and the free disk space.
    Exits with 1 if a run would fail. `make repro` calls `lion doctor --fix` first.
    """
    findings = list(examine(project_root(), store_home(), fix=fix))
    for finding in findings:
        click.echo(f"{finding.level.capitalize()}: {finding.message}", err=True)
    if any(finding.level == "error" for finding in findings):
        raise click.exceptions.Exit(1)


def examine(root: Path, home: Path, *, fix: bool) -> Iterator[Finding]:
    """Yield what is wrong in the project at `root`, whose replies are in `home`."""
    tmp = root / ".dvc" / "tmp"
    fixes: dict[Path, Callable[[Path], str]] = {tmp / "rwlock": _remove, root / _LOCK: _restore}
    for path, mend in fixes.items():
        if problem := _unreadable(path):
            if path.name == _LOCK and _CONFLICT in path.read_text("utf-8", errors="replace"):
                yield Finding("error", f"{path}: merge conflict; resolve it with git")
            elif fix:
                yield _mended(path, tmp, mend)
            else:
                yield Finding("error", f"{path}: {problem}; run `lion doctor --fix`")
    try:
        if load_params(root / "params.yaml").report.control is None:
            yield Finding("error", f"params.yaml: report.control: {_NO_CONTROL}")
    except LionError as error:
        yield Finding("error", error.format_message())
    yield from _storage(home)


def _unreadable(path: Path) -> str:
    """Say what is wrong with a file of DVC, or nothing; DVC's own schemas decide."""
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


def _mended(path: Path, tmp: Path, mend: Callable[[Path], str]) -> Finding:
    """Mend a file of DVC under DVC's own locks, unless a running command may be writing it."""
    from dvc.lock import LockError, make_lock

    tmp.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            for guard in ("lock", "rwlock.lock"):
                held.enter_context(make_lock(str(tmp / guard), tmp_dir=str(tmp)))
        except LockError:
            return Finding("error", f"{path}: another DVC command is running; wait until it ends")
        done = mend(path) if _unreadable(path) else "readable now"
    return Finding("fixed", f"{path}: empty or cut after a killed run; {done}")


def _remove(path: Path) -> str:
    path.unlink()
    return "removed"


def _restore(path: Path) -> str:
    """Put git's last dvc.lock in place of a cut one, or none; DVC's run cache knows the rest."""
    command = ["git", "show", f"HEAD:./{path.name}"]
    shown = subprocess.run(command, cwd=path.parent, check=False, capture_output=True)
    if shown.returncode or not shown.stdout:
        path.unlink()
        return "removed; finished stages come from DVC's cache"
    with replacing(path) as temporary:
        temporary.write_bytes(shown.stdout)
    if not _unreadable(path):
        return "restored from git's HEAD; later stages come from DVC's cache"
    path.unlink()
    return "removed, since git's HEAD has no valid one; finished stages come from DVC's cache"


def _storage(home: Path) -> Iterator[Finding]:
    """Check the response store, whether its folder takes files, and the disk."""
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
    path = home / "replies.sqlite"
    if path.exists():
        try:
            with sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True) as db:
                db.execute("SELECT count(*) FROM (SELECT key FROM replies LIMIT 1)").fetchone()
        except sqlite3.Error as error:
            yield Finding("error", f"{path}: {error}; run `lion store salvage`")
    if (free := shutil.disk_usage(folder).free) < _FEW_BYTES:
        yield Finding("warning", f"{folder.resolve()}: {free // 10**6} MB left; free disk space")
