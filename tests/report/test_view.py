"""`lion view`: a real server on loopback, asked over HTTP and looked at in a browser."""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET, create_connection
from struct import pack
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import polars as pl
import pytest
from playwright.sync_api import Browser

from lion.report.browse import as_csv
from lion.report.serve import HOST, Server
from lion.report.site import Site, Workspace, site_of
from tests.report.conftest import as_project
from tests.report.looking import PATIENCE, found, looking_at
from tests.report.synthetic import Size, make_run

Ask = Callable[..., HTTPResponse]


@contextmanager
def serving(*roots: Path) -> Iterator[Server]:
    """A server of these runs, on a free port."""
    with served(site_of([(root.name, root) for root in roots])) as server:
        yield server


@contextmanager
def served(shown: Site | Workspace) -> Iterator[Server]:
    """A server of this site, on a free port."""
    with Server(shown, 0) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def server(run: Path) -> Iterator[Server]:
    with serving(run) as server:
        yield server


@pytest.fixture
def ask(server: Server) -> Iterator[Ask]:
    """Asks the server for a path, as a browser or somebody else would."""
    connection = HTTPConnection(HOST, server.server_port, timeout=10)

    def get(path: str, **headers: str) -> HTTPResponse:
        connection.request("GET", path, headers=headers)
        return connection.getresponse()

    yield get
    connection.close()


def _listed(ask: Ask, **fields: str) -> Any:
    answer = ask(f"/api/instructions?{urlencode(fields)}")
    return json.loads(answer.read())


def test_it_pages_through_every_instruction(ask: Ask) -> None:
    pages = [_listed(ask, offset=str(start), limit="50") for start in (0, 50, 100)]
    ids = [row["id"] for page in pages for row in page["rows"]]
    assert pages[0]["total"] == 120
    assert len(set(ids)) == 120


@pytest.mark.parametrize(
    ("fields", "holds"),
    [
        ({"verdict": "hard"}, lambda row: row["verdict"] == "hard"),
        ({"verdict": "unexamined"}, lambda row: row["gap"] is None and row["round"] == "r3"),
        ({"origin": "easy"}, lambda row: row["origin"] == "easy"),
        ({"joined": "r1"}, lambda row: row["round"] == "r1"),
        ({"low": "2", "high": "3"}, lambda row: 2 <= row["gap"] <= 3),
        ({"text": "RIVER stone"}, lambda row: "river" in row["text"] and "stone" in row["text"]),
    ],
)
def test_filters_keep_what_they_name(
    ask: Ask, fields: dict[str, str], holds: Callable[[dict[str, Any]], bool]
) -> None:
    answer = _listed(ask, limit="200", **fields)
    assert 0 < answer["total"] < 120
    assert all(holds(row) for row in answer["rows"])


@pytest.mark.parametrize("sort", ["gap", "change", "student", "teacher", "length", "text"])
@pytest.mark.parametrize("down", ["0", "1"])
def test_rows_are_sorted_and_the_unknown_comes_last(ask: Ask, sort: str, down: str) -> None:
    rows = _listed(ask, sort=sort, down=down, limit="200")["rows"]
    values = [row[sort] for row in rows]
    known = [value.lower() if sort == "text" else value for value in values if value is not None]
    assert known == sorted(known, reverse=down == "1")
    assert values[len(known) :] == [None] * (len(values) - len(known))


def test_a_filtered_list_is_downloaded_whole(ask: Ask) -> None:
    fields = {"verdict": "easy", "tau": "4", "sort": "student", "form": "jsonl"}
    answer = ask(f"/api/download?{urlencode(fields)}")
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    rows = [json.loads(line) for line in answer.read().decode().splitlines()]
    assert 0 < len(rows) < 120
    assert all(row["gap"] < 4 and row["verdict"] == "easy" for row in rows)
    assert {"instruction", "input", "parent"} < set(rows[0])
    table = ask(f"/api/download?{urlencode(fields | {'form': 'csv'})}").read().decode()
    assert len(list(csv.reader(table.splitlines()))) == len(rows) + 1
    refused = ask("/api/download?form=exe")
    assert (refused.status, refused.read()) == (400, b"form exe: use csv or jsonl")


def test_a_cell_that_a_spreadsheet_would_run_is_text() -> None:
    cells = as_csv(pl.DataFrame({"a": ["=1+1", "@x", "-1", "plain"], "gap": [-1.0, 1.0, 0.0, 2.0]}))
    assert cells == "a,gap\n'=1+1,-1.0\n'@x,1.0\n'-1,0.0\nplain,2.0\n"


def test_an_examination_shows_its_own_scores(ask: Ask) -> None:
    first = _listed(ask, exam="r1", verdict="hard", limit="200")
    assert {row["round"] for row in first["rows"]} == {"r0"}


def test_an_instruction_is_told_in_full(ask: Ask) -> None:
    id = _listed(ask, exam="r3", joined="r1")["rows"][0]["id"]
    (detail,) = json.loads(ask(f"/api/instruction?id={id}").read())
    assert [exam["round"] for exam in detail["exams"]] == ["r2", "r3"]
    assert [exam["by"] for exam in detail["exams"]] == ["r1", "r2"]
    orders = [review["order"] for review in detail["exams"][0]["reviews"]]
    assert orders == ["teacher_first", "student_first"]
    assert detail["ancestors"][-1]["origin"] == "seed"
    assert detail["teacher"]["text"]


def test_an_unknown_instruction_is_unknown(ask: Ask) -> None:
    assert json.loads(ask("/api/instruction?id=nobody").read()) == [None]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=9999",
        "limit=18446744073709551617",
        "offset=-1",
        "offset=18446744073709551616",
        f"offset={'9' * 5000}",
        "low=x",
        "sort=id",
        "run=1",
        "run=x",
        "run=99999999999999999999",
        f"run={'9' * 5000}",
    ],
)
def test_a_question_without_sense_is_refused(ask: Ask, query: str) -> None:
    answer = ask(f"/api/instructions?{query}")
    assert answer.status == 400
    assert "Traceback" not in answer.read().decode()


@pytest.mark.parametrize(
    "line",
    [
        b"GET //[ HTTP/1.1",
        b"GET http://[::1/ HTTP/1.1",
        b"GET /\xff\x00?offset=%ff%00 HTTP/1.1",
        b"GET / HTTP/9.9",
        b"GET",
        b"\x16\x03\x01\x02\x00",  # TLS
        b"BREW / HTTP/1.1",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1",
    ],
)
def test_a_malformed_request_is_no_traceback(
    server: Server, ask: Ask, line: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with create_connection((HOST, server.server_port), timeout=10) as connection:
        host = f"Host: {HOST}:{server.server_port}".encode()
        connection.sendall(b"\r\n".join([line, host, b"Connection: close", b"", b""]))
        with suppress(ConnectionResetError):
            assert b" 200 " not in connection.recv(1000)
    assert ask("/").status == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_client_that_leaves_is_no_traceback(
    server: Server, ask: Ask, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(5):
        connection = create_connection((HOST, server.server_port))
        connection.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))  # close with a reset
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}:{server.server_port}\r\n\r\n".encode())
        connection.close()
    assert ask("/").status == 200
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("path", ["/", "/api/instructions", "/api/instruction?id=x"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1.evil.example:80", ""])
def test_a_site_that_points_its_name_here_gets_nothing(ask: Ask, path: str, host: str) -> None:
    answer = ask(path, Host=host)
    assert (answer.status, answer.read()) == (403, b"This server answers on loopback only.")


def test_files_are_not_served(ask: Ask) -> None:
    for path in ("/params.yaml", "/../params.yaml", "/%2e%2e/params.yaml", "/api/"):
        answer = ask(path)
        assert answer.status == 404
        answer.read()


def test_only_loopback_listens(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_the_served_page_lists_opens_and_leads_to_the_parent(
    chromium: Browser, server: Server
) -> None:
    with looking_at(chromium, server.address) as seen:
        assert found(seen) == 120
        seen.select_option("[name=origin]", "hard")
        assert 0 < found(seen) < 120
        seen.click("#list .open >> nth=0")
        seen.wait_for_selector("#instruction .task")
        child = seen.inner_text("#instruction .task")
        seen.click("#instruction .kin a >> nth=0")
        seen.wait_for_function(
            "(old) => document.querySelector('#instruction .task').textContent !== old", arg=child
        )
        seen.go_back()
        seen.wait_for_function(
            "(old) => document.querySelector('#instruction .task').textContent === old", arg=child
        )


def test_a_server_that_has_ended_is_said_so(chromium: Browser, run: Path) -> None:
    opened = chromium.new_context()
    opened.set_default_timeout(PATIENCE)
    with serving(run) as server:
        seen = opened.new_page()
        seen.goto(server.address)
        assert found(seen) == 120
        server.shutdown()
        server.server_close()
        seen.context.set_offline(True)  # ends the connection that is kept open
        seen.select_option("[name=origin]", "hard")
        seen.wait_for_selector("text=Start `lion view` again")
        assert not seen.locator("#list").is_visible()
    opened.close()


def test_nothing_of_a_hostile_run_runs_when_served(chromium: Browser, tmp_path: Path) -> None:
    root = as_project(make_run(tmp_path, Size(seeds=40, new=15), nasty=True))
    with serving(root) as server, looking_at(chromium, server.address) as seen:
        for place in range(10):
            seen.click(f"#list .open >> nth={place}")
            seen.wait_for_selector("#instruction[open] .task")
            seen.keyboard.press("Escape")
        assert seen.evaluate("Object.keys(window).filter((name) => name.startsWith('pwned'))") == []
        assert (
            seen.locator(
                "#instruction img, #instruction iframe, #instruction svg, [onload], [onerror]"
            ).count()
            == 0
        )
