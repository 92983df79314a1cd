"""Other revisions are read by DVC, from its cache or a remote, and plots work without a network."""

import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from playwright.sync_api import Browser

from lion.cli import main
from lion.report.drawing import plots_page
from lion.report.site import site_of
from lion.runs.revision import open_revisions
from lion.support.errors import InputError
from tests.report.conftest import ROOT, as_project
from tests.report.looking import PATIENCE
from tests.report.synthetic import Size, make_run
from tests.repository import begin, environment, run


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two tagged revisions, `one` and `two`, whose data DVC keeps."""
    for name, value in environment(tmp_path / "site").items():
        monkeypatch.setenv(name, value)
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    begin(root)
    for tag, seed in (("one", 1), ("two", 2)):
        as_project(make_run(root, Size(seeds=30, new=10), seed=seed))
        _keep_the_places_alone(root / "dvc.yaml")
        run("dvc", "add", "--quiet", "data")
        run("git", "add", "--all")
        run("git", "commit", "--quiet", "--message", tag)
        run("git", "tag", tag)
    return root


def _keep_the_places_alone(file: Path) -> None:
    """They tell where the tables are; the data itself is added by hand."""
    file.write_text(yaml.safe_dump({"vars": yaml.safe_load(file.read_text())["vars"]}))


def test_two_revisions_are_read_as_they_were(project: Path) -> None:
    with open_revisions("one", "two") as opened:
        for revision in opened:
            revision.fetch()
        one, two = site_of([(revision.label, revision.folder) for revision in opened]).indexes
    assert one.pool.height == two.pool.height == 60
    assert not set(one.pool["id"]) & set(two.pool["id"])
    assert two.pool["id"].to_list() == site_of([("now", project)]).indexes[0].pool["id"].to_list()


def test_a_clone_with_an_empty_cache_reads_from_the_remote(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("dvc", "remote", "add", "--default", "--quiet", "folder", str(tmp_path / "remote"))
    run("git", "commit", "--quiet", "--all", "--message", "remote")
    run("dvc", "push", "--quiet")
    run("git", "clone", "--quiet", str(project), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    shutil.rmtree(project / ".dvc" / "cache")
    with open_revisions("HEAD") as [revision]:
        revision.fetch()
        assert site_of([("HEAD", revision.folder)]).indexes[0].pool.height == 60


def test_a_pipeline_that_names_paths_outside_the_project_is_refused(project: Path) -> None:
    text = (project / "dvc.yaml").read_text()
    for elsewhere in ("/etc", "../../etc"):
        (project / "dvc.yaml").write_text(text.replace("draws: data/draws", f"draws: {elsewhere}"))
        with open_revisions("workspace") as [revision], pytest.raises(InputError, match="outside"):
            revision.fetch()


@pytest.mark.parametrize("revision", ["nowhere", "0000000"])
def test_an_unknown_revision_is_one_line(project: Path, revision: str) -> None:
    result = CliRunner().invoke(main, ["view", "--rev", revision])
    assert result.exit_code == 1
    told = [line for line in result.output.splitlines() if not line.startswith("reading")]
    assert len(told) == 1
    assert told[0].startswith(
        f"Error: {revision}: no git revision, tag or experiment has this name"
    )


def test_data_that_is_nowhere_is_one_line(project: Path) -> None:
    shutil.rmtree(project / ".dvc" / "cache")
    result = CliRunner().invoke(main, ["view", "--rev", "one"])
    assert result.exit_code == 1
    assert "is not in the cache, and no remote is set" in result.output
    assert "commit your own run (`git commit -am 'My run'`)" in result.output
    assert "Traceback" not in result.output


def test_outside_a_repository_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["view", "--rev", "HEAD"])
    assert result.exit_code == 1
    assert "not in a DVC project" in result.output


CSV = {
    "quality.csv": "round,quality,quality_low,quality_high\n0,50,45,55\n1,60,56,64\n",
    "gaps.csv": "round,gap,rows\nr1,0.0,3\nr1,0.5,4\n",
    "losses.csv": "round,step,loss\nr0,1,2.5\nr0,2,1.5\nr1,1,1.4\n",
}


def test_dvc_plots_draw_without_a_network(project: Path, chromium: Browser) -> None:
    """The project's own plots, of the workspace and against another revision."""
    plots = yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]
    (project / "dvc.yaml").write_text(yaml.safe_dump({"plots": plots}))
    shutil.copytree(ROOT / "lion/report/assets", project / "lion/report/assets", dirs_exist_ok=True)
    (project / "reports/tables").mkdir(parents=True)
    for name, text in CSV.items():
        (project / "reports/tables" / name).write_text(text)
    shutil.copyfile(ROOT / ".dvc/config", project / ".dvc/config")
    (project / "reports/plots.html").write_text(plots_page())
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "--message", "plots")
    (project / "reports/tables/quality.csv").write_text(
        "round,quality,quality_low,quality_high\n0,50,45,55\n1,70,66,75\n"
    )
    for command in (["show"], ["diff", "HEAD"]):
        run("dvc", "plots", *command)
        opened = chromium.new_context(offline=True)
        opened.set_default_timeout(PATIENCE)
        page = opened.new_page()
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto((project / "dvc_plots/index.html").as_uri())
        page.wait_for_function("document.querySelectorAll('.vega-embed svg.marks').length === 3")
        labels = page.locator("svg.marks >> nth=0 >> .role-axis-label >> nth=0")
        assert list(filter(None, labels.locator("text").all_text_contents())) == ["0", "1"]
        intervals = page.locator("svg.marks >> nth=0 >> [aria-label*='quality_high']")
        assert intervals.count() > 0
        assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
        opened.close()
