"""The store's file: its tables, their version, how it is opened, and what its errors mean."""

import os
import secrets
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from lion.chat.types import checksum
from lion.support.errors import ChatError

PATIENCE = 90.0  # seconds to wait for another process's lock
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_READ_ONLY = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
_VERSION = 1  # user_version of the file; 0 is older than checksums
_SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (      -- running sums per caller, untouched by prune
    id INTEGER PRIMARY KEY,
    stage TEXT NOT NULL, role TEXT NOT NULL, round TEXT NOT NULL,
    endpoint TEXT NOT NULL, model TEXT NOT NULL, mode TEXT NOT NULL,
    requests INTEGER NOT NULL DEFAULT 0,
    prompt_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    saved_requests INTEGER NOT NULL DEFAULT 0,
    saved_prompt_tokens INTEGER NOT NULL DEFAULT 0,
    saved_completion_tokens INTEGER NOT NULL DEFAULT 0,
    cached_tokens INTEGER NOT NULL DEFAULT 0,        -- part of prompt_tokens
    saved_cached_tokens INTEGER NOT NULL DEFAULT 0,
    UNIQUE (stage, role, round, endpoint, model, mode)
);
CREATE TABLE IF NOT EXISTS replies (
    key BLOB PRIMARY KEY,                -- hash of the whole request
    entry INTEGER NOT NULL,              -- id in the ledger
    text TEXT NOT NULL, finish_reason TEXT NOT NULL, model TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    received REAL NOT NULL,              -- seconds since 1970
    seconds REAL NOT NULL,               -- from request to reply
    cached_tokens INTEGER NOT NULL DEFAULT 0,
    checksum BLOB                        -- of the key and the reply
);
CREATE TABLE IF NOT EXISTS claims (      -- requests in flight
    key BLOB PRIMARY KEY,
    entry INTEGER NOT NULL,
    owner TEXT NOT NULL,                 -- a presence, or batch:ID
    until REAL,                          -- null for a batch, which no process must outlive
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL  -- at most
);
"""
_ADDED = {  # columns that version 1 added, as ALTER TABLE takes them
    "replies": ("cached_tokens INTEGER NOT NULL DEFAULT 0", "checksum BLOB"),
    "ledger": (
        "cached_tokens INTEGER NOT NULL DEFAULT 0",
        "saved_cached_tokens INTEGER NOT NULL DEFAULT 0",
    ),
}


class BusyError(ChatError):
    """Another process holds the write lock."""


class DamageError(ChatError):
    """The file itself is broken."""


class Database:
    """An open store file. `frozen` says why it is read-only; empty if it is writable."""

    def __init__(self, path: Path, damaged: str) -> None:
        self.path = path
        self._damaged = damaged
        self._open()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run the block in one exclusive transaction, or in the one that is already open.

        ChatError if the file cannot be written.
        """
        if self.frozen:
            raise ChatError(
                f"{self.path}: cannot be written ({self.frozen}), so Lion sends no requests; make"
                " it writable, or move the folder and set LION_HOME to its new place"
            )
        with self.reading() as db, nullcontext() if db.in_transaction else transaction(db):
            yield db

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield the database connection; turn errors of the file into ChatError."""
        with faults(self.path, damaged=self._damaged):
            yield self._db

    def wait_at_most(self, seconds: float) -> None:
        """Set how long to wait for another process's lock."""
        self._db.execute(f"PRAGMA busy_timeout = {round(1000 * seconds)}")

    def _open(self) -> None:
        with faults(self.path, damaged=self._damaged):
            self._db, self.frozen = _opened(self.path)


def open_writable(path: Path) -> sqlite3.Connection:
    """Open the store for reading and writing, and upgrade it to this version."""
    db = connect(path)
    with ExitStack() as unless_opened:
        unless_opened.callback(db.close)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA wal_autocheckpoint = 10000")  # `Store.renew` syncs more often
        _upgrade(db, path)
        db.execute("SELECT max(rowid) FROM replies").fetchone()
        unless_opened.pop_all()
    return db


def connect(target: Path | str, *, uri: bool = False) -> sqlite3.Connection:
    """Connect to a file; a replacement character stands for each byte that is not UTF-8."""
    db = sqlite3.connect(target, timeout=PATIENCE, isolation_level=None, uri=uri)
    db.text_factory = lambda data: data.decode("utf-8", "replace")
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Run the block in one exclusive transaction."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


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
        advice = ""
        if code in _NO_ROOM:
            advice = f"; free space on the disk of {path.parent} and run again"
        elif code in _READ_ONLY:
            advice = f"; allow writing to {path.parent} and run again"
        raise ChatError(f"{path}: {error}{advice}") from error
    except OSError as error:
        name = error.filename or path
        raise ChatError(
            f"{name}: {error.strerror}; free space and allow writing there, or move the folder and"
            " set LION_HOME to its new place"
        ) from error


def version_of(db: sqlite3.Connection, path: Path) -> int:
    """Return the version of the file; ChatError if this program is too old for it."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise ChatError(
            f"{path}: a newer version of Lion wrote this store (version {version}; this one reads"
            f" up to {_VERSION}); update Lion; no request was sent"
        )
    return int(version)


def rows_of(cursor: sqlite3.Cursor) -> Iterator[dict[str, Any]]:
    """Return the rows by the names of their columns."""
    names = [column[0] for column in cursor.description]
    return (dict(zip(names, row, strict=True)) for row in cursor)


def columns_of(db: sqlite3.Connection, table: str) -> list[str]:
    """Return the names of a table's columns."""
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


def create(db: sqlite3.Connection, identity: int = 0) -> None:
    """Create the tables that are missing; `identity` distinguishes this store (0: draw one)."""
    for statement in _SCHEMA.split(";")[:-1]:
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {identity or secrets.randbelow(2**31 - 1) + 1}")
    db.execute(f"PRAGMA user_version = {_VERSION}")


def fill_checksums(db: sqlite3.Connection) -> None:
    """Add checksums to the replies of older versions."""
    db.create_function("checksum", 8, checksum, deterministic=True)
    db.execute(
        "UPDATE replies SET checksum = checksum(key, text, finish_reason, model, prompt_tokens,"
        " completion_tokens, reasoning_tokens, cached_tokens) WHERE checksum IS NULL"
    )


def _opened(path: Path) -> tuple[sqlite3.Connection, str]:
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


def _open_frozen(path: Path) -> sqlite3.Connection:
    """Open a read-only store in place; as a copy in memory if it is old or needs its log."""
    log = path.with_name(path.name + "-wal")
    has_log = log.exists() and log.stat().st_size > 0
    uri = f"{path.absolute().as_uri()}?mode=ro"
    for target in (uri, *([] if has_log else [uri + "&immutable=1"])):
        db = connect(target, uri=True)
        try:
            if version_of(db, path) < _VERSION:
                return _in_memory(db, path)
            db.execute("SELECT max(received) FROM replies").fetchone()
            return db
        except sqlite3.OperationalError:
            db.close()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for file in (path, log):
            copy.with_name(file.name).write_bytes(file.read_bytes())
        return _in_memory(connect(copy), path)


def _in_memory(disk: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    db = connect(":memory:")
    with closing(disk):
        disk.backup(db)
    _upgrade(db, path)
    return db


def _upgrade(db: sqlite3.Connection, path: Path) -> None:
    """Create a new store's tables, or add what an older one lacks, in one transaction."""
    if version_of(db, path) == _VERSION:
        return
    with transaction(db):
        if version_of(db, path) < _VERSION:  # not done by another process meanwhile
            for table, added in _ADDED.items():
                present = columns_of(db, table)
                for column in added if present else ():
                    if column.split()[0] not in present:
                        db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
            create(db)
            fill_checksums(db)


def _code_of(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
