"""A light run: what the report needs without the memory of every answer and reply."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from lion.pools.cache import usable
from lion.pools.tables import REVIEW, from_rows, write_table
from lion.runs.run import Places, Tables, places_of, read_run, with_texts
from tests.report.conftest import as_project
from tests.report.synthetic import make_run
from tests.repository import ROOT

ROUNDS = ["r0", "r1"]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return places_of(as_project(make_run(tmp_path_factory.mktemp("run"))))


@pytest.fixture(scope="module")
def whole(places: Places) -> Tables:
    return read_run(places, ROUNDS)


def test_it_lacks_answers_and_readable_replies_and_nothing_else(
    places: Places, whole: Tables
) -> None:
    light = read_run(places, ROUNDS, light=True)
    unreadable = pl.col("student").is_null()
    assert light.reviews.filter(unreadable).equals(whole.reviews.filter(unreadable))
    assert light.reviews.filter(~unreadable)["reply"].is_null().all()
    assert light.reviews.drop("reply").equals(whole.reviews.drop("reply"))
    assert light.answers.drop("answer").equals(whole.answers.drop("answer"))
    assert light.answers["answer"].str.len_chars().max() == 1
    assert usable(light.answers)["id"].equals(usable(whole.answers)["id"])
    assert light.pool.equals(whole.pool)
    assert light.judged.equals(whole.judged)


def test_texts_of_some_instructions_are_read_whole(places: Places, whole: Tables) -> None:
    ids = whole.reviews["id"].unique(maintain_order=True).to_list()[3:9]
    few = with_texts(read_run(places, ROUNDS, light=True), places, ids)
    for name in ("answers", "responses", "reviews"):
        assert getattr(few, name).equals(getattr(whole, name).filter(pl.col("id").is_in(ids)))


def test_reading_takes_the_memory_of_a_block_not_of_the_file(tmp_path: Path) -> None:
    rows = [
        dict.fromkeys(REVIEW) | {"id": f"{n:016}", "attempt": 0, "reply": f"{n} " * 4000}
        for n in range(4000)
    ]
    scores = {"student": 7.0, "teacher": 8.0, "order": "teacher_first"}
    table = from_rows([row | scores for row in rows], REVIEW)
    (tmp_path / "reviews").mkdir()
    write_table(tmp_path / "reviews/r1.jsonl", table, REVIEW)
    size = (tmp_path / "reviews/r1.jsonl").stat().st_size
    assert size > 60e6
    light, full = (_growth(tmp_path, light=light) for light in (True, False))
    assert full > size
    assert light < full / 2


def _growth(folder: Path, *, light: bool) -> int:
    """Return by how many bytes the peak memory of a process grows that reads the run."""
    code = (
        "import re, sys; from pathlib import Path; from lion.runs.run import read_run\n"
        "def peak(): return 1024 * int(re.search(\n"
        "    r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        "before = peak()\n"
        f"read_run({{'reviews': Path(sys.argv[1]) / 'reviews'}}, ['r0', 'r1'], light={light})\n"
        "print(peak() - before)\n"
    )
    command = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return int(done.stdout)
