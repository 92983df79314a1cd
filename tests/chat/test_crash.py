"""Processes that are killed, disks that are full, files that are cut."""

import multiprocessing
import os
import re
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from lion.chat import Reply, connect
from lion.chat.presence import Presence, is_alive
from lion.chat.store import Store
from lion.chat.types import Caller
from lion.params import load_params
from lion.pools.cache import grow_cache, start_cache
from lion.pools.tables import ANSWER, ANSWERED, INSTRUCTION, from_rows, write_table
from lion.support.errors import ChatError
from tests.chat.conftest import ROOT, ParamsOf, requests
from tests.chat.server import Answer, Server, completion, echo

ROWS, CONCURRENCY = 100, 4
SPAWNING = multiprocessing.get_context("forkserver")
SPAWNING.set_forkserver_preload(["stages.teach", "stages.referee", "openai", "lion.chat.live"])


def write_tables(folder: Path, rows: int = ROWS) -> None:
    """A pool, the cache pool that holds it answered, and the student's answers."""
    ids = [f"{row:016x}" for row in range(rows)]
    common = {"input": "", "origin": "seed", "parent": None, "round": "r0"}
    pool = [{"id": id, "instruction": f"question {id}", **common} for id in ids]
    answered = [{**row, "answer": "teacher's", "finish_reason": "stop"} for row in pool]
    tokens = {"completion_tokens": 1, "prompt_tokens": 1, "model": "s", "finish_reason": "stop"}
    said = [{"id": id, "answer": "student's", **tokens} for id in ids]
    write_table(folder / "pool.jsonl", from_rows(pool, INSTRUCTION), INSTRUCTION)
    start_cache(folder / "base")
    grow_cache(folder / "base", from_rows(answered, ANSWERED), "r0", folder / "cache")
    write_table(folder / "responses.jsonl", from_rows(said, ANSWER), ANSWER)


def write_params(path: Path, url: str) -> None:
    raw = load_params(ROOT / "params.yaml").model_dump()
    raw["model"] = "m"
    raw["endpoints"] = {"default": {"base_url": url, "concurrency": CONCURRENCY}}
    path.write_text(yaml.safe_dump(raw))


def play(stage: str, folder: str, home: str, out: str) -> None:
    """Run a stage in this process."""
    os.environ["LION_HOME"] = home
    options = {
        "teach": ["--pool", f"{folder}/pool.jsonl"],
        "referee": ["--cache", f"{folder}/cache", "--responses", f"{folder}/responses.jsonl"],
    }[stage]
    module = __import__(f"stages.{stage}", fromlist=["main"])
    module.main([*options, "--out", out, "--round", "r1", "--params", f"{folder}/params.yaml"])


def test_ctrl_c_ends_soon_with_one_line(server: Server) -> None:
    server.answering = lambda asked: Answer(
        echo(asked).body, delay=0.01 if len(server.asked) <= 20 else 60
    )
    command = [sys.executable, "-m", "tests.chat.asking", server.url, "100", "0", "concurrency=4"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while len(server.asked) < 24:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)  # the replies in flight would take a minute
    assert process.returncode == 130
    last = said.splitlines()[-1]
    assert last == ("Error: teach r0: stopped; 20 of 100 replies are stored; run again to continue")
    assert "Traceback" not in said


def test_replies_that_arrive_just_after_ctrl_c_are_kept(server: Server) -> None:
    server.answering = lambda asked: Answer(echo(asked).body, delay=0.2)
    command = [sys.executable, "-m", "tests.chat.asking", server.url, "100", "0", "concurrency=4"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while len(server.asked) < 4:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert "4 of 100 replies are stored" in said


def test_a_full_disk_keeps_what_was_there_and_continues(
    server: Server, params_at: ParamsOf, home: Path
) -> None:
    server.answering = lambda asked: Answer(completion("word " * 500))
    params = params_at(server.url, concurrency=2)
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        with chat._store.reading() as db:
            db.execute("PRAGMA max_page_count = 60")
        with pytest.raises(
            ChatError, match=r"replies.sqlite: database or disk is full; free space .*; \d+ of"
        ):
            chat.ask(requests(200), label="teach")
    paid = len(server.asked)
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        assert len(chat.ask(requests(200), label="teach")) == 200
    assert 40 < paid <= len(server.asked) <= 200 + 2


@pytest.mark.parametrize("share", [0.0001, 0.3, 0.5, 0.9])
def test_a_store_that_was_cut_serves_what_can_be_read(
    server: Server,
    params_at: ParamsOf,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    share: float,
) -> None:
    server.answering = lambda asked: Answer(completion(f"{asked.body['seed']} words " * 100))
    params = params_at(server.url)
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        expected = chat.ask(requests(200), label="teach")
    path = home / "replies.sqlite"
    os.truncate(path, int(path.stat().st_size * share))
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        assert chat.ask(requests(200), label="teach") == expected
    assert len(server.asked) <= 200 + (1.15 - share) * 200
    assert f"{path} was damaged: " in capsys.readouterr().err
    assert (home / "replies.sqlite.damaged-1").exists()


def test_a_file_that_is_no_store_is_kept_aside(
    server: Server, params_at: ParamsOf, home: Path
) -> None:
    home.mkdir()
    (home / "replies.sqlite").write_text("not a database, but quite a long text about it" * 99)
    with connect(params_at(server.url), "teacher", stage="teach", round="r0") as chat:
        assert len(chat.ask(requests(3), label="teach")) == 3


def test_a_presence_ends_with_its_process(tmp_path: Path) -> None:
    with Presence(tmp_path) as presence:
        assert is_alive(tmp_path, presence.name)
        code = (
            "import sys, time; from pathlib import Path; from lion.chat.presence import Presence\n"
        )
        code += "p = Presence(Path(sys.argv[1])); print(p.name, flush=True); time.sleep(60)"
        command = [sys.executable, "-c", code, str(tmp_path)]
        other = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        assert is_alive(tmp_path, name)
        other.kill()
        other.communicate()
        assert not is_alive(tmp_path, name)
    assert not is_alive(tmp_path, presence.name)


def test_the_first_of_two_replies_stays(tmp_path: Path) -> None:
    first = Reply(text="a", finish_reason="stop", model="m", prompt_tokens=1, completion_tokens=1)
    with Store(tmp_path / "s.sqlite") as store:
        entry = store.entry(Caller("teach", "teacher", "r0", "url", "m", "live"))
        store.keep(b"key", entry, first, 0.0)
        store.keep(b"key", entry, replace(first, text="b"), 0.0)
        assert store.find([b"key"]) == {b"key": first}
        assert [usage.requests for usage in store.spent()] == [1]


def test_a_disk_that_is_really_full_ends_in_one_line_and_continues(
    server: Server, params_at: ParamsOf, home: Path
) -> None:
    server.answering = lambda asked: Answer(completion(f"{asked.body['seed']} word " * 500))
    command = [sys.executable, "-m", "tests.chat.asking", server.url, "200", "0", "concurrency=2"]
    most = (400_000, 400_000)  # bytes a file, of which 200 replies need more
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, most),
    )
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in said
    assert re.search(r"Error: .*replies.sqlite: .*; \d+ of 200 replies are stored", said)
    paid = len(server.asked)
    with connect(params_at(server.url), "teacher", stage="teach", round="r0") as chat:
        assert len(chat.ask(requests(200), label="teach")) == 200
    assert 10 < paid <= len(server.asked) <= 200 + 2
