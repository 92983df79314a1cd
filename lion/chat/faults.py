"""Errors of SQLite and of the disk as one line that says what to do."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lion.support.errors import ChatError

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
READ_ONLY = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}


class BusyError(ChatError):
    """Another process holds the write lock."""


class DamageError(ChatError):
    """The file itself is broken."""


@contextmanager
def faults(path: Path, *, damaged: str) -> Iterator[None]:
    """Turn errors of the file at `path` into a ChatError that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        code = code_of(error)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise BusyError(f"{path}: another process holds its lock; end it and retry") from error
        if code in _DAMAGE:
            raise DamageError(f"{path}: {error}; {damaged}") from error
        raise ChatError(f"{path}: {error}{_advice(code, path)}") from error
    except OSError as error:
        name = error.filename or path
        raise ChatError(
            f"{name}: {error.strerror}; free space and allow writing there, or move the folder and"
            " set LION_HOME to its new place"
        ) from error


def _advice(code: int, path: Path) -> str:
    if code in NO_ROOM:
        return f"; free space on the disk of {path.parent} and run again"
    if code in READ_ONLY:
        return f"; allow writing to {path.parent} and run again"
    return ""


def code_of(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
