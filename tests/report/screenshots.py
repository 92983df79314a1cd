"""Remake the README's screenshots from a run's page: python -m tests.report.screenshots."""

from pathlib import Path

import click
from playwright.sync_api import sync_playwright

from tests.report.conftest import CHROMIUM, chromium_path
from tests.report.looking import found, looking_at

SIZE = {"width": 1180, "height": 740}


@click.command()
@click.option("--page", type=click.Path(path_type=Path, exists=True), default="reports/index.html")
@click.option("--out", type=click.Path(path_type=Path), default="docs/images")
def main(page: Path, out: Path) -> None:
    """One of the first screen in light colours, one of an opened instruction in dark ones."""
    path = chromium_path()
    if path is None:
        raise click.ClickException("no Chromium here: apt-get install chromium")
    out.mkdir(parents=True, exist_ok=True)
    address = page.resolve().as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        with looking_at(browser, address, viewport=SIZE, color_scheme="light") as seen:
            seen.screenshot(path=out / "report.png")
        with looking_at(browser, address, viewport=SIZE, color_scheme="dark") as seen:
            seen.select_option("[name=kind]", "improved")
            seen.select_option("#filter [name=sort]", "change")
            found(seen)
            seen.click("#list .open >> nth=0")
            seen.locator("#instruction summary").first.click()
            seen.screenshot(path=out / "instruction.png")
        browser.close()


if __name__ == "__main__":
    main()
