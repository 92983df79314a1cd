"""How far long work has come."""

import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from lion.support.progress import Progress

ROOT = Path(__file__).parents[2]


def test_off_a_terminal_long_work_says_a_line_at_its_start_and_at_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Progress(3, "teach r1", "replies") as bar:
        for _ in range(3):
            bar.advance()
        bar.note("2 retries")
    first, last = capsys.readouterr().err.splitlines()
    assert first == "teach r1: 0/3 replies"
    assert last.startswith("teach r1: 3/3 replies, ")
    assert last.endswith("/s, took 0:00, 2 retries")


def test_off_a_terminal_a_line_tells_rate_and_time_left_every_ten_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("lion.support.progress.time.monotonic", lambda: now)
    with Progress(8000, "teach", "replies", done=1000) as bar:
        for _ in range(25):
            now += 1.0
            bar.advance(100)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "teach: 1,000/8,000 replies",
        "teach: 2,000/8,000 replies, 100.0/s, 1:00 left",
        "teach: 3,000/8,000 replies, 100.0/s, 0:50 left",
        "teach: 3,500/8,000 replies, 100.0/s, 0:45 left",
    ]


def test_a_note_alone_is_told_too_when_nothing_moves(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("lion.support.progress.time.monotonic", lambda: now)
    with Progress(5, "teach") as bar:
        now += 11.0
        bar.note("waiting 50 s")
    assert capsys.readouterr().err.splitlines()[1] == "teach: 0/5 rows, waiting 50 s"


def test_on_a_terminal_there_is_a_bar() -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    code = (
        "from lion.support.progress import Progress\n"
        "with Progress(4, 'teach') as bar: bar.advance(4)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=theirs, check=True)
    os.close(theirs)
    said = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "teach: 100%|" in said
    assert "4/4" in said
