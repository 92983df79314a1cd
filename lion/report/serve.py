"""The server of `lion view`: the page, lists, details and marks, on loopback only."""

import json
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click
from pydantic import ValidationError

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
    """Serves a site on loopback until it is shut down; port 0 picks a free one.

    It reads a workspace again before it sends the page, so it may run for days.
    """

    daemon_threads = True

    def __init__(self, shown: Site | Workspace, port: int) -> None:
        super().__init__((HOST, port), _Answer)
        self.workspace = shown if isinstance(shown, Workspace) else None
        self._site = shown if isinstance(shown, Site) else None

    @property
    def site(self) -> Site:
        """Return the site as it is now."""
        if self.workspace is not None:
            return self.workspace.site
        assert self._site is not None
        return self._site

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
        workspace, size = self.server.workspace, self.headers.get("Content-Length", "")
        is_own = self.headers.get("Origin") in [f"http://{name}" for name in self._names()]
        if not (self._is_host() and is_own):
            self._refuse(HTTPStatus.FORBIDDEN, "Only the page of `lion view` may mark verdicts.")
        elif workspace is None or self.path != "/api/mark":
            self._refuse(HTTPStatus.NOT_FOUND, "There is no such page.")
        elif not (size.isdecimal() and len(size) < 6 and int(size) <= _MOST):
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "A mark has at most 4,000 bytes.")
        elif self.headers.get("Content-Type") != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send JSON.")
        else:
            body = self.rfile.read(int(size))
            self._answer(lambda _: workspace.mark(body), {})

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
        workspace = self.server.workspace
        if workspace and address.path == "/":
            workspace.renew()
        site = self.server.site
        answers: dict[str, Callable[[dict[str, str]], Any]] = {
            "/api/instructions": site.instructions,
            "/api/instruction": site.instruction,
            "/api/question": site.question,
        }
        if address.path == "/":
            self._send(HTTPStatus.OK, "text/html", site.page)
        elif address.path == "/api/now" and workspace:
            self._answer(lambda _: workspace.now(), fields)
        elif address.path == "/api/marks" and workspace:
            self._answer(lambda _: workspace.marks(), fields)
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
        """Call `send`; answer 400 if a field is invalid."""
        try:
            send()
        except (ValidationError, ValueError, LionError) as error:
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
