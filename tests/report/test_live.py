"""`lion view` on a run under way: a real store of replies, DVC's lock, a living process."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser

from lion.chat.store import Store
from lion.chat.types import Caller, Reply
from lion.pools.tables import VERDICT, read_table, write_table
from lion.report.site import Workspace
from lion.runs.run import places_of
from lion.runs.running import running_stage
from lion.support.timing import Standing, Took
from tests.report.conftest import as_project
from tests.report.looking import PATIENCE
from tests.report.synthetic import make_run
from tests.report.test_view import served

REFEREE = Caller("referee", "referee", "r3", "http://localhost:1/v1", "gpt-x", "live")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose referee examines round 3 now, under this very process."""
    root = as_project(make_run(tmp_path))
    monkeypatch.chdir(root)
    monkeypatch.setenv("LION_HOME", str(root / ".lion"))
    lock(root, os.getpid())
    return root


def lock(root: Path, pid: int, out: str = "data/reviews/r3.jsonl") -> None:
    """Write DVC's lock as it is while a stage runs that writes `out`."""
    file = root / ".dvc" / "tmp" / "rwlock"
    file.parent.mkdir(parents=True, exist_ok=True)
    owner = {"pid": pid, "cmd": "dvc repro"}
    file.write_text(json.dumps({"write": {str(root / out): owner}, "read": {}}))


def keep(root: Path, numbers: range) -> None:
    (root / ".lion").mkdir(exist_ok=True)
    with Store(root / ".lion" / "replies.sqlite") as store:
        entry = store.entry(REFEREE)
        for number in numbers:
            reply = Reply(
                text=f"verdict <b>{number}</b>",
                finish_reason="stop",
                model="gpt-x",
                prompt_tokens=30,
                completion_tokens=20,
            )
            store.keep(number.to_bytes(32, "big"), entry, reply, 0.1)


def test_a_run_under_way_tells_its_stage_and_loads_itself_again(
    chromium: Browser, root: Path
) -> None:
    keep(root, range(12))
    with served(Workspace(root)) as server:
        context = chromium.new_context()
        context.set_default_timeout(PATIENCE)
        seen = context.new_page()
        seen.goto(server.address)
        seen.wait_for_selector("#live:not([hidden])")
        text = seen.inner_text("#live p")
        assert "referee@r3 has run for" in text
        # The pool of r0 to r2 in params.yaml's sizes: 60 seeds and twice 600 new, in both orders.
        assert re.search(r"12 of 2,520 replies · [\d.]+ a (second|minute) ·", text)
        unknown = "time left unknown until generate, teach, imitate, evaluate have been measured"
        assert unknown in text
        seen.click("#live summary")
        assert seen.locator("#live li bdi").first.inner_text() == "verdict <b>11</b>"
        assert seen.locator("#live li b").count() == 6  # the roles; a reply is text
        seen.click("#live summary")
        scores = root / "data/scores/r3.parquet"
        write_table(scores, read_table(scores, VERDICT).head(5), VERDICT)
        seen.wait_for_selector("[data-round=r3] .count:text('5 in all')")
        context.close()


@pytest.mark.parametrize(
    ("out", "stage"),
    [
        ("data/pools/train/r0.jsonl", ("seed", "r0", "")),
        ("data/pools/train/r2.jsonl", ("generate", "r2", "generator")),
        ("data/evaluation/r1", ("evaluate", "r1", "judge")),
        ("data/students/r1", None),
    ],
)
def test_the_stage_is_told_by_what_it_writes(
    root: Path, out: str, stage: tuple[str, str, str] | None
) -> None:
    lock(root, os.getpid(), out)
    running = running_stage(root, places_of(root))
    assert (running and running[:3]) == stage


@pytest.fixture
def ended() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_lock_that_a_killed_run_left_is_no_run(root: Path, ended: int) -> None:
    places = places_of(root)
    stage = running_stage(root, places)
    assert stage is not None
    assert stage[:3] == ("referee", "r3", "referee")
    lock(root, ended)
    assert running_stage(root, places) is None
    (root / ".dvc/tmp/rwlock").write_text("")
    assert running_stage(root, places) is None


def test_tables_that_a_stage_is_about_to_write_leave_the_page_as_it_was(root: Path) -> None:
    workspace = Workspace(root)
    before = workspace.site
    params = (root / "params.yaml").read_text()
    (root / "data/scores/r3.parquet").write_bytes(b"half")
    workspace.renew()
    assert workspace.site is before
    (root / "data/scores/r3.parquet").unlink()
    workspace.renew()
    assert workspace.site is not before
    assert (root / "params.yaml").read_text() == params


def note(root: Path, *stages: tuple[str, str, float]) -> None:
    """Write what the stages themselves note: the seconds that they took."""
    (root / ".lion").mkdir(exist_ok=True)
    took = [Took(stage, name, seconds, 1.0, time.time()) for stage, name, seconds in stages]
    lines = (json.dumps(one) + "\n" for one in took)
    (root / ".lion" / "stages.jsonl").write_text("".join(lines))


def test_the_time_left_counts_training_and_answering_by_their_rows(root: Path) -> None:
    """After training r2: evaluate r2, and all of r3, whose cache pool is a half larger."""
    lock(root, os.getpid(), "data/losses/r2.jsonl")
    minute = [("respond", "r2", 60.0), ("referee", "r2", 60.0), ("generate", "r2", 60.0)]
    note(root, *minute, ("teach", "r2", 60.0), ("imitate", "r1", 90.0), ("evaluate", "r1", 30.0))
    for name in ("r2", "r3"):
        shutil.rmtree(root / "data" / "evaluation" / name)
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["generate"]["count"] = 60  # as many as seeds
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    os.utime(root / "params.yaml", (0, 0))
    shown = Workspace(root).now()
    assert shown["unmeasured"] == []
    # r2: 90 for imitate, 30 for evaluate. r3: 90 to respond and to judge, 60, 60, 90 and 30.
    whole = 90 + 30 + 90 + 90 + 60 + 60 + 90 + 30
    assert shown["left"] == pytest.approx(whole - shown["seconds"], abs=2)
    assert shown["done"] is None


def test_a_student_in_training_tells_its_steps(root: Path) -> None:
    lock(root, os.getpid(), "data/losses/r3.jsonl")
    note(root, ("evaluate", "r2", 30.0))
    shutil.rmtree(root / "data" / "evaluation" / "r3")
    os.utime(root / "params.yaml", (0, 0))
    now = time.time()
    standing = Standing("imitate", "r3", "steps", 100, 150, 400, now - 49, now + 1)
    (root / ".lion" / "progress.json").write_text(json.dumps(standing))
    shown = Workspace(root).now()
    assert (shown["done"], shown["total"], shown["unit"], shown["rate"]) == (150, 400, "steps", 1.0)
    assert shown["left"] == pytest.approx(250 + 30, abs=3)


def test_times_under_other_parameters_do_not_count(root: Path) -> None:
    lock(root, os.getpid(), "data/losses/r3.jsonl")
    note(root, ("imitate", "r2", 60.0), ("evaluate", "r2", 30.0))
    later = time.time() + 60
    os.utime(root / "params.yaml", (later, later))
    shown = Workspace(root).now()
    assert (shown["left"], shown["unmeasured"]) == (None, ["imitate", "evaluate"])
