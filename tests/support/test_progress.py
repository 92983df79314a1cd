"""How far long work has come."""

import os
import pty
import re
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


def on_a_terminal(code: str, *, columns: int) -> list[str]:
    """What a program shows on a terminal so wide, one entry for each time that it draws."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    begin = "import time; from lion.support.progress import Progress\n"
    subprocess.run([sys.executable, "-c", begin + code], cwd=ROOT, stderr=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    return [line for line in re.split(r"[\r\n]+|\x1b\[A", shown) if line.strip()]


def test_on_a_terminal_there_is_a_bar() -> None:
    last = on_a_terminal("with Progress(4, 'teach') as bar: bar.advance(4)", columns=100)[-1]
    assert last.startswith("teach: 100%|████████████| 4/4, 00:00 left, ")


def test_eighty_columns_keep_the_bar_and_cut_the_note() -> None:
    code = (
        "with Progress(150_000, 'evaluate r1: answers', 'answers', done=9) as bar:\n"
        "    bar.advance(60_000); bar.note('1,234,567 tokens, 12.34 USD, 17% from the store')\n"
        "    bar.advance(20_000); time.sleep(0.2); bar.advance(1)"
    )
    lines = on_a_terminal(code, columns=80)
    assert max(map(len, lines)) <= 80
    assert "| 80010/150000, " in lines[-1]
    assert re.search(r"\|[█▏▎▍▌▋▊▉ ]{12}\|", lines[-1])


def test_slow_work_has_a_rate_by_second_too() -> None:
    code = "with Progress(9, 'imitate r0', 'steps') as bar: time.sleep(1.3); bar.advance(1)"
    last = on_a_terminal(code, columns=80)[-1]
    assert "s/ steps" not in last
    assert re.search(r"0\.\d\d steps/s", last)
