"""Where replies and limits are kept, and how a process shows that it is alive."""

import fcntl
import os
import uuid
from pathlib import Path
from typing import Self


def machine_home() -> Path:
    """Folder of what all projects of this user share on this machine: the pace of endpoints."""
    own = os.environ.get("LION_HOME")
    cache = os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else Path(cache or Path.home() / ".cache") / "lion"


class Presence:
    """A locked file that shows that this process is alive.

    The system drops the lock when the process ends in whatever way, `kill -9` included, so nobody
    waits for the dead. `name` is the file's path.
    """

    def __init__(self, home: Path) -> None:
        folder = home.resolve() / "alive"
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self.name = str(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)
        self._file.close()


def is_alive(name: str) -> bool:
    """Whether the process that made the presence `name` still runs; clears away a dead one."""
    path = Path(name)
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
