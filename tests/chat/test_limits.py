"""Limits across processes, and slowing down without stalling."""

import math
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import pytest

from lion.chat import connect
from lion.chat.failures import request_gap, retry_after
from lion.chat.rate_limit import RateLimit, _growth
from lion.params import Endpoint
from tests.chat.conftest import ROOT, ParamsOf, requests
from tests.chat.server import Answer, Asked, Server, echo, refusal


def asking(url: str, count: int, start: int, settings: str) -> "subprocess.Popen[str]":
    """Another process that asks `count` requests; it prints how many replies it got."""
    script = [sys.executable, "-m", "tests.chat.asking", url, str(count), str(start), settings]
    return subprocess.Popen(script, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def replies_of(*processes: "subprocess.Popen[str]") -> int:
    return sum(int(process.communicate(timeout=60)[0]) for process in processes)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "5s"}, 5.0),
        ({"retry-after": "1m30s"}, 90.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Fri, 01 Jan 2010 00:00:00 GMT"}, 0.0),
        (
            {
                "retry-after": "Fri, 01 Jan 2010 00:01:30 GMT",
                "date": "Fri, 01 Jan 2010 00:00:00 GMT",  # not our clock's
            },
            90.0,
        ),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Fri, 01 Jan 99999999999 00:00:00 GMT"}, None),
        ({"retry-after": "Fri, 01 Jan 2010 00:00:00 +99999999999"}, None),
        ({"retry-after": "9" * 400}, math.inf),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "20ms"}, None),
        ({}, None),
    ],
)
def test_the_servers_wait_is_read_in_every_form(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers) == seconds


USED_UP = {
    "x-ratelimit-limit-requests": "3000",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "1m",
}


def test_used_up_requests_tell_the_gap_between_them() -> None:
    assert request_gap(USED_UP) == 0.02
    assert request_gap(USED_UP | {"x-ratelimit-remaining-requests": "1"}) is None


def test_used_up_requests_slow_down_before_the_first_refusal(
    server: Server, params_at: ParamsOf
) -> None:
    headers = USED_UP | {"x-ratelimit-limit-requests": "600"}  # a request every 0.1 s
    server.answering = lambda asked: Answer(echo(asked).body, headers=headers)
    begun = time.monotonic()
    with connect(
        params_at(server.url, concurrency=1), "teacher", stage="teach", round="r0"
    ) as chat:
        chat.ask(requests(12), label="teach")
    assert time.monotonic() - begun > 10 * 0.1 * 0.8


def test_concurrency_is_bounded_over_processes(server: Server) -> None:
    server.answering = lambda asked: Answer(echo(asked).body, delay=0.05)
    processes = [asking(server.url, 60, start, "concurrency=4") for start in (0, 100, 200)]
    assert replies_of(*processes) == 180
    assert server.most_flying == 4


def test_requests_a_minute_are_bounded_over_processes(server: Server) -> None:
    seen: list[float] = []

    def answering(asked: Asked) -> Answer:
        seen.append(time.monotonic())
        return echo(asked)

    server.answering = answering
    settings = "requests_per_minute=1800"
    assert replies_of(*(asking(server.url, 45, start, settings) for start in (0, 100))) == 90
    # 30 a second; the first is seen late where processes start slowly.
    assert 30 * 0.6 < 90 / (seen[-1] - seen[0]) < 30 * 1.4


def test_tokens_a_minute_are_bounded(server: Server, params_at: ParamsOf) -> None:
    """12 tokens a reply; what a request was admitted with and did not use is given back."""
    begun = time.monotonic()
    params = params_at(server.url, tokens_per_minute=60 * 120)
    with connect(params, "teacher", stage="teach", round="r0") as chat:
        chat.ask(requests(15), label="teach")
    assert 15 * 12 / 120 * 0.8 < time.monotonic() - begun < 15 * 12 / 120 * 3


def test_two_processes_that_want_the_same_pay_once(server: Server) -> None:
    server.answering = lambda asked: Answer(echo(asked).body, delay=0.02)
    processes = [asking(server.url, 100, 0, "concurrency=8") for _ in range(3)]
    assert replies_of(*processes) == 300
    assert len(server.asked) == 100


class Window:
    """Allows `rate` requests in any second and tells others to wait."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._seen: deque[float] = deque()
        self.refused = 0

    def __call__(self, asked: Asked) -> Answer:
        now = time.monotonic()
        while self._seen and self._seen[0] < now - 1:
            self._seen.popleft()
        if len(self._seen) >= self._rate:
            self.refused += 1
            return refusal(429, "slow down", retry_after="0.5")
        self._seen.append(now)
        return echo(asked)


def test_refusals_lose_no_row_and_little_time(server: Server, params_at: ParamsOf) -> None:
    server.answering = window = Window(50)
    begun = time.monotonic()
    with connect(params_at(server.url), "teacher", stage="teach", round="r0") as chat:
        assert len(chat.ask(requests(300), label="teach")) == 300
    assert window.refused > 0
    assert 300 / (time.monotonic() - begun) > 0.4 * 50  # the benchmark measures it closely


def test_a_server_that_refused_everybody_for_a_while_is_soon_asked_at_full_pace(
    server: Server, params_at: ParamsOf
) -> None:
    begun = time.monotonic()

    def answering(asked: Asked) -> Answer:
        busy = time.monotonic() - begun < 6
        return refusal(429, "busy", retry_after="1") if busy else echo(asked)

    server.answering = answering
    with connect(params_at(server.url), "teacher", stage="teach", round="r0") as chat:
        assert len(chat.ask(requests(300), label="teach")) == 300
    assert time.monotonic() - begun < 6 + 20  # at the pace of the last refusals it is minutes


def test_after_refusals_the_pace_recovers() -> None:
    assert [round(_growth(seconds), 1) for seconds in (0, 10, 60, 120)] == [1.0, 1.0, 2.6, 12.5]


def test_the_pace_of_a_machine_that_was_started_anew_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "limits.sqlite"
    with RateLimit(path, "e", Endpoint()) as pace:
        pace.back_off(3600)
        assert pace.acquire(1) > 3000
    monkeypatch.setattr(time, "monotonic", lambda: 5.0)
    with RateLimit(path, "e", Endpoint()) as pace:
        assert pace.acquire(1) == 0.0


def test_a_dead_process_holds_no_place(tmp_path: Path) -> None:
    path = tmp_path / "limits.sqlite"
    endpoint = Endpoint(concurrency=1)
    code = (
        "import os, sys; from pathlib import Path; from lion.chat.rate_limit import RateLimit;"
        "from lion.params import Endpoint;"
        "limit = RateLimit(Path(sys.argv[1]), 'e', Endpoint(concurrency=1)).__enter__();"
        "os._exit(int(limit.acquire(1)))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT).returncode == 0
    with RateLimit(path, "e", endpoint) as pace:
        assert pace.acquire(1) == 0.0
