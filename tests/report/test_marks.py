"""A person marks verdicts in `lion view`: a real server, its file, and a browser."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Browser

from lion.evaluate.human import MARK
from lion.pools.tables import VERDICT, read_table
from lion.report.marks import Marks, wanted
from lion.report.serve import HOST, Server
from lion.report.site import Workspace
from lion.runs.run import places_of, read_run
from tests.report.conftest import as_project, page_of
from tests.report.looking import looking_at
from tests.report.synthetic import make_run
from tests.report.test_view import served

FILE = "data/marks.jsonl"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_project(make_run(tmp_path_factory.mktemp("marked")))


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Server]:
    with served(Workspace(root)) as server:
        yield server


def _post(server: Server, body: Any, **headers: str) -> tuple[int, str]:
    connection = HTTPConnection(HOST, server.server_port, timeout=10)
    own = {"Origin": server.address.rstrip("/"), "Content-Type": "application/json"}
    text = body if isinstance(body, str) else json.dumps(body)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", "/api/mark", body=text, headers=own | sent)
    answer = connection.getresponse()
    result = answer.status, answer.read().decode()
    connection.close()
    return result


def test_a_mark_is_kept_with_who_and_when_and_told(
    chromium: Browser, root: Path, server: Server
) -> None:
    with looking_at(chromium, server.address) as seen:
        seen.wait_for_selector("#marks:not([hidden])")
        assert "Nobody has marked" in seen.inner_text("#marks ul")
        seen.fill("#marks input", "Ann <b>")
        seen.locator("#marks input").blur()
        seen.click("#marks summary")
        assert seen.locator("#marks ol a").count() == 20
        seen.click("#marks ol a >> nth=0")
        right = seen.locator(".marking button", has_text="right").first
        right.click()
        seen.wait_for_selector("text=Kept as Ann <b>'s word.")
        assert right.get_attribute("aria-pressed") == "true"
        first = seen.inner_text("#instruction .task")
        seen.click("text=The next verdict to look at")
        seen.wait_for_function(
            "(old) => document.querySelector('#instruction .task').textContent !== old", arg=first
        )
        seen.keyboard.press("Escape")
        seen.wait_for_selector("#marks ul:has-text('right in 1 of 1')")
        assert seen.locator("#marks ul b").count() == 0
    [mark] = [json.loads(line) for line in (root / FILE).read_text().splitlines()]
    assert (mark["by"], mark["right"], mark["round"]) == ("Ann <b>", True, "r3")
    assert mark["when"].endswith("+00:00")
    with looking_at(chromium, f"{server.address}#i={mark['id']}") as seen:
        seen.wait_for_selector(".marking")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Length": "999999"}, 413),
    ],
)
def test_another_site_cannot_mark(
    root: Path, server: Server, headers: dict[str, str], status: int
) -> None:
    before = (root / FILE).read_text() if (root / FILE).exists() else ""
    scores = read_table(root / "data/scores/r3.parquet", VERDICT).drop_nulls("gap")
    body = {"id": scores["id"][0], "round": "r3", "right": True, "by": "Eve"}
    assert _post(server, body, **headers)[0] == status
    assert ((root / FILE).read_text() if (root / FILE).exists() else "") == before


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        {"id": "nobody", "round": "r3", "right": True, "by": "Ann"},
        {"id": "x", "round": "../r3", "right": True, "by": "Ann"},
        {"id": "x", "round": "r3", "right": "yes", "by": "Ann"},
        {"id": "x", "round": "r3", "right": True, "by": ""},
    ],
)
def test_a_mark_without_sense_is_refused(server: Server, body: Any) -> None:
    status, text = _post(server, body)
    assert status == 400
    assert "Traceback" not in text


def test_what_is_asked_for_is_doubtful_or_random_and_not_marked_yet(root: Path) -> None:
    tables = read_run(places_of(root), ["r0", "r1", "r2", "r3"])
    none = pl.DataFrame(schema=MARK)
    rows = wanted(tables, none, 1.0)
    assert len({row["id"] for row in rows}) == 20
    gaps = dict(tables.scores.filter(round="r3").select("id", "gap").iter_rows())
    doubt = [abs(gaps[row["id"]] - 1.0) for row in rows]
    assert sum(doubt[:10]) < sum(doubt[10:])
    mark = {"by": "Ann", "id": rows[0]["id"], "right": True, "round": "r3"}
    marked = pl.DataFrame([mark | {"verdict": "hard", "when": ""}], schema=MARK)
    assert rows[0]["id"] not in {row["id"] for row in wanted(tables, marked, 1.0)}


def test_the_static_page_shows_marks_and_takes_none(chromium: Browser, tmp_path: Path) -> None:
    root = as_project(make_run(tmp_path / "run"))
    scores = read_table(root / "data" / "scores" / "r3.parquet", VERDICT).drop_nulls("gap")
    ids = scores["id"].head(2).to_list()
    rows = [
        {"id": ids[0], "round": "r3", "right": True, "by": "Ann <b>", "verdict": "hard"},
        {"id": ids[0], "round": "r3", "right": False, "by": "Ann <b>", "verdict": "hard"},
        {"id": ids[1], "round": "r3", "right": True, "by": "Ann <b>", "verdict": "easy"},
        {"id": "of another run", "round": "r3", "right": True, "by": "Ben", "verdict": "easy"},
    ]
    file = root / FILE
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = root / "index.html"
    page.write_text(page_of(root, Marks(file)), encoding="utf-8")
    with looking_at(chromium, page.as_uri()) as seen:
        agreement = seen.inner_text(".person ul")
        assert "Ann <b>: the referee is right in 1 of 2 verdicts, 50% (95%: 9 to 91)" in agreement
        assert seen.locator("#marks").count() == 0
        seen.click(".person summary")
        assert seen.locator(".person ol li").count() == 1
        seen.click(".person ol a")
        seen.wait_for_selector("#instruction[open]")
        assert "Ann <b> says wrong" in seen.inner_text("#instruction")
        assert seen.locator("#instruction .marking button").count() == 0
    page.write_text(page_of(root, Marks(root / "none.jsonl")), encoding="utf-8")
    with looking_at(chromium, page.as_uri()) as seen:
        assert seen.locator(".person").count() == 0
