"""The server of `lion view`: the page, lists, details and marks, on loopback only."""

import json
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click

from lion.report.site import Site, Workspace
from lion.support.errors import LionError
from lion.support.text import brief

HOST = "127.0.0.1"
_MOST = 4000  # bytes of a mark
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Server(ThreadingHTTPServer):
    """Serves a site, or a workspace that may change for days, on loopback; port 0 is a free one."""

    daemon_threads = True

    def __init__(self, shown: Site | Workspace, port: int) -> None:
        super().__init__((HOST, port), _Answer)
        self.shown = shown

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print one line instead of a traceback; nothing if the client disconnected."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            click.echo(f"lion view: {type(error).__name__}: {brief(str(error), 200)}", err=True)


class _Answer(BaseHTTPRequestHandler):
    """Answers one connection. It rejects other Host names, which a web site could point here."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds until an idle connection is closed

    def do_POST(self) -> None:
        """Save a mark. Only this server's own page may send one, and only as JSON."""
        shown, size = self.server.shown, self.headers.get("Content-Length", "")
        is_own = self.headers.get("Origin") in [f"http://{name}" for name in self._names()]
        if not (self._is_host() and is_own):
            self._refuse(HTTPStatus.FORBIDDEN, "Only the page of `lion view` may mark verdicts.")
        elif not isinstance(shown, Workspace) or self.path != "/api/mark":
            self._refuse(HTTPStatus.NOT_FOUND, "There is no such page.")
        elif not (size.isdecimal() and len(size) < 6 and int(size) <= _MOST):
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "A mark has at most 4,000 bytes.")
        elif self.headers.get("Content-Type") != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send JSON.")
        else:
            body = self.rfile.read(int(size))
            self._answer(lambda: shown.mark(body))

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        """Send an error without reading the body, and close the connection."""
        self.close_connection = True
        self._send(status, "text/plain", text)

    def _names(self) -> tuple[str, str]:
        port = self.server.server_port
        return f"{HOST}:{port}", f"localhost:{port}"

    def _is_host(self) -> bool:
        return self.headers.get("Host") in self._names()

    def do_GET(self) -> None:
        if not self._is_host():
            self._send(HTTPStatus.FORBIDDEN, "text/plain", "This server answers on loopback only.")
            return
        try:
            address = urlsplit(self.path)
            fields = {name: values[-1] for name, values in parse_qs(address.query).items()}
        except ValueError:
            self._send(HTTPStatus.BAD_REQUEST, "text/plain", "The address cannot be read.")
            return
        shown = self.server.shown
        live: dict[str, Callable[[], Any]] = {}
        if isinstance(shown, Workspace):
            live = {"/api/now": shown.now, "/api/marks": shown.marks}
            if address.path == "/":
                shown.renew()
        site = shown.site if isinstance(shown, Workspace) else shown
        answers = live | {
            "/": lambda: ("text/html", site.page),
            "/api/instructions": lambda: site.instructions(fields),
            "/api/instruction": lambda: site.instruction(fields),
            "/api/question": lambda: site.question(fields),
            "/api/download": lambda: site.download(fields),
        }
        if address.path in answers:
            self._answer(answers[address.path])
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", "There is no such page.")

    def _answer(self, ask: Callable[[], Any]) -> None:
        """Send what `ask` returns: a media type and a text, or data as JSON; 400 if it refuses."""
        try:
            answer = ask()
        except (ValueError, LionError) as error:
            self._send(HTTPStatus.BAD_REQUEST, "text/plain", str(error))
            return
        if not isinstance(answer, tuple):
            answer = "application/json", json.dumps(answer, ensure_ascii=False)
        self._send(HTTPStatus.OK, *answer)

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
