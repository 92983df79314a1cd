"""Opening SQLite files, and turning their errors into one line that says what to do."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lion.chat.schema import VERSION, columns_of, upgrade, version_of
from lion.support.errors import ChatError

PATIENCE = 90.0  # seconds to wait for another process's lock
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_READ_ONLY = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}


class BusyError(ChatError):
    """Another process holds the write lock."""


class DamageError(ChatError):
    """The file itself is broken."""


class Database:
    """An open store file. `frozen` says why it is read-only; empty if it is writable."""

    def __init__(self, path: Path, damaged: str) -> None:
        self.path = path
        self._damaged = damaged
        with self._faults():
            self._db, self.frozen = open_database(path)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run the block in one exclusive transaction; ChatError if the file cannot be written."""
        if self.frozen:
            raise ChatError(
                f"{self.path}: cannot be written ({self.frozen}), so Lion sends no requests; make"
                " it writable, or move the folder and set LION_HOME to its new place"
            )
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield the database connection; turn errors of the file into ChatError."""
        with self._faults():
            yield self._db

    def wait_at_most(self, seconds: float) -> None:
        """Set how long to wait for another process's lock."""
        self._db.execute(f"PRAGMA busy_timeout = {round(1000 * seconds)}")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        with faults(self.path, damaged=self._damaged):
            yield


def open_database(path: Path) -> tuple[sqlite3.Connection, str]:
    """Open or create the store; also return why it is read-only, empty if it is not."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            return _open_frozen(path), "read-only"
        return open_writable(path), ""
    except sqlite3.Error as error:
        if _code_of(error) in _NO_ROOM | _READ_ONLY and path.exists():
            return _open_frozen(path), str(error)
        raise


def open_writable(path: Path) -> sqlite3.Connection:
    """Open the store for reading and writing, and upgrade it to this version."""
    db = connect(path)
    with ExitStack() as unless_opened:
        unless_opened.callback(db.close)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA wal_autocheckpoint = 10000")  # `Store.renew` syncs more often
        if version_of(db, path) < VERSION:
            upgrade(db)
        db.execute("SELECT max(rowid) FROM replies").fetchone()
        unless_opened.pop_all()
    return db


def connect(target: Path | str, *, uri: bool = False) -> sqlite3.Connection:
    """Connect to a file; a replacement character stands for each byte that is not UTF-8."""
    db = sqlite3.connect(target, timeout=PATIENCE, isolation_level=None, uri=uri)
    db.text_factory = lambda data: data.decode("utf-8", "replace")
    return db


def _open_frozen(path: Path) -> sqlite3.Connection:
    """Open a read-only store: with its write-ahead log, without one, or as a copy in memory."""
    log = path.with_name(path.name + "-wal")
    has_log = log.exists() and log.stat().st_size > 0
    uri = f"{path.absolute().as_uri()}?mode=ro"
    for target in (uri, *([] if has_log else [uri + "&immutable=1"])):
        db = connect(target, uri=True)
        try:
            return _readable(db, path)
        except sqlite3.OperationalError:
            db.close()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for file in (path, log):
            copy.with_name(file.name).write_bytes(file.read_bytes())
        db = connect(":memory:")
        disk = connect(copy)
        disk.backup(db)
        disk.close()
        return _readable(db, path)


def _readable(db: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Check the version; temporary views add the columns that an older store lacks."""
    if version_of(db, path) < VERSION and "checksum" not in columns_of(db, "replies"):
        db.execute(
            "CREATE TEMP VIEW replies AS SELECT *, 0 AS cached_tokens, NULL AS checksum"
            " FROM main.replies"
        )
        db.execute(
            "CREATE TEMP VIEW ledger AS SELECT *, 0 AS cached_tokens, 0 AS saved_cached_tokens"
            " FROM main.ledger"
        )
    db.execute("SELECT max(received) FROM replies").fetchone()
    return db


@contextmanager
def faults(path: Path, *, damaged: str) -> Iterator[None]:
    """Turn errors of the file at `path` into a ChatError that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        code = _code_of(error)
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
    if code in _NO_ROOM:
        return f"; free space on the disk of {path.parent} and run again"
    if code in _READ_ONLY:
        return f"; allow writing to {path.parent} and run again"
    return ""


def _code_of(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
