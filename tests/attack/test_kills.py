"""Stages killed at random moments with a fixed seed, then resumed; the server's log counts."""

import hashlib
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lion.pools.tables import ANSWER, REVIEW, read_table
from tests.chat.server import Answer, Asked, Exchange, Server, completion
from tests.chat.test_crash import CONCURRENCY, ROWS, SPAWNING, play, write_params, write_tables

KILLS = 15  # per stage
LATE = 1.0  # seconds; a reply that was sent so long before the kill must be in the store


def playing(asked: Asked) -> Answer:
    """A text that names its request, with scores for the referee, one in ten unreadable; 5 ms."""
    name = hashlib.sha256(asked.content).hexdigest()
    number = int(name[:8], 16)
    judging = "Assistant 1" in asked.body["messages"][-1]["content"]
    scores = f"Assistant 1: {number % 10 + 1}\nAssistant 2: {number % 7 + 1}"
    tail = f"\n\n{scores}" if judging and number % 10 else ""
    return Answer(completion(f"request {name}{tail}"), delay=0.005)


def text_of(exchange: Exchange) -> str:
    """The text that answers a request, which no other request gets."""
    body: Any = playing(exchange.asked).body
    return str(body["choices"][0]["message"]["content"])


def texts_kept(home: Path) -> set[str]:
    """Every text in the store, read without Lion."""
    path = home / "replies.sqlite"
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path, timeout=30)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'replies'").fetchone():
            return set()
        return {text for (text,) in db.execute("SELECT text FROM replies")}


class Kills:
    """Kills a stage again and again, and counts after each kill what was in flight."""

    def __init__(self, server: Server, home: Path, start: Callable[[], Any]) -> None:
        self.server, self.home, self.start = server, home, start
        self.flights: list[int] = []  # per kill: what the process had asked and is not kept
        self.open: set[str] = set()  # asked so far and not kept
        self.late: set[str] = set()  # answered long before the kill, and not kept
        self.beyond = self.again = 0
        self._before: set[str] = set()  # asked before the process at hand

    def kill(self, moment: int, *, hard: bool) -> None:
        """Start the stage and end it once it has sent `moment` requests, counted from 0."""
        process = self.start()
        while len(self.server.exchanges) <= moment and process.is_alive():
            time.sleep(0.001)
        assert process.is_alive(), "the stage ended before it was killed"
        killed = time.monotonic()
        if hard:
            process.kill()
        else:
            process.terminate()
        process.join()
        self._settle()
        self._count(killed)

    def finish(self) -> None:
        self.start().join()
        self._settle()
        self._count(time.monotonic())

    def _settle(self) -> None:
        """Wait until the server has read what the process had sent."""
        time.sleep(0.05)
        while self.server.flying:
            time.sleep(0.005)

    def _count(self, killed: float) -> None:
        """Count what this process sent again, and what was in flight as it ended."""
        sent = [text_of(exchange) for exchange in self.server.exchanges]
        self.server.exchanges, seen = [], self.server.exchanges
        repeated = [text for text in sent if text in self._before]
        self.again += len(repeated) + len(sent) - len(set(sent))
        self.beyond += len(set(repeated) - self.open) + len(sent) - len(set(sent))
        kept = texts_kept(self.home)
        self.late |= {
            text_of(exchange)
            for exchange in seen
            if exchange.answered is not None and killed - exchange.answered > LATE
        } - kept
        self._before |= set(sent)
        self.open = self._before - kept
        self.flights.append(len(set(sent) - kept))


@pytest.mark.parametrize(
    ("stage", "schema", "needed"), [("teach", ANSWER, ROWS), ("referee", REVIEW, 2 * ROWS)]
)
def test_killed_stages_lose_no_row_and_pay_only_for_what_was_in_flight_again(
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    stage: str,
    schema: Any,
    needed: int,
) -> None:
    rng = random.Random(f"attack {stage}")
    write_tables(tmp_path)
    with Server(playing) as server:
        write_params(tmp_path / "params.yaml", server.url)

        def started(home: str) -> Any:
            values = (stage, str(tmp_path), str(tmp_path / home), str(tmp_path / f"{home}.jsonl"))
            process = SPAWNING.Process(target=play, args=values)
            process.start()
            return process

        started("quiet").join()
        assert len(server.exchanges) >= needed
        server.exchanges = []
        kills = Kills(server, tmp_path / "killed", lambda: started("killed"))
        for gap in (rng.randrange(2 * needed // KILLS - 6) for _ in range(KILLS)):
            kills.kill(gap, hard=rng.random() < 0.5)
        kills.finish()
    expected = read_table(tmp_path / "quiet.jsonl", schema)
    rows = read_table(tmp_path / "killed.jsonl", schema)
    lost = expected.height - rows.height
    *flights, unfinished = kills.flights
    record_property(
        "attack",
        f"{stage}: {len(flights)} kills, {lost} rows lost, {len(kills.late)} replies lost, "
        f"{sum(flights)} requests in flight (at most {max(flights)} at a kill), "
        f"{kills.again} sent again, {kills.beyond} paid twice beyond those in flight",
    )
    assert (len(flights), lost, len(kills.late), kills.beyond) == (KILLS, 0, 0, 0)
    assert max(flights) <= CONCURRENCY
    assert (unfinished, kills.open) == (0, set())
    quiet, killed = (tmp_path / f"{home}.jsonl" for home in ("quiet", "killed"))
    assert killed.read_bytes() == quiet.read_bytes()
