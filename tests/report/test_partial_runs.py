"""A run that is half done, or says little, gives a page that says so."""

import itertools
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import yaml
from playwright.sync_api import Browser

from lion.pools.tables import REVIEW, SCORE, VERDICT, read_table, write_table
from lion.runs.run import places_of
from tests.report.conftest import as_project, page_of
from tests.report.looking import found, looking_at
from tests.report.synthetic import Size, make_run

Change = Callable[[Path], None]


@pytest.fixture
def seen_text(chromium: Browser, tmp_path: Path) -> Callable[[Path], str]:
    """What the page of a run says, read in the browser without a complaint."""

    def read(root: Path) -> str:
        file = tmp_path / "page.html"
        file.write_text(page_of(root), encoding="utf-8")
        with looking_at(chromium, file.as_uri()) as seen:
            found(seen)
            return seen.inner_text("main")

    return read


def test_a_run_of_round_0_alone_has_no_examination(
    seen_text: Callable[[Path], str], tmp_path: Path
) -> None:
    text = seen_text(as_project(make_run(tmp_path / "run", Size(rounds=1))))
    assert "Round 0: " in text
    assert "the referee has examined no student" in text
    assert "No drafts yet." in text
    assert "No instruction has been judged yet." in text


def test_a_run_of_which_there_is_nothing_yet(
    seen_text: Callable[[Path], str], tmp_path: Path
) -> None:
    text = seen_text(as_project(tmp_path))
    assert "No student has been judged on the questions yet" in text
    assert "No pool yet." in text
    assert "No training yet." in text
    assert "No instruction matches." in text


def test_a_run_in_which_nothing_was_judged(
    seen_text: Callable[[Path], str], tmp_path: Path
) -> None:
    root = as_project(make_run(tmp_path / "run"))
    judged = (root / "data").glob("scores/*.parquet"), root.rglob("scores.parquet")
    for path in itertools.chain(*judged):
        schema = SCORE if path.name == "scores.parquet" else VERDICT
        scores = read_table(path, schema).with_columns(
            pl.lit(None, pl.Float64).alias(name) for name in ("teacher", "student", "gap")
        )
        if "verdict" in schema:
            scores = scores.with_columns(verdict=pl.lit("unjudged"))
        write_table(path, scores, schema)
    for path in root.rglob("reviews*/*.jsonl"):
        unread = read_table(path, REVIEW).with_columns(
            pl.lit(None, pl.Float64).alias(name) for name in ("teacher", "student")
        )
        write_table(path, unread, REVIEW)
    text = seen_text(root)
    assert "No student has been judged on the questions yet" in text
    assert "r1: 100.0% of rows are unjudged." in text
    assert "0/60" in text  # judged of asked, in the table of the referee


def test_a_run_that_stopped_after_its_pools(
    seen_text: Callable[[Path], str], tmp_path: Path
) -> None:
    root = as_project(make_run(tmp_path / "run"))
    for name in ("evaluation", "losses", "draws", "reviews", "responses"):
        shutil.rmtree(root / "data" / name)
    text = seen_text(root)
    assert "No training yet." in text
    assert "of instructions are still hard" in text


def test_a_run_from_before_replay(seen_text: Callable[[Path], str], tmp_path: Path) -> None:
    root = as_project(make_run(tmp_path / "run"))
    shutil.rmtree(root / "data" / "replays")
    pipeline = (root / "dvc.yaml").read_text()
    (root / "dvc.yaml").write_text(pipeline.replace("      replays: data/replays\n", ""))
    assert "replays" not in places_of(root)
    assert "of instructions are still hard" in seen_text(root)


def test_money_without_a_price_is_unknown_and_never_nothing(
    seen_text: Callable[[Path], str], tmp_path: Path
) -> None:
    root = as_project(make_run(tmp_path / "run"))
    params = yaml.safe_load((root / "params.yaml").read_text())
    (root / "params.yaml").write_text(yaml.safe_dump(params | {"model": "gpt-x"}))
    text = seen_text(root)
    assert re.search(r"At what cost\?\n[\d.]+K tokens\nMoney unknown: no price for generator", text)


def test_money_with_a_price_is_counted_without_the_generator(
    seen_text: Callable[[Path], str], tmp_path: Path
) -> None:
    root = as_project(make_run(tmp_path / "run"))
    params = yaml.safe_load((root / "params.yaml").read_text())
    prices = {
        "currency": "USD",
        "date": "2026-11-01",
        "models": {"gpt-x": {"input": 1000.0, "output": 2000.0}},
    }
    priced = params | {"model": "gpt-x", "prices": prices}
    (root / "params.yaml").write_text(yaml.safe_dump(priced))
    assert "\n≥ " in (seen := seen_text(root))
    assert "Without generator" in seen
