"""How fast all processes of this machine together ask one endpoint.

The clock is the monotonic one: processes share it and nobody can set it.
"""

import hashlib
import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from lion.chat.home import is_alive
from lion.params import Endpoint
from lion.support.errors import ChatError

_LOOK = 0.02  # seconds between two looks at a crowded endpoint
_SWEEP = 1.0  # seconds between two looks for processes that died
_CREDIT = 0.1  # seconds that a late request may be made up for
_BELOW = 0.97  # of the rate that the server was seen to allow, after it refused
_WIDEST = 30.0  # seconds between requests; a server that allows less says so by Retry-After
_BLIND = 5.0  # seconds between requests while the server refuses every one
_MEMORY = 60.0  # seconds over which the allowed rate is measured
_ROUND = 1.0  # seconds in which refusals are one: what was in flight together
_STALE = 86_400.0  # no wait is longer; a later time means that the machine was started anew

SCHEMA = """
CREATE TABLE IF NOT EXISTS pace (
    endpoint TEXT PRIMARY KEY,
    due REAL NOT NULL DEFAULT 0,         -- monotonic seconds: the next request may go
    tokens_due REAL NOT NULL DEFAULT 0,  -- the same by tokens
    paused REAL NOT NULL DEFAULT 0,      -- nothing goes before
    gap REAL NOT NULL DEFAULT 0,         -- seconds between requests, learnt from the server
    guessed INTEGER NOT NULL DEFAULT 0,  -- whether it allowed nothing from which to learn the gap
    learnt REAL NOT NULL,                -- when
    since REAL NOT NULL,                 -- replies are counted since then
    answered INTEGER NOT NULL DEFAULT 0,
    rested REAL NOT NULL DEFAULT 0       -- seconds of pause since then
);
CREATE TABLE IF NOT EXISTS flights (     -- one row for a process that asks now
    endpoint TEXT NOT NULL, owner TEXT NOT NULL, count INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (endpoint, owner)
);
"""
# Another version of this program may have other columns: each has a file of its own. What is
# forgotten by that is the pace of some seconds.
FILE = f"limits-{hashlib.blake2b(SCHEMA.encode(), digest_size=4).hexdigest()}.sqlite"


class Pace:
    """The shared pace of `endpoint`, seen by process `owner`; enter it while asking."""

    def __init__(self, path: Path, name: str, endpoint: Endpoint, *, owner: str) -> None:
        self._path, self._name, self._owner = path, name, owner
        self._most = endpoint.concurrency
        self._swept = -math.inf
        self._gap = 60 / (endpoint.requests_per_minute or math.inf)
        self._token_gap = 60 / (endpoint.tokens_per_minute or math.inf)

    def __enter__(self) -> Self:
        now = time.monotonic()
        with self._faults():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._path, timeout=30.0, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = OFF")
            self._db.executescript(SCHEMA)
            self._db.execute(
                "DELETE FROM pace WHERE learnt > ? OR max(due, tokens_due, paused) > ?",
                (now, now + _STALE),
            )
            self._db.execute(
                "INSERT INTO pace (endpoint, learnt, since) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET since = excluded.since, answered = 0,"
                " rested = 0"
                " WHERE NOT EXISTS (SELECT 1 FROM flights WHERE flights.endpoint = pace.endpoint)",
                (self._name, now, now),
            )
            self._db.execute(
                "INSERT OR IGNORE INTO flights (endpoint, owner) VALUES (?, ?)",
                (self._name, self._owner),
            )
        return self

    def __exit__(self, *_: object) -> None:
        with self._faults():
            self._db.execute("DELETE FROM flights WHERE owner = ?", (self._owner,))
        self._db.close()

    def admit(self, tokens: int) -> float:
        """0.0 if a request of about `tokens` may go now, else the seconds to wait and ask anew."""
        now = time.monotonic()
        with self._writing():
            due, tokens_due, paused, learnt_gap, learnt = self._db.execute(
                "SELECT due, tokens_due, paused, gap, learnt FROM pace WHERE endpoint = ?",
                (self._name,),
            ).fetchone()
            ready = max(due, tokens_due, paused)
            if ready > now:
                return float(ready - now)
            if not self._has_room(now):
                return _LOOK
            gap = max(self._gap, learnt_gap / _growth(now - learnt))
            credit = _CREDIT if gap == self._gap else min(_CREDIT, gap)
            due = max(due, paused, now - credit) + gap
            tokens_due = max(tokens_due, now - _CREDIT) + tokens * self._token_gap
            self._db.execute(
                "UPDATE pace SET due = ?, tokens_due = ? WHERE endpoint = ?",
                (due, tokens_due, self._name),
            )
            self._fly(1)
        return 0.0

    def land(self, *, answered: bool, surplus: int = 0) -> None:
        """End a flight; `surplus` tokens of those it was admitted with were not used."""
        now = time.monotonic()
        with self._writing():
            self._fly(-1)
            self._db.execute(
                "UPDATE pace SET answered = answered + ?, tokens_due = tokens_due - ?"
                " WHERE endpoint = ?",
                (answered, surplus * self._token_gap, self._name),
            )
            if answered:
                # A guess says nothing about the rate that the server allows now that it answers.
                self._db.execute(
                    "UPDATE pace SET gap = gap / 2, due = min(due, ? + gap / 2)"
                    " WHERE endpoint = ? AND guessed",
                    (now, self._name),
                )
            self._db.execute(  # forget the distant past by halves
                "UPDATE pace SET answered = answered / 2, rested = rested / 2,"
                " since = (since + ?) / 2"
                " WHERE endpoint = ? AND since < ?",
                (now, self._name, now - _MEMORY),
            )

    def refuse(self, wait: float) -> None:
        """The server refused for `wait` seconds: pause, then go at about the rate it allows.

        That lies between the rate of replies with pauses counted, which it did allow, and the
        rate without them, which it refused. The pace grows again by itself, slowly near that rate
        and fast far above.
        """
        now = time.monotonic()
        with self._writing():
            gap, since, answered, paused, rested = self._db.execute(
                "SELECT gap, since, answered, paused, rested FROM pace WHERE endpoint = ?",
                (self._name,),
            ).fetchone()
            until = max(paused, now + wait)
            rest = until - max(paused, now)
            self._db.execute(
                "UPDATE pace SET paused = ?, rested = rested + ? WHERE endpoint = ?",
                (until, rest, self._name),
            )
            if now - since < _ROUND or now <= paused:
                return
            allowed = answered / (now - since)
            refused = answered / max(now - since - rested, 0.01)
            rate = _BELOW * math.sqrt(allowed * refused)
            gap = min(1 / rate, _WIDEST) if rate else min(2 * gap or _ROUND, max(gap, _BLIND))
            self._db.execute(
                "UPDATE pace SET gap = ?, guessed = ?, learnt = ?, since = ?, answered = 0,"
                " rested = ? WHERE endpoint = ?",
                (gap, rate == 0, now, now, rest, self._name),
            )

    def widen(self, gap: float) -> None:
        """The server says that it allows a request every `gap` seconds: go no faster for now."""
        now = time.monotonic()
        with self._writing():
            query = "SELECT gap, learnt FROM pace WHERE endpoint = ?"
            known, learnt = self._db.execute(query, (self._name,)).fetchone()
            if known / _growth(now - learnt) < gap:
                self._db.execute(
                    "UPDATE pace SET gap = ?, learnt = ? WHERE endpoint = ?",
                    (min(gap, _WIDEST), now, self._name),
                )

    def _has_room(self, now: float) -> bool:
        """Whether this process may fly once more: the total is bounded, and shared evenly."""
        if now - self._swept > _SWEEP:
            self._swept = now
            self._sweep()
        flights = dict(
            self._db.execute("SELECT owner, count FROM flights WHERE endpoint = ?", (self._name,))
        )
        share = math.ceil(self._most / len(flights))
        return bool(flights[self._owner] < share and sum(flights.values()) < self._most)

    def _sweep(self) -> None:
        """Take away the places of processes that are dead."""
        query = "SELECT DISTINCT owner FROM flights WHERE owner != ?"
        owners = self._db.execute(query, (self._owner,)).fetchall()
        dead = [row for row in owners if not is_alive(row[0])]
        self._db.executemany("DELETE FROM flights WHERE owner = ?", dead)

    def _fly(self, change: int) -> None:
        self._db.execute(
            "UPDATE flights SET count = count + ? WHERE endpoint = ? AND owner = ?",
            (change, self._name, self._owner),
        )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._faults():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise ChatError(f"{self._path}: {error}; delete it and run again") from error
        except OSError as error:
            raise ChatError(
                f"{error.filename}: {error.strerror}; set LION_HOME to a folder that has room and"
                " can be written"
            ) from error


def _growth(seconds: float) -> float:
    """How much faster than the learnt rate, so long after a refusal: x1.1 at 20 s, x2.5 at 60 s."""
    return 1 + seconds / 240 + (seconds / 54) ** 3
