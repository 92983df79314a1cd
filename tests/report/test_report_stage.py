"""The report stage: one command writes the metrics, tables, page, figures and plots' template."""

import hashlib
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest
import yaml
from click.testing import CliRunner, Result

from lion.pools.tables import LOSS, VERDICT, from_rows, read_table, write_table
from stages.report import main
from tests.report.conftest import as_project
from tests.report.synthetic import make_run
from tests.stages.player import steps


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run after its report, and what the stage printed."""
    root = as_project(make_run(tmp_path_factory.mktemp("reported")))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        result = report()
    assert result.exit_code == 0, result.output
    return root, result.output


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return as_project(make_run(tmp_path))


def report() -> Result:
    """Run the stage exactly as dvc.yaml does."""
    args = steps(yaml.safe_load(Path("params.yaml").read_text()))["report"].args
    return CliRunner().invoke(main, args)


def _set(**changes: Any) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump(_laid_over(params, changes)))


def _laid_over(params: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return `params` with the changed keys of their sections."""
    return params | {name: params[name] | keys for name, keys in changes.items()}


def test_it_writes_everything_and_prints_the_rounds(reported: tuple[Path, str]) -> None:
    root, output = reported
    first = [line.split()[0] for line in output.splitlines()]
    assert first[:5] == ["round", "r0", "r1", "r2", "r3"]
    tables = {path.name for path in (root / "reports/tables").iterdir()}
    assert tables == {"rounds.csv", "quality.csv", "categories.csv", "gaps.csv", "losses.csv"}
    assert (root / "reports/index.html").stat().st_size < 5_000_000


def test_the_metrics_are_those_of_the_last_round(reported: tuple[Path, str]) -> None:
    root, _ = reported
    metrics = json.loads((root / "reports/metrics.json").read_text())
    scores = [
        pl.read_parquet(root / f"data/evaluation/r{number}/scores.parquet").drop_nulls("gap")
        for number in range(4)
    ]
    quality = [round(100 * s["student"].sum() / s["teacher"].sum(), 2) for s in scores]
    assert list(metrics["quality"].values()) == quality
    assert metrics["relative_quality"] == quality[-1]
    assert metrics["gain"] == round(quality[-1] - quality[0], 2)
    verdicts = read_table(root / "data/scores/r3.parquet", VERDICT).drop_nulls("gap")
    assert metrics["hard_share"] == round((verdicts["verdict"] == "hard").mean() or 0, 4)


def test_twice_gives_the_same_bytes(reported: tuple[Path, str], root: Path) -> None:
    def digests(folder: Path) -> dict[str, str]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        }

    report()
    assert digests(root / "reports") == digests(reported[0] / "reports")


def test_figures_stand_alone(reported: tuple[Path, str]) -> None:
    root, _ = reported
    figures = sorted((root / "reports/figures").glob("*.svg"))
    assert {figure.stem for figure in figures} >= {"quality", "hard-share", "gap-r3", "loss"}
    for figure in figures:
        text = figure.read_text()
        assert "var(" not in text
        assert 'width="84mm"' in text
        assert 'fill="#ffffff"' in text.split(">")[1]  # readable where the page around it is dark
        assert ElementTree.fromstring(text).tag.endswith("svg")


def test_a_control_is_drawn_beside_the_quality(root: Path) -> None:
    Path("control.csv").write_text("round,new,quality\nr0,60,40.5\nr1,20,\nr2,20,55.5\n")
    _set(report={"control": "control.csv"})
    assert report().exit_code == 0
    figure = (root / "reports/figures/quality.svg").read_text()
    assert ">dashed: control<" in figure
    assert "quality: 55.5" in figure


def test_marks_stand_on_the_page(root: Path) -> None:
    mark = '{"by": "Ann", "id": "x", "round": "r1", "right": true, "verdict": "hard"}'
    Path("marks.jsonl").write_text(f"{mark}\n")
    _set(report={"marks": "marks.jsonl"})
    assert report().exit_code == 0
    page = (root / "reports/index.html").read_text()
    assert "Ann: the referee is right in 1 of 1 verdicts" in page


@pytest.mark.parametrize(
    "text", [None, "", "a,b\n1,2\n", "round,quality\nx,y\n", "round,quality\n0,55.5\n1,60.0\n"]
)
def test_a_control_that_is_none_is_named_in_one_line(root: Path, text: str | None) -> None:
    if text is not None:
        Path("control.csv").write_text(text)
    _set(report={"control": "control.csv"})
    result = report()
    assert result.exit_code == 1
    assert result.output.startswith("Error: report.control: control.csv is not a table")
    assert len(result.output.splitlines()) == 1


def test_the_page_keeps_to_its_limit_and_says_what_it_left_out(root: Path) -> None:
    _set(report={"each": 60, "megabytes": 0.1})
    report()
    page = (root / "reports/index.html").read_text()
    assert "more did not fit" in page
    assert 0 < page.count('"ancestors"') < 40


def test_hidden_characters_in_categories_do_not_break_the_charts(root: Path) -> None:
    questions = (root / "data/questions/evaluate.jsonl").read_text()
    odd = '"category":"' + "\\u0007\\u202e" + "🙂" * 60
    (root / "data/questions/evaluate.jsonl").write_text(questions.replace('"category":"', odd))
    assert report().exit_code == 0
    figure = (root / "reports/figures/quality-by-category.svg").read_text()
    assert "⟦U+0007⟧⟦U+202E⟧" in figure


def test_a_damaged_table_is_named_in_one_line(root: Path) -> None:
    (root / "data/losses/r2.jsonl").write_text('{"step": 1')
    result = report()
    assert result.exit_code == 1
    assert result.output.startswith("Error: data/losses/r2.jsonl: not a table")
    assert not (root / "reports").exists()


def test_long_training_is_thinned_for_the_chart_only(root: Path) -> None:
    rows = [
        {"step": step, "loss": 1.0, "learning_rate": 0.1, "grad_norm": 1.0, "tokens": 9}
        for step in range(1, 5001)
    ]
    write_table(root / "data/losses/r0.jsonl", from_rows(rows, LOSS), LOSS)
    report()
    assert (root / "reports/figures/loss.svg").stat().st_size < 40_000
    assert pl.read_csv(root / "reports/tables/losses.csv").filter(round="r0").height == 5000
