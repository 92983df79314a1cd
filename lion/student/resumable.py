"""Work that survives a kill: saved under a key, and removed once its result is written."""

import fcntl
import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import IO, Any, Self

from lion.student.launch import broadcast, gather, is_main, rank, world_size
from lion.support.progress import Progress

LOCK = "in-use"
STALE = 14 * 24 * 3600  # seconds after which a folder is considered abandoned
_OWN = secrets.token_hex(8)  # names this process's files; its id may be that of a killed run
Results = list[tuple[int, Any]]  # rows with values that JSON can hold


def work_key(*parts: Any) -> str:
    """Return a hash of `parts`: everything that a result depends on."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


class Resumable:
    """Folders of resumable work under `home`, one per key.

    with Resumable(home) as resumable:
        folder = resumable.claim(work_key(...))
        ...             # work that records its progress in `folder`, then writes its result
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._claimed: dict[Path, IO[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for folder, lock in self._claimed.items():
            if kind is None:
                shutil.rmtree(folder, ignore_errors=True)
            lock.close()

    def claim(self, key: str) -> Path | None:
        """Lock and return the folder of `key` in the main process; None if another run holds it."""
        folder: Path | None = broadcast(self._lock(self._home / key) if is_main() else None)
        return folder

    def _lock(self, folder: Path) -> Path | None:
        for lock_file in self._home.glob(f"*/{LOCK}"):
            if time.time() - lock_file.stat().st_mtime > STALE:
                shutil.rmtree(lock_file.parent, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        self._claimed[folder.resolve()] = lock
        return folder.resolve()


def shared_work(
    plan: Sequence[list[int]],
    compute: Callable[[list[list[int]]], Iterable[Results]],
    *,
    resumable: Resumable | None,
    key: Callable[[], str],
    label: str,
    unit: str,
) -> dict[int, Any]:
    """Return the results of all rows in `plan`, of which each process computes a share.

    `plan` has the groups of rows that `compute` does at once. A run that was killed with the same
    `key` resumes after the last results that its processes had computed.
    """
    folder = resumable.claim(key()) if resumable else None
    done = broadcast(dict(chain.from_iterable(kept_lines(folder))) if folder and is_main() else {})
    left = [rows for rows in plan[rank() :: world_size()] if rows[0] not in done]
    made: Results = list(done.items()) if is_main() else []
    bar = Progress(sum(map(len, left)), label, unit=unit) if is_main() else None
    with bar or nullcontext():
        for results in compute(left):
            made += results
            if folder:
                keep_line(folder, results)
            if bar:
                bar.advance(len(results))
    return dict(gather(made))


def keep_line(folder: Path, value: Any) -> None:
    """Append `value`, as one line of JSON, to this process's file in `folder`."""
    with (folder / f"{_OWN}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(value) + "\n")


def kept_lines(folder: Path) -> Iterator[Any]:
    """Yield the values that all processes have saved; a line cut by a kill is dropped."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)
