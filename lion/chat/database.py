"""The store's SQLite file: its tables, its version, and how it is opened."""

import os
import secrets
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lion.chat.faults import NO_ROOM, READ_ONLY, code_of, faults
from lion.chat.types import checksum
from lion.support.errors import ChatError

VERSION = 1  # user_version of the file; 0 is older than checksums
PATIENCE = 90.0  # seconds to wait for another process's lock

SCHEMA = """
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
_ADDED = {  # by version 1, in the words of ALTER TABLE
    "replies": ("cached_tokens INTEGER NOT NULL DEFAULT 0", "checksum BLOB"),
    "ledger": (
        "cached_tokens INTEGER NOT NULL DEFAULT 0",
        "saved_cached_tokens INTEGER NOT NULL DEFAULT 0",
    ),
}


class Database:
    """An open store file. `frozen` says why it cannot be written, if so."""

    def __init__(self, path: Path, damaged: str) -> None:
        self.path = path
        self._damaged = damaged
        with self._faults():
            self._db, self.frozen = open_database(path)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run one exclusive transaction; ChatError where the file fails."""
        if self.frozen:
            raise ChatError(
                f"{self.path}: replies could not be kept here ({self.frozen}), so none is"
                " requested; allow writing, or move the folder and set LION_HOME to its new place"
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
        """Give the database; ChatError where the file fails."""
        with self._faults():
            yield self._db

    def wait_at_most(self, seconds: float) -> None:
        """Wait so long for locks of other processes."""
        self._db.execute(f"PRAGMA busy_timeout = {round(1000 * seconds)}")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        with faults(self.path, damaged=self._damaged):
            yield


def open_database(path: Path) -> tuple[sqlite3.Connection, str]:
    """Open the store, a new one if there is none; also say why it is read-only, or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            return _open_frozen(path), "read-only"
        return open_writable(path), ""
    except sqlite3.Error as error:
        if code_of(error) in NO_ROOM | READ_ONLY and path.exists():
            return _open_frozen(path), str(error)
        raise


def open_writable(path: Path) -> sqlite3.Connection:
    """Open the store for reading and writing, and bring it to this version."""
    db = connect(path)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA wal_autocheckpoint = 10000")  # `Store.renew` syncs more often
        if version_of(db, path) < VERSION:
            _upgrade(db)
        db.execute("SELECT max(rowid) FROM replies").fetchone()
        return db
    except BaseException:
        db.close()
        raise


def connect(target: Path | str, *, uri: bool = False) -> sqlite3.Connection:
    """Connect to a file; a text with a broken byte is read with a mark in its place."""
    db = sqlite3.connect(target, timeout=PATIENCE, isolation_level=None, uri=uri)
    db.text_factory = lambda data: data.decode("utf-8", "replace")
    return db


def version_of(db: sqlite3.Connection, path: Path) -> int:
    """Return the version of the file; ChatError if this program is too old for it."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise ChatError(
            f"{path}: a newer version of Lion wrote this store (version {version}, known up to"
            f" {VERSION}); update Lion, nothing was requested"
        )
    return int(version)


def columns_of(db: sqlite3.Connection, table: str) -> list[str]:
    """Return the names of a table's columns."""
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


def create(db: sqlite3.Connection, identity: int = 0) -> None:
    """Create the tables that are missing; `identity` tells this store from others."""
    for statement in SCHEMA.split(";")[:-1]:
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {identity or secrets.randbelow(2**31 - 1) + 1}")
    db.execute(f"PRAGMA user_version = {VERSION}")


def fill_checksums(db: sqlite3.Connection) -> None:
    """Give replies of older versions their checksum."""
    db.create_function("checksum", 8, checksum, deterministic=True)
    db.execute(
        "UPDATE replies SET checksum = checksum(key, text, finish_reason, model, prompt_tokens,"
        " completion_tokens, reasoning_tokens, cached_tokens) WHERE checksum IS NULL"
    )


def _upgrade(db: sqlite3.Connection) -> None:
    """Create a new store's tables, or add what older ones lack, in one transaction."""
    db.execute("BEGIN IMMEDIATE")
    try:
        if db.execute("PRAGMA user_version").fetchone()[0] < VERSION:  # not done by another process
            for table, added in _ADDED.items():
                present = columns_of(db, table)
                for column in added if present else ():
                    if column.split()[0] not in present:
                        db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
            create(db)
            fill_checksums(db)
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _open_frozen(path: Path) -> sqlite3.Connection:
    """Open a store that cannot be written: by its log, without one, or as a copy."""
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
    """Check the version; an older store gets what it lacks in a temporary view of its tables."""
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
