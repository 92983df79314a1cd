"""Hours and tokens/s differ from run to run: they lie beside the page, which stays as it is."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser

from lion.chat.store import Asker, Store
from lion.chat.types import Reply
from lion.params import load_params
from lion.pools.tables import ANSWER, read_table
from lion.runs.cost import costs
from lion.runs.run import Run, read_run
from lion.runs.times import PAUSE, Times, busy_seconds, times_of
from tests.report.conftest import as_project
from tests.report.looking import looking_at
from tests.report.synthetic import Size, make_run
from tests.report.test_report_stage import report
from tests.report.test_view import serving

STEPS, TOKENS = 40, 500  # of each round of a made-up run


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up run of two rounds, and the working folder."""
    monkeypatch.chdir(tmp_path)
    return as_project(make_run(tmp_path, Size(rounds=2)))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the times of this test are kept, as `own_store` sets it."""
    return tmp_path / "lion-home"


def _clock(home: Path, name: str, seconds: float | None = 0.1, *, tokens: int = TOKENS) -> None:
    """The training's clock of a round, with these seconds a step (none for the first two)."""
    (home / "speed").mkdir(parents=True, exist_ok=True)
    every = [seconds] * STEPS if seconds else [None, None, *[0.1] * (STEPS - 2)]
    clock = pl.DataFrame({"step": range(1, STEPS + 1), "tokens": tokens, "seconds": every})
    clock.write_csv(home / f"speed/{name}.csv")


def _answered(root: Path, home: Path, name: str, seconds: float, *, more: int = 0) -> None:
    """The clock of a round's answers, as many as there are in the run, and `more`."""
    answers = read_table(root / f"data/responses/{name}.jsonl", ANSWER)
    told = {"answers": answers.height + more, "tokens": answers["completion_tokens"].sum()}
    (home / "speed").mkdir(parents=True, exist_ok=True)
    pl.DataFrame([told | {"seconds": seconds}]).write_csv(home / f"speed/answers-{name}.csv")


def _replies(home: Path, name: str, role: str, count: int, seconds: float) -> None:
    """So many replies, just arrived, of which each took so long."""
    reply = Reply(text="x", finish_reason="stop", model="m", prompt_tokens=1, completion_tokens=1)
    with Store(home / "replies.sqlite") as store:
        entry = store.entry(Asker("any", role, name, "default", "m", "live"))
        for number in range(count):
            store.keep(f"{name} {role} {number}".encode(), entry, reply, seconds)


def _known(root: Path, home: Path) -> Times:
    params = load_params(root / "params.yaml")
    tables = read_run(Run.of_pipeline(root), ["r0", "r1"])
    return times_of(tables, costs(tables, params), home)


def test_speed_is_tokens_over_the_seconds_of_all_steps(root: Path, home: Path) -> None:
    for name in ("r0", "r1"):
        _clock(home, name)
    assert _known(root, home) == {
        "speed r0": 5000.0,
        "train r0": 4.0,
        "speed r1": 5000.0,
        "train r1": 4.0,
        "train": 8.0,
    }


def test_a_clock_of_another_run_says_nothing(root: Path, home: Path) -> None:
    _clock(home, "r0", tokens=TOKENS + 1)
    _clock(home, "r1")
    assert _known(root, home).keys() == {"speed r1", "train r1"}


def test_steps_without_a_time_leave_the_speed_and_take_the_sum(root: Path, home: Path) -> None:
    _clock(home, "r0", None)
    assert _known(root, home) == {"speed r0": pytest.approx(5000)}


def test_the_students_own_answers_are_told(root: Path, home: Path) -> None:
    _answered(root, home, "r1", 12.0)
    assert _known(root, home) == {"answer": 12.0}


def test_answers_of_a_server_are_in_the_store(root: Path, home: Path) -> None:
    _replies(home, "r1", "student", 60, 30.0)
    assert _known(root, home) == {"answer": pytest.approx(30, abs=5)}


def test_a_run_of_round_0_alone_has_a_total(root: Path, home: Path) -> None:
    shutil.rmtree(root / "data/responses")
    for name in ("r0", "r1"):
        _clock(home, name)
    for name, role, count in (("r0", "teacher", 60), ("r1", "referee", 120), ("r0", "judge", 40)):
        _replies(home, name, role, count, 1.0)
    times = _known(root, home)
    assert times["total"] == pytest.approx(times["ask"] + times["train"])


def test_answers_of_another_run_say_nothing(root: Path, home: Path) -> None:
    _answered(root, home, "r1", 12.0, more=1)
    assert _known(root, home) == {}


@pytest.mark.parametrize("text", ["", "step\n1\n", "step,tokens,seconds\na,b,c\n"])
def test_a_damaged_clock_says_nothing(root: Path, home: Path, text: str) -> None:
    (home / "speed").mkdir(parents=True)
    (home / "speed/r0.csv").write_text(text)
    assert _known(root, home) == {}


def test_asking_is_told_by_round_and_role_and_in_all(root: Path, home: Path) -> None:
    for name, role, count in (("r0", "teacher", 60), ("r1", "referee", 120), ("r0", "judge", 40)):
        _replies(home, name, role, count, 30.0)
    times = _known(root, home)
    assert times.keys() == {"ask r0 teacher", "ask r1 referee", "ask r0 judge", "ask"}
    assert times["ask r0 teacher"] == pytest.approx(30, abs=5)
    assert times["ask"] == pytest.approx(90, abs=10)


def test_replies_of_another_run_in_the_store_make_the_sum_unknown(root: Path, home: Path) -> None:
    for name, role, count in (("r0", "teacher", 61), ("r1", "referee", 120), ("r0", "judge", 40)):
        _replies(home, name, role, count, 1.0)
    assert _known(root, home).keys() == {"ask r1 referee", "ask r0 judge"}


def test_long_pauses_are_left_out() -> None:
    assert busy_seconds([(0, 10), (5, 20)]) == 20
    assert busy_seconds([(0, 10), (10 + PAUSE + 1, 30 + PAUSE + 1)]) == 30


def test_the_page_is_the_same_whatever_the_clock_says(root: Path, home: Path) -> None:
    pages = []
    for seconds in (0.1, 0.2):
        _clock(home, "r1", seconds)
        assert report().exit_code == 0
        [times] = (root / "reports/times").iterdir()
        pages.append((root / "reports/index.html").read_bytes())
        assert json.dumps(round(TOKENS / seconds, 3)) in times.read_text()
    assert pages[0] == pages[1]


def test_the_static_page_shows_the_times_that_lie_beside_it(
    root: Path, home: Path, chromium: Browser
) -> None:
    for name in ("r0", "r1"):
        _clock(home, name, 90.0)
    for name, role, count in (("r0", "teacher", 60), ("r1", "referee", 120)):
        _replies(home, name, role, count, 3600.0)
    _answered(root, home, "r1", 3600.0)
    _two_rounds(root)
    report()
    with looking_at(chromium, (root / "reports/index.html").as_uri()) as seen:
        seen.wait_for_selector("text='5.0 h'")
        assert (
            seen.inner_text(".tile:last-child .note")
            == "asking 2.0 h, answering 60 min, training 2.0 h"
        )
        assert seen.inner_text("[data-time='speed r1']") == "6"
        assert seen.text_content("[data-time='ask r1 referee']") == "60 min"


@pytest.mark.parametrize("planted", [None, '"<img src=x onerror=alert(1)>"', '{"total": "1 s"}'])
def test_without_times_or_with_text_in_their_place_they_are_unknown(
    root: Path, chromium: Browser, planted: str | None
) -> None:
    """None: a clone that only pulled has no file beside the page, and no complaint either."""
    report()
    [times] = (root / "reports/times").iterdir()
    if planted is None:
        times.unlink()
    else:
        odd = "{train: -1, ask: NaN, 'speed r0': '<b>1</b>', 'ask r0 judge': null}"
        told = (
            f"for (const one of [{planted}, {odd}, {{'train r0': 7}}]) parent.postMessage(one, '*')"
        )
        times.write_text(f"<script>{told}</script>")
    with looking_at(chromium, (root / "reports/index.html").as_uri()) as seen:
        if planted:
            seen.wait_for_selector("text='7.0 s'")
        else:
            seen.wait_for_timeout(300)
        told = set(seen.locator("[data-time]").all_text_contents())
        assert told == ({"unknown", "7.0 s"} if planted else {"unknown"})


def test_a_frame_that_is_not_the_file_beside_is_not_heard(root: Path, chromium: Browser) -> None:
    report()
    with looking_at(chromium, (root / "reports/index.html").as_uri()) as seen:
        seen.evaluate("postMessage({total: 1}, '*')")
        seen.wait_for_timeout(200)
        assert seen.inner_text("[data-time='total']") == "unknown"


def test_lion_view_shows_them_at_once(root: Path, home: Path, chromium: Browser) -> None:
    _clock(home, "r1")
    with serving(root) as server, looking_at(chromium, server.address) as seen:
        assert seen.inner_text("[data-time='speed r1']") == "5,000"
        assert seen.inner_text("[data-time='total']") == "unknown"


def _two_rounds(root: Path) -> None:
    """Name two rounds in the parameters, so that all of them have been trained."""
    text = (root / "params.yaml").read_text()
    (root / "params.yaml").write_text(text.replace("  r2: r1\n  r3: r2\n", ""))
