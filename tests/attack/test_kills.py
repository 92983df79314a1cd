"""Stages killed at random moments with a fixed seed, then resumed; the server's log counts."""

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lion.pools.tables import ANSWER, REVIEW, read_table
from tests.chat.server import Server
from tests.chat.test_crash import (
    CONCURRENCY,
    ROWS,
    SPAWNING,
    play,
    playing,
    write_params,
    write_tables,
)

KILLS = 15  # per stage


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
        assert len(server.asked) >= needed
        server.asked.clear()
        kills = 0
        for moment in sorted(rng.sample(range(needed), KILLS)):
            process = started("killed")
            while len(server.asked) <= moment and process.is_alive():
                time.sleep(0.001)
            process_signal = rng.choice([signal.SIGKILL, signal.SIGTERM])
            kills += process.is_alive()
            if process_signal == signal.SIGKILL:
                process.kill()
            else:
                process.terminate()
            process.join()
        started("killed").join()
        requests = [asked.content for asked in server.asked]
    expected = read_table(tmp_path / "quiet.jsonl", schema)
    rows = read_table(tmp_path / "killed.jsonl", schema)
    lost = expected.height - rows.height
    again = len(requests) - len(set(requests))
    beyond = max(0, again - kills * CONCURRENCY)
    record_property(
        "attack",
        f"{stage}: {kills} kills, {lost} rows lost, {again} requests sent again, "
        f"{beyond} paid twice beyond those in flight",
    )
    assert (kills, lost, beyond) == (KILLS, 0, 0)
    assert rows.equals(expected)
