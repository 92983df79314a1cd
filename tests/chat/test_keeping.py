"""A reply that arrived is kept: locks, full disks, stores of other versions."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from lion.chat import connect
from lion.chat.budget import Budget
from lion.chat.cli import ledger
from lion.chat.database import _open_frozen
from lion.chat.rate_limit import FILE
from lion.chat.store import Store
from lion.chat.types import Caller, Reply
from lion.params import BudgetLimits
from lion.support.errors import ChatError
from tests.chat.conftest import ROOT, ParamsOf, ask, in_container, requests, sql, started, wait_for
from tests.chat.server import Answer, Server, completion, echo


@pytest.mark.parametrize("table", ["pace", "flights"])
def test_replies_in_flight_are_kept_when_the_rate_limit_cannot_be_written(
    server: Server, params_at: ParamsOf, home: Path, table: str
) -> None:
    server.answering = lambda asked: Answer(echo(asked).body, delay=1.0)
    params = params_at(server.url, concurrency=8)
    refuse = f"CREATE TRIGGER t BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, 'no room'); END"

    def break_it() -> None:
        wait_for(lambda: len(server.asked) >= 8)
        sql(home / FILE, refuse)

    breaking = threading.Thread(target=break_it)
    breaking.start()
    with pytest.raises(ChatError, match=r"no room.* 8 of 30 replies are stored"):
        ask(params, 30)
    breaking.join()
    assert len(server.asked) == 8
    sql(home / FILE, "DROP TRIGGER t")
    assert len(ask(params, 30)) == 30
    assert len(server.asked) == 30


def test_a_store_of_a_newer_version_is_refused_before_anything_is_requested(
    server: Server, params_at: ParamsOf, home: Path
) -> None:
    expected = ask(params_at(server.url), 3)
    path = home / "replies.sqlite"
    sql(path, "ALTER TABLE replies ADD COLUMN mood TEXT NOT NULL DEFAULT ''")
    assert ask(params_at(server.url), 5)[:3] == expected  # rows are inserted by name
    sql(path, "PRAGMA user_version = 99")
    with pytest.raises(ChatError, match=r"newer version of Lion .* no request was sent"):
        ask(params_at(server.url), 9)
    assert len(server.asked) == 5


def make_older(path: Path) -> None:
    """Turn a store into one of version 0."""
    added = {
        "replies": ("cached_tokens", "checksum"),
        "ledger": ("cached_tokens", "saved_cached_tokens"),
    }
    drop = "ALTER TABLE {} DROP COLUMN {}"
    sql(path, *(drop.format(table, name) for table, names in added.items() for name in names))
    sql(path, "PRAGMA user_version = 0")


def test_a_store_of_an_older_version_is_brought_up(
    server: Server, params_at: ParamsOf, home: Path
) -> None:
    expected = ask(params_at(server.url), 3)
    path = home / "replies.sqlite"
    make_older(path)
    assert ask(params_at(server.url), 3) == expected
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(checksum) FROM replies").fetchone() == (3,)
    assert len(server.asked) == 3


def test_a_read_only_store_of_an_older_version_is_brought_up_in_memory(
    server: Server, params_at: ParamsOf, home: Path
) -> None:
    ask(params_at(server.url), 3)
    path = home / "replies.sqlite"
    make_older(path)
    before = path.read_bytes()
    with closing(_open_frozen(path)) as db:
        assert db.execute("SELECT count(checksum) FROM replies").fetchone() == (3,)
    assert path.read_bytes() == before


def test_a_lock_held_longer_than_the_timeout_loses_no_reply(
    server: Server, params_at: ParamsOf, home: Path
) -> None:
    server.answering = lambda asked: Answer(echo(asked).body, delay=0.5)
    ask(params_at(server.url), 1)

    def lock() -> None:
        wait_for(lambda: len(server.asked) >= 5)
        with closing(sqlite3.connect(home / "replies.sqlite", isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            time.sleep(4)

    locking = threading.Thread(target=lock)
    locking.start()
    assert len(ask(params_at(server.url, concurrency=4, timeout=1.5), 20)) == 20
    locking.join()
    assert len(server.asked) == 20


def test_a_lock_held_beyond_the_end_leaves_replies_to_the_next_run(
    server: Server, params_at: ParamsOf, home: Path
) -> None:
    ask(params_at(server.url), 1)
    server.answering = lambda asked: Answer(echo(asked).body, delay=1.0)
    process = started(server, 5, "concurrency=4")
    wait_for(lambda: len(server.asked) >= 5)
    with closing(sqlite3.connect(home / "replies.sqlite", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        _, message = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "could not be written and are kept in" in message
    assert len(ask(params_at(server.url), 5)) == 5
    assert len(server.asked) == 5
    total = json.loads(CliRunner().invoke(ledger, ["--json"]).stdout)["total"]
    assert total["requests"] == 5


def test_a_full_disk_counts_what_arrived_and_does_not_advise_deleting(
    server: Server, params_at: ParamsOf, home: Path
) -> None:
    server.answering = lambda asked: Answer(completion("word " * 500))
    with (
        connect(params_at(server.url, concurrency=4), "teacher", stage="t", round="r0") as chat,
        pytest.raises(ChatError) as raised,
    ):
        with chat._store.reading() as db:
            db.execute("PRAGMA max_page_count = 60")
        chat.ask(requests(200), label="teach")
    assert "delet" not in raised.value.message
    with Store(home / "replies.sqlite") as opened:
        assert sum(usage.requests for usage in opened.spent()) == len(server.asked)


@pytest.mark.parametrize("full", ["store", "cache", "store cache"])
def test_a_disk_that_fills_up_loses_no_reply_in_flight(
    server: Server, tmp_path: Path, full: str
) -> None:
    server.answering = lambda asked: Answer(echo(asked).body, delay=2.0)
    asking = f"{sys.executable} -m tests.chat.asking {server.url} 30 0 concurrency=8,retries=0"
    script = f"""
        cd {tmp_path}; mkdir store cache
        for disk in {full}; do mount -t tmpfs -o size=8m none $disk; done
        cd {ROOT}
        {asking} & while [ ! -e {tmp_path}/flying ]; do sleep 0.05; done
        for disk in {full}; do head -c 99m /dev/zero > {tmp_path}/$disk/fill || true; done
        wait $! || echo "ended with $?"
        for disk in {full}; do rm {tmp_path}/$disk/fill; done
        {asking}
    """
    places = {"DVC_ROOT": str(tmp_path / "store"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = subprocess.Popen(
        in_container(script),
        env={**os.environ, **places, "LION_HOME": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: len(server.asked) >= 8)
    (tmp_path / "flying").touch()
    output, message = process.communicate(timeout=60)
    assert output == "ended with 1\n30\n", message
    assert "Traceback" not in message
    assert len(server.asked) == 30


def test_replies_that_a_run_left_are_added_before_anything_is_requested(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lion.chat.database.PATIENCE", 0.2)  # seconds
    path, budget = home / "replies.sqlite", Budget(None, BudgetLimits())
    reply = Reply(text="a", finish_reason="stop", model="m", prompt_tokens=1, completion_tokens=1)
    caller = Caller("teach", "teacher", "r0", "url", "m", "live")
    with Store(path) as first:
        entry = first.entry(caller)
        locking = sqlite3.connect(path, isolation_level=None)
        locking.execute("BEGIN IMMEDIATE")
        first.keep(b"key", entry, reply, 0.0)
    with Store(path) as second:  # the lock is still held
        assert second.claim(b"key", entry, (1, 1), budget) == "later"
        locking.close()
        assert second.claim(b"key", entry, (1, 1), budget) == "kept"
        assert second.find([b"key"]) == {b"key": reply}
