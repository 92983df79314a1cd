"""Pages in a browser, whose complaints fail the test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page

SETTLED = "#list-matches[aria-busy=false]"
PATIENCE = 120_000  # milliseconds; a busy machine starts a browser slowly


@contextmanager
def looking_at(browser: Browser, address: str, **context: Any) -> Iterator[Page]:
    """Yield the page at `address` when it is ready; fail if the browser logs anything meanwhile."""
    opened = browser.new_context(**context)
    opened.set_default_timeout(PATIENCE)
    page = opened.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    page.goto(address)
    page.wait_for_selector(SETTLED)
    yield page
    opened.close()
    assert complaints == []


def found(page: Page) -> int:
    """Return how many instructions the list says it found, once it has settled."""
    page.wait_for_selector(SETTLED)
    text = page.inner_text("#list-matches")
    return 0 if text.startswith("No") else int(text.split()[-1].replace(",", ""))
