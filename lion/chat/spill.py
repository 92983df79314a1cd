"""Fallback files for replies that arrived while the store could not be written."""

import fcntl
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lion.chat.types import Caller, Reply
from lion.support.home import user_cache


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A request that has a cost, and its reply; without one, `most` bounds the tokens."""

    caller: Caller
    key: str = ""  # in hex digits
    reply: Reply | None = None
    most: tuple[int, int] = (0, 0)
    received: float = field(default_factory=time.time)
    seconds: float = 0.0


_LINE = TypeAdapter(Arrival)


class Spill:
    """Files of arrivals, created on demand: beside the store, else in the cache, else in tmp.

    A file is locked while its process lives; then any process with the same store takes it over.
    """

    def __init__(self, home: Path, identity: int) -> None:
        """`identity` is the store's own number, which does not depend on its path."""
        self._folders = (home, user_cache(), Path(tempfile.gettempdir()))
        self._stem = f"lion-replies-{identity:08x}-"
        self._files: list[tuple[Path, FileIO]] = []

    def write(self, arrival: Arrival) -> bool:
        """Append a line to the first file that can be written; False if none can."""
        line = _LINE.dump_json(arrival) + b"\n"
        return any(_appended(file, line) for file in self._opened())

    def _opened(self) -> Iterator[FileIO]:
        """Yield the open files, then one in each folder that has none yet."""
        yield from [file for _, file in self._files]
        for folder in self._folders[len(self._files) :]:
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / f"{self._stem}{uuid.uuid4().hex[:8]}.jsonl"
                file = FileIO(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "r+b")
                self._files.append((path, file))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield file

    def clear(self) -> None:
        """Remove the files once the store has all of their replies."""
        for path, file in self._files:
            path.unlink(missing_ok=True)
            file.close()
        self._files.clear()

    def close(self) -> list[Path]:
        """Leave the files to a later process; return those that are not empty."""
        left = [path for path, file in self._files if os.fstat(file.fileno()).st_size]
        for _, file in self._files:
            file.close()
        self._files.clear()
        return left

    @contextmanager
    def left(self) -> Iterator[list[Arrival]]:
        """Yield the arrivals of ended processes; remove their files if the block succeeds."""
        with ExitStack() as files:
            taken = [path for path in self._abandoned() if _is_free(path, files)]
            yield [arrival for path in taken for arrival in _arrivals(path.read_bytes())]
            for path in taken:
                path.unlink(missing_ok=True)

    def _abandoned(self) -> Iterator[Path]:
        own = {path for path, _ in self._files}
        for folder in dict.fromkeys(self._folders):
            for path in folder.glob(f"{self._stem}*.jsonl"):
                if path not in own and path.lstat().st_uid == os.geteuid():
                    yield path


def _is_free(path: Path, files: ExitStack) -> bool:
    """Lock `path` until `files` is closed; False if its process lives, or the file is gone."""
    try:
        file = files.enter_context(path.open("rb"))
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return path.exists()


def _arrivals(content: bytes) -> list[Arrival]:
    """Read the whole lines of a file; the last one may be cut."""
    arrivals = []
    for line in content.splitlines():
        with suppress(ValidationError):
            arrivals.append(_LINE.validate_json(line))
    return arrivals


def _appended(file: FileIO, line: bytes) -> bool:
    """Append `line` whole or not at all."""
    size = os.fstat(file.fileno()).st_size
    try:
        file.seek(size)
        if file.write(line) == len(line):
            os.fsync(file.fileno())
            return True
    except OSError:
        pass  # no room, as with a short write
    with suppress(OSError):
        file.truncate(size)
    return False
