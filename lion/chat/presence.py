"""Lock files by which processes show each other that they are running."""

import fcntl
import os
import uuid
from pathlib import Path
from typing import Self

_FOLDER = "alive"


class Presence:
    """A locked file beside a shared database; `name` identifies its process there.

    The system releases the lock when the process ends, also after `kill -9`. The name has no
    folder, since a container may see the same files under another path.
    """

    def __init__(self, home: Path) -> None:
        folder = home / _FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        self.name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._path = folder / self.name
        while True:
            self._file = self._path.open("w")
            fcntl.flock(self._file, fcntl.LOCK_EX)
            if self._path.exists():  # nobody removed it before it was locked
                break
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)
        self._file.close()


def is_alive(home: Path, name: str) -> bool:
    """Return whether the process of presence `name` in `home` still runs; remove a dead one's file.

    A stopped process (SIGSTOP) counts as alive: it will continue with its requests.
    """
    path = home / _FOLDER / name
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def others_alive(home: Path, own: str = "") -> list[str]:
    """Return the names of all living processes in `home` other than `own`."""
    names = [path.name for path in (home / _FOLDER).glob("*") if path.name != own]
    return [name for name in sorted(names) if is_alive(home, name)]
