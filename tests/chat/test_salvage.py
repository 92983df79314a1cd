"""Damaged stores: what is found, what is kept, what is requested again."""

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from lion.chat.cli import store
from lion.chat.store import Store
from lion.chat.types import Caller, Reply
from tests.chat.conftest import ParamsOf, ask, sql
from tests.chat.server import Server

CALLER = Caller("teach", "teacher", "r0", "url", "m", "live")


def reply_of(text: str) -> Reply:
    return Reply(text=text, finish_reason="stop", model="m", prompt_tokens=10, completion_tokens=2)


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


def test_a_reply_of_another_process_that_is_damaged_is_requested_again(
    server: Server, params_at: ParamsOf, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ask(params_at(server.url), 20)
    sql(home / "replies.sqlite", "UPDATE replies SET text = 'x' WHERE rowid = 3")
    find, looks = Store.find, []

    def find_later(store: Store, keys: Sequence[bytes]) -> dict[bytes, Reply]:
        looks.append(keys)  # the first look comes before the other process stores its replies
        return find(store, keys) if len(looks) > 1 else {}

    monkeypatch.setattr(Store, "find", find_later)
    assert ask(params_at(server.url), 20) == expected
    assert len(server.asked) == 21


def test_a_flipped_byte_in_the_index_loses_no_reply(
    server: Server, params_at: ParamsOf, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(params_at(server.url), 20)
    path = home / "replies.sqlite"
    with closing(sqlite3.connect(path)) as db:
        ((key,),) = db.execute("SELECT key FROM replies WHERE rowid = 7").fetchall()
    flip_in_index(path, key, 0x01)
    assert len(ask(params_at(server.url), 20)) == 20
    assert "20 replies could be read" in capsys.readouterr().err
    assert len(server.asked) == 20


@pytest.mark.parametrize("bit", [0x01, 0x80])
def test_a_damaged_index_that_finds_the_wrong_row_loses_no_reply(tmp_path: Path, bit: int) -> None:
    # A flipped bit breaks the order of the index; SQLite then finds another row, but only for some
    # keys.
    for number in range(20):
        path = tmp_path / str(number) / "replies.sqlite"
        keys = [random.Random(f"{number} {row}").randbytes(16) for row in range(20)]
        with Store(path) as opened:
            entry = opened.entry(CALLER)
            for key in keys:
                opened.keep(key, entry, reply_of(key.hex()), 0.0)
        flip_in_index(path, keys[number], bit)
        with Store(path) as opened:
            found = opened.find(keys)
        assert {key: reply.text for key, reply in found.items()} == {key: key.hex() for key in keys}


def flip_in_index(path: Path, key: bytes, bit: int) -> None:
    """Flip a bit of the first byte of `key` in the index of the replies."""
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_replies_1'"
        ((page,),) = db.execute(query).fetchall()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[content.index(key, (page - 1) * 4096, page * 4096)] ^= bit
    path.write_bytes(content)


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
