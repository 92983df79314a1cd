"""Whole stages against a server that misbehaves with a fixed seed: nothing is lost or leaked."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from lion.pools.tables import ANSWER, REVIEW, read_table
from tests.attack.misbehaving import (
    KEY,
    TIMEOUT,
    Misbehaving,
    answer_to,
    arriving,
    broken,
    busy,
)
from tests.attack.test_kills import texts_kept
from tests.chat.conftest import ROOT
from tests.chat.server import Answer, Server, completion
from tests.chat.test_crash import ROWS, play, write_params, write_tables

STARTS = 60  # of a stage at most
PIECES = {KEY[at : at + 6] for at in range(len(KEY) - 5)} | {quote(KEY, safe="")[8:20]}


@pytest.fixture
def misbehaving(request: pytest.FixtureRequest) -> Iterator[tuple[Misbehaving, Server]]:
    answering = Misbehaving(request.node.name)
    with Server(answering) as server:
        yield answering, server


@pytest.mark.parametrize(
    ("stage", "schema", "columns"),
    [
        ("teach", ANSWER, ["id", "answer"]),
        ("referee", REVIEW, ["id", "order", "attempt", "reply", "teacher", "student"]),
    ],
)
def test_a_misbehaving_server_costs_no_row_no_reply_and_no_secret(
    tmp_path: Path,
    misbehaving: tuple[Misbehaving, Server],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
    stage: str,
    schema: Any,
    columns: list[str],
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("lion.chat.sender._LONGEST", 0.05)
    answering, server = misbehaving
    write_tables(tmp_path, ROWS // 2 if stage == "referee" else ROWS)  # it asks twice for a row
    params = tmp_path / "params.yaml"
    write_params(params, server.url)

    def start(home: str) -> int:
        monkeypatch.setenv("LION_HOME", str(tmp_path / home))
        with pytest.raises(SystemExit) as end:
            play(stage, str(tmp_path), str(tmp_path / home), str(tmp_path / f"{home}.jsonl"))
        return int(end.value.code or 0)

    assert start("quiet") == 0
    answering.quiet = False
    tokens, requests, raised, starts = 20_000, 40, 0, 0
    output = ""
    for starts in range(1, STARTS):  # noqa: B007
        set_limits(params, tokens=tokens, requests=requests)
        code = start("faults")
        shown = "".join(capfd.readouterr())
        output += shown
        assert answering.tokens <= tokens
        assert answering.requests <= requests
        kept = texts_kept(tmp_path / "faults")
        assert not set(answering.arrived) - kept, shown
        assert not kept - answering.generated
        if code == 0:
            break
        assert code == 1
        *_, last = shown.splitlines()
        assert last.startswith("Error: ")
        assert shown.count("Error: ") == 1
        assert "run again to continue" in last
        if "`budget`" in last:
            tokens, requests, raised = 2 * tokens, 2 * requests, raised + 1
    assert code == 0
    expected, rows = (
        read_table(tmp_path / f"{name}.jsonl", schema) for name in ("quiet", "faults")
    )
    lost = expected.height - rows.height
    twice = sum(count - 1 for count in answering.arrived.values())
    record_property(
        "attack",
        f"{stage}: {sum(answering.kinds.values())} requests of {len(answering.kinds)} kinds,"
        f" {starts} starts, {raised} ended by the budget, {lost} rows lost, {twice} paid twice",
    )
    assert (lost, twice) == (0, 0)
    assert rows.select(columns).equals(expected.select(columns))
    assert raised > 1
    kinds = {kind for group in (arriving, broken, busy) for kind in group(completion("text"))}
    assert kinds <= set(answering.kinds)
    assert_no_secret(output, tmp_path)


def test_replies_that_arrive_while_the_process_is_stopped_are_kept() -> None:
    with Server(lambda asked: Answer(answer_to(asked), delay=0.3)) as server:
        settings = "concurrency=4,timeout=1.0"
        command = [sys.executable, "-m", "tests.chat.asking", server.url, "4", "0", settings]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        while len(server.asked) < 4:
            time.sleep(0.005)
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=20) == (b"4\n", None)
        assert len(server.asked) == 4


def set_limits(path: Path, **budget: int) -> None:
    raw = yaml.safe_load(path.read_text())
    raw["endpoints"]["default"] |= {"timeout": TIMEOUT, "concurrency": 8}
    path.write_text(yaml.safe_dump({**raw, "budget": budget}))


def assert_no_secret(output: str, folder: Path) -> None:
    """No part of the key, and no control character, was printed or written."""
    assert not {char for char in output if not char.isprintable()} - {"\n", "\r"}
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for piece in PIECES:
        assert piece not in output
        assert not [path for path, content in files.items() if piece.encode() in content], piece
