"""Checks of `lion doctor` on files: DVC's own, the response store, and the free disk space.

`kill -9` can leave two of DVC's files empty or truncated, since DVC writes them in place: its table
of running processes, and dvc.lock. Only these two are repaired, and nothing else is removed.
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

import yaml

from lion.support.files import replacing

_LOCK = "dvc.lock"
_FEW_BYTES = 1_000_000_000
_CONFLICT = "<<<<<<< "  # git writes it at the start of both versions
Level = Literal["OK", "error", "warning", "fixed"]


@dataclass(frozen=True)
class Finding:
    """A passed check, a problem, or a repair; a run can start despite a warning."""

    level: Level
    message: str


def dvc_files(root: Path, *, fix: bool) -> Iterator[Finding]:
    """Check DVC's files in the project at `root`; with `fix`, repair them."""
    tmp = root / ".dvc" / "tmp"
    fixes: dict[Path, Callable[[Path], str]] = {tmp / "rwlock": _remove, root / _LOCK: _restore}
    is_sound = True
    for path, mend in fixes.items():
        if problem := _unreadable(path):
            is_sound = False
            if path.name == _LOCK and _CONFLICT in path.read_text("utf-8", errors="replace"):
                yield Finding("error", f"{path}: merge conflict; resolve it with git")
            elif fix:
                yield _mended(path, tmp, mend)
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


def _mended(path: Path, tmp: Path, mend: Callable[[Path], str]) -> Finding:
    """Repair a file of DVC under DVC's locks, unless a running command may be writing it."""
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
    """Replace a damaged dvc.lock with git's last one, or remove it; DVC's cache has the rest."""
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
