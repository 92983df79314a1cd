"""`lion view` of several runs, and what the command says when it cannot show one."""

import re
import shutil
import socket
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser

from lion.cli import main
from lion.pools.tables import SCORE, read_table, write_table
from lion.report.serve import HOST
from lion.report.site import site_of
from tests.report.conftest import CONTROL, as_project
from tests.report.looking import found, looking_at
from tests.report.synthetic import Size, make_run
from tests.report.test_view import serving


def test_three_runs_are_compared_before_they_stand_side_by_side(
    chromium: Browser, run: Path, tmp_path: Path
) -> None:
    """`other` has another tau and fewer rounds; `third` the same questions and more skill."""
    other = as_project(make_run(tmp_path / "other", Size(rounds=3), seed=2, tau=2.0))
    text = (other / "params.yaml").read_text()
    (other / "params.yaml").write_text(text.replace("tau: 1.0", "tau: 2.0"))
    third = tmp_path / "third"
    shutil.copytree(run, third)
    for path in third.rglob("evaluation/*/scores.parquet"):
        scores = read_table(path, SCORE).with_columns(pl.col("student") + 1, pl.col("gap") - 1)
        write_table(path, scores, SCORE)
    with serving(run, other, third) as server, looking_at(chromium, server.address) as seen:
        lines = seen.locator("#compared .difference")
        assert "no question in common after r3" not in lines.nth(0).inner_text()
        assert "nothing can be paired" in lines.nth(0).inner_text()
        assert re.search(r"\+1\d\.\d points of quality after r3", lines.nth(1).inner_text())
        assert seen.inner_text(".params tbody tr >> nth=0").split() == ["tau", "1.0", "2.0", "1.0"]
        assert "both hard shares are counted at tau 1.0" in seen.inner_text("#compared")
        assert seen.locator(".differences").nth(0).locator("tbody tr").count() == 4
        assert seen.locator("#glance .side").count() == 3
        assert seen.locator(".chart svg text", has_text="dotted: third").count() == 2
        assert found(seen) == 120
        seen.select_option("#filter [name=run]", "1")
        assert found(seen) == 100
        seen.locator(".tau input").nth(1).fill("-9")
        assert "(100.0%)" not in seen.locator(".gaps").nth(0).inner_text()
        assert "(100.0%)" in seen.locator(".gaps").nth(1).inner_text()
        seen.click("#list .open >> nth=0")
        seen.wait_for_selector("#instruction .side")
        assert seen.locator("#instruction .side").count() == 3
        assert seen.locator("#instruction .empty", has_text="Not in this run").count() == 2


def test_a_later_run_may_have_more_rounds(chromium: Browser, run: Path, tmp_path: Path) -> None:
    longer = as_project(make_run(tmp_path, Size(rounds=5)))
    text = (longer / "params.yaml").read_text().replace("  r3: r2\n", "  r3: r2\n  r4: r3\n")
    (longer / "params.yaml").write_text(text.replace("tau: 1.0", "tau: 1.25"))
    with serving(run, longer) as server, looking_at(chromium, server.address) as seen:
        seen.wait_for_selector("#questions tbody tr")
        heads = seen.locator("#questions thead th").all_inner_texts()
        assert [head for head in heads if head.startswith("r")] == ["r0", "r1", "r2", "r3", "r4"]
        assert seen.locator("#questions thead th", has_text="r4").locator("button").count() == 0
        assert seen.locator(".tau output").all_inner_texts() == ["1.0", "1.25"]
        assert seen.locator(".tau input").nth(1).input_value() == "1.25"


def test_a_port_in_use_is_one_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["view", "--port", str(port)])
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: --port: cannot use {port}")


def test_five_revisions_are_one_too_many(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)
    result = CliRunner().invoke(main, ["view", *(f"--rev={name}" for name in "abcde")])
    assert result.exit_code == 1
    assert "5 revisions given" in result.output


def test_a_folder_that_is_no_project_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["view"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: dvc.yaml: no such file")


def test_a_project_without_tables_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(as_project(tmp_path))
    result = CliRunner().invoke(main, ["view"])
    assert result.exit_code == 1
    assert "no pool yet" in result.output


def test_a_subfolder_of_a_project_is_as_good_as_its_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = as_project(tmp_path)
    (root / ".dvc").mkdir(exist_ok=True)
    (root / "notes" / "deep").mkdir(parents=True)
    monkeypatch.chdir(root / "notes" / "deep")
    result = CliRunner().invoke(main, ["view"])
    assert "no pool yet" in result.output  # params.yaml was found


def test_a_subfolder_of_a_project_reads_the_control(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = as_project(make_run(tmp_path))
    (root / ".dvc").mkdir()
    (root / CONTROL).write_text("round,quality\nr0,40.5\nr1,77.5\n")
    (root / "notes").mkdir()
    monkeypatch.chdir(root / "notes")
    assert "dashed: control" in site_of([("this run", root)]).page
