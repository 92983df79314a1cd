"""`lion view`'s server: the page, and pages of instructions, on loopback and for nobody else."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import TypeAdapter, ValidationError

from lion.report.browse import Index, Query

HOST = "127.0.0.1"
_QUERY = TypeAdapter(Query)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Site:
    """What is served: the page, and the runs that it asks about."""

    page: str
    indexes: list[Index]

    def instructions(self, fields: dict[str, str]) -> Any:
        """One page of a list; ValidationError or ValueError if a field makes no sense."""
        run = int(fields.pop("run", "0"))
        if not 0 <= run < len(self.indexes):
            raise ValueError(f"run {run}: there are {len(self.indexes)}")
        total, rows = self.indexes[run].find(_QUERY.validate_python(fields))
        return {"total": total, "rows": rows}

    def instruction(self, fields: dict[str, str]) -> Any:
        """One instruction as each run knows it; None for a run that does not."""
        return [index.detail(fields.get("id", "")) for index in self.indexes]


class Server(ThreadingHTTPServer):
    """Serves `site` on loopback until it is shut down; port 0 takes a free one."""

    daemon_threads = True

    def __init__(self, site: Site, port: int) -> None:
        super().__init__((HOST, port), _Answer)
        self.site = site

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/"


class _Answer(BaseHTTPRequestHandler):
    """Answers one connection. A strange Host is refused: a web site could name this machine."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds that an idle connection is kept

    def do_GET(self) -> None:
        port = self.server.server_port
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            self._send(HTTPStatus.FORBIDDEN, "text/plain", "This server answers on loopback only.")
            return
        address = urlsplit(self.path)
        fields = {name: values[-1] for name, values in parse_qs(address.query).items()}
        site = self.server.site
        answers: dict[str, Callable[[dict[str, str]], Any]] = {
            "/api/instructions": site.instructions,
            "/api/instruction": site.instruction,
        }
        if address.path == "/":
            self._send(HTTPStatus.OK, "text/html", site.page)
        elif address.path in answers:
            self._answer(answers[address.path], fields)
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", "There is no such page.")

    def _answer(self, ask: Callable[[dict[str, str]], Any], fields: dict[str, str]) -> None:
        try:
            found = ask(fields)
        except (ValidationError, ValueError) as error:
            self._send(HTTPStatus.BAD_REQUEST, "text/plain", str(error))
            return
        self._send(HTTPStatus.OK, "application/json", json.dumps(found, ensure_ascii=False))

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is the user's."""
