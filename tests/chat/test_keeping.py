"""A reply that arrived is kept: locks, full disks, other versions, damage, stopped processes."""

import ctypes
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from lion.chat import connect
from lion.chat.budget import Budget
from lion.chat.cli import ledger, store
from lion.chat.rate_limit import FILE
from lion.chat.store import Store
from lion.chat.types import Caller, Reply
from lion.params import Params, Prices
from lion.support.errors import ChatError
from tests.chat.conftest import PRICES, ROOT, ParamsOf, requests
from tests.chat.server import Answer, Asked, Server, completion, echo

CALLER = Caller("teach", "teacher", "r0", "url", "m", "live")


def ask(params: Params, count: int) -> list[str]:
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        return [reply.text for reply in chat.ask(requests(count), label="teach")]


def started(server: Server, count: int, settings: str, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.chat.asking", server.url, str(count), "0", settings]
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    )


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def reply_of(text: str) -> Reply:
    return Reply(text=text, finish_reason="stop", model="m", prompt_tokens=10, completion_tokens=2)


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
    with pytest.raises(ChatError, match=r"no room.* 8 of 30 replies are kept"):
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
    with pytest.raises(ChatError, match=r"newer version of Lion .* nothing was requested"):
        ask(params_at(server.url), 9)
    assert len(server.asked) == 5


def test_a_store_of_an_older_version_is_brought_up(
    server: Server, params_at: ParamsOf, home: Path
) -> None:
    expected = ask(params_at(server.url), 3)
    path = home / "replies.sqlite"
    added = {
        "replies": ("cached_tokens", "checksum"),
        "ledger": ("cached_tokens", "saved_cached_tokens"),
    }
    drop = "ALTER TABLE {} DROP COLUMN {}"
    sql(path, *(drop.format(table, name) for table, names in added.items() for name in names))
    sql(path, "PRAGMA user_version = 0")
    assert ask(params_at(server.url), 3) == expected
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(checksum) FROM replies").fetchone() == (3,)
    assert len(server.asked) == 3


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
    assert "replies that arrived are kept in" in message
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


def test_a_flipped_byte_is_found_and_that_reply_alone_is_requested_again(
    server: Server, params_at: ParamsOf, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = ask(params_at(server.url), 20)
    path = home / "replies.sqlite"
    sql(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    place = content.index(expected[7].encode()) + 8
    content[place] ^= 0x80  # no longer UTF-8
    path.write_bytes(content)
    assert ask(params_at(server.url), 20) == expected
    assert len(server.asked) == 21
    assert "1 stored replies are damaged (wrong checksum)" in capsys.readouterr().err
    sql(path, "UPDATE replies SET finish_reason = 'length' WHERE rowid = 3")
    assert ask(params_at(server.url), 20) == expected
    assert len(server.asked) == 22


def test_salvage_reads_beyond_rows_that_were_deleted(home: Path) -> None:
    path = home / "replies.sqlite"
    with Store(path) as opened:
        entry = opened.entry(CALLER)
        for row in range(60):
            text = f"{row:03d} " * 200
            opened.keep(row.to_bytes(16), entry, reply_of(text), 0.0)
    sql(path, "UPDATE replies SET rowid = rowid + 900000 WHERE rowid > 30")
    sql(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    page = content.index(b"030 030") // 4096 * 4096
    content[page : page + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    result = CliRunner().invoke(store, ["salvage"])
    assert result.exit_code == 0, result.output
    with Store(path) as opened:
        replies = opened.find([row.to_bytes(16) for row in range(60)])
    assert len(replies) >= 56  # a page holds at most four
    assert all(reply.text.startswith(f"{key[-1]:03d}") for key, reply in replies.items())


@pytest.mark.parametrize("pruned", [False, True])
def test_salvage_leaves_a_healthy_store_alone(
    server: Server, params_at: ParamsOf, home: Path, pruned: bool
) -> None:
    ask(params_at(server.url), 20)
    if pruned:
        CliRunner().invoke(store, ["prune", "--round", "r0", "--yes"])
    before = (home / "replies.sqlite").read_bytes()
    result = CliRunner().invoke(store, ["salvage"])
    assert "is sound: nothing to do" in result.output
    assert (home / "replies.sqlite").read_bytes() == before


@pytest.mark.parametrize("content", [b"no database" * 999, b"SQLite format 3\0" + b"\xff" * 9000])
def test_salvage_opens_the_store_it_is_meant_for(home: Path, content: bytes) -> None:
    home.mkdir()
    (home / "replies.sqlite").write_bytes(content)
    result = CliRunner().invoke(store, ["salvage"])
    assert result.exit_code == 0, result.output
    assert "0 replies could be read" in result.stderr
    assert ": 0 replies" in CliRunner().invoke(store, ["stats"]).output


def test_a_rescue_keeps_what_was_spent(server: Server, params_at: ParamsOf, home: Path) -> None:
    ask(params_at(server.url), 20)
    path = home / "replies.sqlite"
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'ledger'"
        (page,) = db.execute(query).fetchone()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    CliRunner().invoke(store, ["salvage"])
    with Store(path) as opened:
        assert [usage.requests for usage in opened.spent()] == [20]


def test_cached_prompt_tokens_have_a_price_of_their_own(
    server: Server, params_at: ParamsOf, home: Path
) -> None:
    def answering(asked: Asked) -> Answer:
        body = completion("one two")
        body["usage"]["prompt_tokens_details"] = {"cached_tokens": 6}
        return Answer(body)

    server.answering = answering
    ask(params_at(server.url), 1)
    models = {"m": {"input": 1000.0, "output": 10_000.0, "cached": 100.0}}
    prices = Prices.model_validate({**PRICES, "models": models})
    with Store(home / "replies.sqlite") as opened:
        (usage,) = opened.spent()
    expected = (4 * 1000 + 6 * 100 + 2 * 10_000) / 1e6
    assert Budget(prices, None).cost(usage) == pytest.approx(expected)


def test_a_process_that_sees_the_store_under_another_path_lives(
    server: Server, home: Path, tmp_path: Path
) -> None:
    server.answering = lambda asked: Answer(echo(asked).body, delay=1.0)
    home.mkdir()
    (tmp_path / "mounted").symlink_to(home)
    first = started(server, 8, "concurrency=8", env={**os.environ, "LION_HOME": str(home)})
    wait_for(lambda: len(server.asked) >= 8)
    other = {**os.environ, "LION_HOME": str(tmp_path / "mounted")}
    second = started(server, 8, "concurrency=8", env=other)
    assert [first.communicate()[0], second.communicate()[0]] == ["8\n", "8\n"]
    assert len(server.asked) == 8


def test_a_stopped_process_and_its_heir_pay_once(server: Server, home: Path) -> None:
    server.answering = lambda asked: Answer(echo(asked).body, delay=1.0)
    first = started(server, 4, "concurrency=4")
    wait_for(lambda: len(server.asked) >= 4)
    first.send_signal(signal.SIGSTOP)
    heir = started(server, 4, "patience=2")
    _, message = heir.communicate(timeout=30)
    assert heir.returncode == 1
    assert f"process {first.pid} (end or continue it) has claimed this request" in message
    first.send_signal(signal.SIGCONT)
    assert first.communicate(timeout=30)[0] == "4\n"
    assert started(server, 4, "").communicate()[0] == "4\n"
    assert len(server.asked) == 4


def test_sigterm_ends_like_ctrl_c_and_keeps_what_arrives(server: Server, home: Path) -> None:
    server.answering = lambda asked: Answer(echo(asked).body, delay=0.3)
    process = started(server, 100, "concurrency=4")
    wait_for(lambda: len(server.asked) >= 4)
    process.send_signal(signal.SIGTERM)
    _, message = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "stopped; 4 of 100 replies are kept, run again to continue" in message
    assert len(server.asked) == 4


def _without_override() -> None:
    """Give up root's right to write to read-only files; needs nothing where it is not root."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP, in force after exec


def test_a_read_only_store_replays_and_requests_nothing(
    server: Server, params_at: ParamsOf, home: Path
) -> None:
    ask(params_at(server.url), 5)
    for path in (home, *home.iterdir()):
        path.chmod(0o555)
    try:
        replay = started(server, 5, "", preexec_fn=_without_override)
        assert replay.communicate()[0] == "5\n"
        more = started(server, 6, "", preexec_fn=_without_override)
        _, message = more.communicate()
        assert more.returncode == 1
        assert "replies could not be kept here (read-only), so none is requested" in message
    finally:
        home.chmod(0o755)
    assert len(server.asked) == 5
