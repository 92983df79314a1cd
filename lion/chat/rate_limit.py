"""The rate limit of an endpoint, shared by all processes of this user on this machine.

All times are from the monotonic clock, which processes share and nobody can set.
"""

import hashlib
import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Self

from lion.chat.database import PATIENCE, BusyError, faults, transaction
from lion.chat.presence import Presence, is_alive
from lion.params import Endpoint
from lion.support.errors import ChatError

_QUICK = 0.05  # seconds to wait for another process's lock
_LOOK = 0.02  # seconds between two checks for a free place
_SWEEP = 1.0  # seconds between two checks for dead processes
_CREDIT = 0.1  # seconds that a late request may catch up
_BELOW = 0.97  # of the rate that the server allowed before a 429
_WIDEST = 30.0  # seconds between requests; a slower server sends Retry-After
_BLIND = 5.0  # seconds between requests while the server rejects all of them
_MEMORY = 60.0  # seconds over which the allowed rate is measured
_ROUND = 1.0  # seconds in which rejections count as one: those requests were in flight together
_STALE = 86_400.0  # seconds; no wait is longer: a later time means a restart of the machine


@dataclass
class _Pace:
    """The state of an endpoint that all processes share, a row of the table `pace`."""

    due: float  # when the next request may go
    tokens_due: float  # the same by tokens
    paused: float  # no request before
    gap: float  # seconds between requests, learned from the server
    guessed: float  # 1 if the gap is a guess, since the server allowed nothing; else 0
    learned: float  # when
    since: float  # when counting of replies began
    answered: float
    rested: float  # seconds of pause since then


_NAMES = [field.name for field in fields(_Pace)]
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS pace (
    endpoint TEXT PRIMARY KEY, {", ".join(f"{name} REAL NOT NULL DEFAULT 0" for name in _NAMES)}
);
CREATE TABLE IF NOT EXISTS flights (     -- one row for each active process
    endpoint TEXT NOT NULL, owner TEXT NOT NULL, count INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (endpoint, owner)
);
"""


def _boot() -> str:
    """Return an id of this machine's start, since times are counted from it; empty if unknown."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


# Another version, and another machine with the same home folder, have a file of their own.
FILE = f"limits-{hashlib.blake2b((SCHEMA + _boot()).encode(), digest_size=4).hexdigest()}.sqlite"


class RateLimit:
    """The shared limit of `endpoint` as this process sees it; a context manager.

    If its file cannot be written, the replies in flight are still read, but no request is sent.
    """

    def __init__(self, path: Path, name: str, endpoint: Endpoint) -> None:
        self._path, self._name = path, name
        self._flying = 0  # own requests in flight
        self._blocked: float | None = None  # since when another process holds the lock
        self._most = endpoint.concurrency
        self._swept = -math.inf
        self._gap = 60 / (endpoint.requests_per_minute or math.inf)
        self._token_gap = 60 / (endpoint.tokens_per_minute or math.inf)

    def __enter__(self) -> Self:
        now = time.monotonic()
        with self._faults():
            self._presence = Presence(self._path.parent)
            self._owner = self._presence.name
            self._db = sqlite3.connect(self._path, timeout=30.0, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = OFF")
            self._db.executescript(SCHEMA)
            self._db.execute(
                "DELETE FROM pace WHERE learned > ? OR max(due, tokens_due, paused) > ?",
                (now, now + _STALE),
            )
            self._db.execute(
                "INSERT INTO pace (endpoint, learned, since) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET since = excluded.since, answered = 0, rested = 0"
                " WHERE NOT EXISTS (SELECT 1 FROM flights WHERE flights.endpoint = pace.endpoint)",
                (self._name, now, now),
            )
            self._show_flying()
            self._db.execute(f"PRAGMA busy_timeout = {round(1000 * _QUICK)}")
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ChatError), self._faults():
            self._db.execute("DELETE FROM flights WHERE owner = ?", (self._owner,))
        self._db.close()
        self._presence.__exit__()

    def acquire(self, tokens: int) -> float:
        """Return 0.0 if a request of about `tokens` may go now, else seconds until the next try."""
        try:
            wait = self._acquire(tokens)
        except BusyError:
            self._blocked = self._blocked or time.monotonic()
            if time.monotonic() - self._blocked > PATIENCE:
                raise
            return _LOOK
        self._blocked = None
        return wait

    def _acquire(self, tokens: int) -> float:
        now = time.monotonic()
        with self._pace() as pace:
            ready = max(pace.due, pace.tokens_due, pace.paused)
            if ready > now:
                return ready - now
            if not self._has_place(now):
                return _LOOK
            gap = max(self._gap, pace.gap / _growth(now - pace.learned))
            credit = _CREDIT if gap == self._gap else min(_CREDIT, gap)
            pace.due = max(pace.due, pace.paused, now - credit) + gap
            pace.tokens_due = max(pace.tokens_due, now - _CREDIT) + tokens * self._token_gap
            self._show_flying(coming=1)
        self._flying += 1
        return 0.0

    def release(self, *, answered: bool, surplus: int = 0) -> None:
        """End a request; `surplus` is how many of its admitted tokens it did not use."""
        now = time.monotonic()
        self._flying -= 1
        with suppress(ChatError), self._pace() as pace:
            self._show_flying()
            pace.answered += answered
            pace.tokens_due -= surplus * self._token_gap
            if answered and pace.guessed:  # now that the server answers, the guess is worthless
                pace.gap /= 2
                pace.due = min(pace.due, now + pace.gap)
            if pace.since < now - _MEMORY:  # halve what is older
                pace.answered /= 2
                pace.rested /= 2
                pace.since = (pace.since + now) / 2

    def back_off(self, wait: float) -> None:
        """Pause for `wait` seconds after a 429, then send at about the rate that the server allows.

        That rate lies between the reply rate with pauses counted, which the server allowed, and the
        rate without them, which it rejected. It then grows, slowly at first.
        """
        now = time.monotonic()
        with suppress(BusyError), self._pace() as pace:
            until = max(pace.paused, now + wait)
            rest = until - max(pace.paused, now)
            is_same_round = now - pace.since < _ROUND or now <= pace.paused
            counted, active = now - pace.since, now - pace.since - pace.rested
            pace.paused, pace.rested = until, pace.rested + rest
            if is_same_round:
                return
            allowed, refused = pace.answered / counted, pace.answered / max(active, 0.01)
            rate = _BELOW * math.sqrt(allowed * refused)
            blind = min(2 * pace.gap or _ROUND, max(pace.gap, _BLIND))
            pace.gap = min(1 / rate, _WIDEST) if rate else blind
            pace.guessed = float(rate == 0)
            pace.learned = pace.since = now
            pace.answered, pace.rested = 0.0, rest

    def widen(self, gap: float) -> None:
        """Keep at least `gap` seconds between requests for now, as the server's headers ask."""
        now = time.monotonic()
        with suppress(ChatError), self._pace() as pace:
            if pace.gap / _growth(now - pace.learned) < gap:
                pace.gap, pace.learned = min(gap, _WIDEST), now

    def _has_place(self, now: float) -> bool:
        """Whether concurrency allows one more request; each process gets an even share."""
        if now - self._swept > _SWEEP:
            self._swept = now
            self._sweep()
        self._show_flying()  # in case a release failed to
        flights = dict(
            self._db.execute("SELECT owner, count FROM flights WHERE endpoint = ?", (self._name,))
        )
        share = math.ceil(self._most / len(flights))
        return bool(flights[self._owner] < share and sum(flights.values()) < self._most)

    def _sweep(self) -> None:
        """Free the places of dead processes."""
        query = "SELECT DISTINCT owner FROM flights WHERE owner != ?"
        owners = self._db.execute(query, (self._owner,)).fetchall()
        dead = [row for row in owners if not is_alive(self._path.parent, row[0])]
        self._db.executemany("DELETE FROM flights WHERE owner = ?", dead)

    def _show_flying(self, *, coming: int = 0) -> None:
        self._db.execute(  # the row is gone if another process took this one for dead
            "INSERT INTO flights (endpoint, owner, count) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET count = excluded.count",
            (self._name, self._owner, self._flying + coming),
        )

    @contextmanager
    def _pace(self) -> Iterator[_Pace]:
        """Yield the shared state in a transaction, and write back what has changed."""
        with self._faults(), transaction(self._db):
            query = f"SELECT {', '.join(_NAMES)} FROM pace WHERE endpoint = ?"
            before = self._db.execute(query, (self._name,)).fetchone()
            pace = _Pace(*before)
            yield pace
            if astuple(pace) != before:
                changes = ", ".join(f"{name} = ?" for name in _NAMES)
                self._db.execute(
                    f"UPDATE pace SET {changes} WHERE endpoint = ?", (*astuple(pace), self._name)
                )

    def _faults(self) -> AbstractContextManager[None]:
        return faults(self._path, damaged="delete this file, it holds no replies, and run again")


def _growth(seconds: float) -> float:
    """Return the factor on the learned rate, `seconds` after a 429: 1.1 at 20 s, 2.5 at 60 s."""
    return 1 + seconds / 240 + (seconds / 54) ** 3
