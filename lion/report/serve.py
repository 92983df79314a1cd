"""The server of `lion view`: the page, and pages of instructions, on loopback only."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click
import polars as pl
from pydantic import TypeAdapter, ValidationError

from lion.params import load_params
from lion.report.browse import Index, Query, as_csv
from lion.report.contents import contents
from lion.report.page import Compared, render
from lion.report.questions import Questions
from lion.report.sample import offer
from lion.runs.compare import Run, changed_params, differences
from lion.runs.figures import control_of, read_control, round_rows
from lion.runs.identity import Identity, identity_of
from lion.runs.run import places_of, read_run
from lion.support.errors import EmptyError
from lion.support.home import project_root
from lion.support.text import brief

HOST = "127.0.0.1"
_QUERY = TypeAdapter(Query)
_FORMS = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Site:
    """What is served: the page, and the runs that it queries."""

    page: str
    indexes: list[Index]
    questions: list[Questions]

    def instructions(self, fields: dict[str, str]) -> Any:
        """Return one page of a list; ValidationError or ValueError for an invalid field."""
        total, rows = self._index(fields).find(_QUERY.validate_python(fields))
        return {"total": total, "rows": rows}

    def download(self, fields: dict[str, str]) -> tuple[str, str]:
        """Return a type and a file: every match, as `form` csv or jsonl; errors as above."""
        form = fields.pop("form", "")
        if form not in _FORMS:
            raise ValueError(f"form {form}: use csv or jsonl")
        frame = self._index(fields).whole(_QUERY.validate_python(fields))
        return _FORMS[form], frame.write_ndjson() if form == "jsonl" else as_csv(frame)

    def _index(self, fields: dict[str, str]) -> Index:
        """Return the index of the run that `fields` names, without its name."""
        run = int(fields.pop("run", "0"))
        if not 0 <= run < len(self.indexes):
            raise ValueError(f"run {run}: there are {len(self.indexes)}")
        return self.indexes[run]

    def instruction(self, fields: dict[str, str]) -> Any:
        """Return one instruction as each run has it; None for a run that does not have it."""
        return [index.detail(fields.get("id", "")) for index in self.indexes]

    def question(self, fields: dict[str, str]) -> Any:
        """Return one question as each run has it; None for a run that does not have it."""
        return [questions.detail(fields.get("id", "")) for questions in self.questions]


def site_of(roots: list[tuple[str, Path]], commits: dict[str, str] | None = None) -> Site:
    """Return the site of runs by label and folder (with its dvc.yaml), and their commits by label.

    EmptyError if a run has no pool yet.
    """
    opened = [_opened(label, root, (commits or {}).get(label, "")) for label, root in roots]
    runs = [run for run, _ in opened]
    shown = [
        contents(run.tables, run.params, identity, label=run.label, control=_beside(run, runs))
        for run, identity in opened
    ]
    indexes = [Index(run.tables) for run in runs]
    questions = [Questions(run.tables) for run in runs]
    about = [
        offer(index) | {"questions": own.served()}
        for index, own in zip(indexes, questions, strict=True)
    ]
    compared = Compared(differences(runs), changed_params(runs)) if len(runs) > 1 else None
    return Site(render(shown, about, served=True, compared=compared), indexes, questions)


def _opened(label: str, root: Path, commit: str) -> tuple[Run, Identity]:
    params = load_params(root / "params.yaml")
    places = places_of(root)
    tables = read_run(places, params.round_names)
    if tables.pool.is_empty():
        raise EmptyError(f"{label}: no pool yet. Run `dvc repro` or `dvc pull` first.")
    return Run(label, params, tables), identity_of(tables, params, places, commit=commit)


def _beside(run: Run, runs: list[Run]) -> pl.DataFrame | None:
    """The quality of the other runs, to draw beside one's own; alone, that of the control."""
    if len(runs) == 1:
        return read_control(run.params.report.control, project_root())
    others = [
        control_of(round_rows(other.tables), other.label) for other in runs if other is not run
    ]
    known = [other for other in others if other is not None]
    return pl.concat(known) if known else None


class Server(ThreadingHTTPServer):
    """Serves `site` on loopback until it is shut down; port 0 picks a free one."""

    daemon_threads = True

    def __init__(self, site: Site, port: int) -> None:
        super().__init__((HOST, port), _Answer)
        self.site = site

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print one line instead of a traceback; nothing if the client went away."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            click.echo(f"lion view: {type(error).__name__}: {brief(str(error), 200)}", err=True)


class _Answer(BaseHTTPRequestHandler):
    """Answers one connection. It refuses other Host names, which a web site could point here."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds until an idle connection is closed

    def do_GET(self) -> None:
        port = self.server.server_port
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            self._send(HTTPStatus.FORBIDDEN, "text/plain", "This server answers on loopback only.")
            return
        try:
            address = urlsplit(self.path)
            fields = {name: values[-1] for name, values in parse_qs(address.query).items()}
        except ValueError:
            self._send(HTTPStatus.BAD_REQUEST, "text/plain", "The address cannot be read.")
            return
        site = self.server.site
        answers: dict[str, Callable[[dict[str, str]], Any]] = {
            "/api/instructions": site.instructions,
            "/api/instruction": site.instruction,
            "/api/question": site.question,
        }
        if address.path == "/":
            self._send(HTTPStatus.OK, "text/html", site.page)
        elif address.path == "/api/download":
            self._checked(lambda: self._send(HTTPStatus.OK, *site.download(fields)))
        elif address.path in answers:
            self._answer(answers[address.path], fields)
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", "There is no such page.")

    def _answer(self, ask: Callable[[dict[str, str]], Any], fields: dict[str, str]) -> None:
        def send() -> None:
            answer = json.dumps(ask(fields), ensure_ascii=False)
            self._send(HTTPStatus.OK, "application/json", answer)

        self._checked(send)

    def _checked(self, send: Callable[[], None]) -> None:
        """Answer, or refuse an invalid field."""
        try:
            send()
        except (ValidationError, ValueError) as error:
            self._send(HTTPStatus.BAD_REQUEST, "text/plain", str(error))

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode(errors="replace")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing, since the terminal belongs to the user."""
