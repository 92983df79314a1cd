"""Processes that share a store: containers, stopped and ended ones, read-only folders."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chat.conftest import ROOT, ParamsOf, ask, in_container, started, wait_for
from tests.chat.server import Answer, Server, echo


def test_a_container_that_sees_the_store_under_another_path_pays_nothing_twice(
    server: Server, home: Path, tmp_path: Path
) -> None:
    server.answering = lambda asked: Answer(echo(asked).body, delay=4.0)
    first = started(server, 8, "concurrency=8,timeout=20")
    wait_for(lambda: len(server.asked) >= 8)
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    asking = f"{sys.executable} -m tests.chat.asking {server.url} 8 0 concurrency=8,timeout=20"
    second = subprocess.Popen(
        in_container(f"mount --bind {home} {mounted}; mount -t tmpfs none {home}; {asking}"),
        cwd=ROOT,
        env={**os.environ, "LION_HOME": str(mounted)},
        stdout=subprocess.PIPE,
        text=True,
    )
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


def _in_a_terminal() -> None:
    """Handle signals as in a terminal, though these tests may run under nohup."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _without_ctrl_c() -> None:
    """Ignore SIGINT, as a shell does for the background processes of a script."""
    _in_a_terminal()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.parametrize("prepare", [_in_a_terminal, _without_ctrl_c])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_like_ctrl_c_and_keep_what_arrives(
    server: Server, home: Path, number: signal.Signals, prepare: Callable[[], None]
) -> None:
    server.answering = lambda asked: Answer(echo(asked).body, delay=0.3)
    process = started(server, 100, "concurrency=4", preexec_fn=prepare)
    wait_for(lambda: len(server.asked) >= 4)
    process.send_signal(number)
    _, message = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "stopped; 4 of 100 replies are stored; run again to continue" in message
    assert len(server.asked) == 4


def test_sigterm_ends_the_wait_for_a_server_that_is_down(server: Server, home: Path) -> None:
    server.answering = lambda asked: Answer(b"", delay=60.0)
    process = started(server, 8, "concurrency=4,timeout=1", preexec_fn=_without_ctrl_c)
    wait_for(lambda: len(server.asked) >= 8)  # at least four of them were repeated
    process.send_signal(signal.SIGTERM)
    _, message = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "stopped; 0 of 8 replies are stored" in message


def test_ctrl_c_stays_ignored_where_it_was(server: Server, home: Path) -> None:
    server.answering = lambda asked: Answer(echo(asked).body, delay=0.5)
    process = started(server, 8, "concurrency=4", preexec_fn=_without_ctrl_c)
    wait_for(lambda: len(server.asked) >= 4)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[0] == "8\n"


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
        assert "cannot be written (read-only), so Lion sends no requests" in message
    finally:
        home.chmod(0o755)
    assert len(server.asked) == 5
