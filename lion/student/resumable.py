"""Work that survives a kill: saved under a key, and removed once its result is written."""

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from lion.student.launch import broadcast, is_main, rank

LOCK = "in-use"
STALE = 14 * 24 * 3600  # seconds after which a folder is considered abandoned


def work_key(*parts: Any) -> str:
    """Return a hash of `parts`: everything that a result depends on."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def own_name() -> str:
    """Return a name that no other process has; a process id may be that of a killed run."""
    return f"{os.getpid()}-{secrets.token_hex(4)}"


_OWN = own_name()


def keep_line(folder: Path, value: Any) -> None:
    """Append a part of the work, as one line of JSON, to this process's file in `folder`."""
    with (folder / f"{rank()}-{_OWN}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(value) + "\n")


def kept_lines(folder: Path) -> Iterator[Any]:
    """Yield the parts that all processes have saved; a line cut by a kill is dropped."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)


class Resumable:
    """Folders of resumable work under `home`, one per key; without a home, nothing is saved.

    with Resumable(home) as resumable:
        folder = resumable.claim(work_key(...))
        ...             # work that records its progress in `folder`, then writes its result
    """

    def __init__(self, home: Path | None) -> None:
        self._home = home
        self._claimed: dict[Path, IO[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for folder, lock in self._claimed.items():
            if kind is None:
                shutil.rmtree(folder, ignore_errors=True)
            lock.close()

    def claim(self, key: str) -> Path | None:
        """Lock and return the folder of `key`; None without a home, or if another run holds it."""
        if self._home is None:
            return None
        folder: Path | None = broadcast(self._lock(self._home / key) if is_main() else None)
        return folder

    def _lock(self, folder: Path) -> Path | None:
        self._sweep(folder.parent)
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        self._claimed[folder.resolve()] = lock
        return folder.resolve()

    def _sweep(self, home: Path) -> None:
        """Remove abandoned folders."""
        for lock in home.glob(f"*/{LOCK}"):
            if time.time() - lock.stat().st_mtime > STALE:
                shutil.rmtree(lock.parent, ignore_errors=True)
