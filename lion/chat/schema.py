"""The store's tables, their version, and the upgrade of older stores."""

import secrets
import sqlite3
from pathlib import Path

from lion.chat.types import checksum
from lion.support.errors import ChatError

VERSION = 1  # user_version of the file; 0 is older than checksums

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
_ADDED = {  # columns that version 1 added, as ALTER TABLE takes them
    "replies": ("cached_tokens INTEGER NOT NULL DEFAULT 0", "checksum BLOB"),
    "ledger": (
        "cached_tokens INTEGER NOT NULL DEFAULT 0",
        "saved_cached_tokens INTEGER NOT NULL DEFAULT 0",
    ),
}


def version_of(db: sqlite3.Connection, path: Path) -> int:
    """Return the version of the file; ChatError if this program is too old for it."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise ChatError(
            f"{path}: a newer version of Lion wrote this store (version {version}; this one reads"
            f" up to {VERSION}); update Lion; no request was sent"
        )
    return int(version)


def columns_of(db: sqlite3.Connection, table: str) -> list[str]:
    """Return the names of a table's columns."""
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


def create(db: sqlite3.Connection, identity: int = 0) -> None:
    """Create the tables that are missing; `identity` distinguishes this store (0: draw one)."""
    for statement in SCHEMA.split(";")[:-1]:
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {identity or secrets.randbelow(2**31 - 1) + 1}")
    db.execute(f"PRAGMA user_version = {VERSION}")


def fill_checksums(db: sqlite3.Connection) -> None:
    """Add checksums to the replies of older versions."""
    db.create_function("checksum", 8, checksum, deterministic=True)
    db.execute(
        "UPDATE replies SET checksum = checksum(key, text, finish_reason, model, prompt_tokens,"
        " completion_tokens, reasoning_tokens, cached_tokens) WHERE checksum IS NULL"
    )


def upgrade(db: sqlite3.Connection) -> None:
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
