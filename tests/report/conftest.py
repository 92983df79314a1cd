"""Synthetic runs, and a real Chromium to open their pages."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from lion.params import load_params
from lion.report.marks import Marks
from lion.report.static import static_page
from lion.runs.run import places_of, read_run
from tests.report.synthetic import make_run

ROOT = Path(__file__).parents[2]
CONTROL = load_params(ROOT / "params.yaml").report.control or ""
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]  # fit for containers


def chromium_path() -> str | None:
    """Return the path of Chromium; None if it is not installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


def as_project(root: Path) -> Path:
    """Copy the pipeline's dvc.yaml, params.yaml and the control that they name to `root`."""
    (root / CONTROL).parent.mkdir(parents=True, exist_ok=True)
    for name in ("dvc.yaml", "params.yaml", CONTROL):
        shutil.copyfile(ROOT / name, root / name)
    return root


def page_of(root: Path, marks: Marks | None = None) -> str:
    """Return the static page of the run in `root`."""
    params = load_params(root / "params.yaml")
    places = places_of(root)
    tables = read_run(places, params.round_names)
    return static_page(tables, params, places, marks=marks)[1]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a miniature run of four rounds, which tests must not change."""
    return as_project(make_run(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    """Return the file URL of the run's static page."""
    file = run / "index.html"
    file.write_text(page_of(run), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Yield a headless Chromium; without one, skip the test, or fail it in CI."""
    path = chromium_path()
    if path is None:
        told = "no Chromium to look at the page with: apt-get install chromium"
        pytest.fail(told) if os.environ.get("CI") else pytest.skip(told)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        yield browser
        browser.close()
