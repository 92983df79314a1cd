"""Requests carry the API key, and no file, commit or log does."""

import base64
import json
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from lion.oracle.app import create_app
from tests.pipeline.mini import Project, copy_project

KEY = "sk-planted-7f3a9c51e0d84b26"
Receive = Callable[[], Awaitable[Any]]


@dataclass
class Server:
    """The oracle over HTTP; records the keys of requests."""

    url: str = ""
    keys: set[str] = field(default_factory=set)

    def app(self) -> Callable[..., Awaitable[None]]:
        oracle: Any = create_app(position_bias=0.0, unreadable=0.0)

        async def keeping(scope: Any, receive: Receive, send: Any) -> None:
            headers = dict(scope.get("headers", ()))
            self.keys.add(headers.get(b"authorization", b"").decode())
            await oracle(scope, receive, send)

        return keeping


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve `app` over HTTP and yield its URL."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        running = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        running.should_exit = True
        thread.join()


async def refusing(scope: Any, receive: Receive, send: Any) -> None:
    """Refuse every key with 401 and repeat the key in the answer."""
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}).encode()
    head = [(b"content-type", b"application/json"), (b"x-key", KEY.encode())]
    await send({"type": "http.response.start", "status": 401, "headers": head})
    await send({"type": "http.response.body", "body": body})


def holding_the_key(*folders: Path) -> list[str]:
    """Return files that hold the key, plain or in base64 (DVC's queue writes its messages so)."""
    shifted = (base64.b64encode(b"-" * shift + KEY.encode())[4:-4] for shift in range(3))
    forms = [KEY.encode(), *shifted]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(form in path.read_bytes() for form in forms)]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    with serving(server.app()) as server.url:
        yield server


@pytest.fixture(scope="module")
def paid(server: Server, seeded_once: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """An experiment of a queue worker that asks the server with the planted key."""
    project = copy_project(seeded_once, tmp_path_factory.mktemp("secrets") / "lion")
    secret = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url}
    project.dvc("exp", "run", "--queue", "--name", "paid", "teach-questions", **secret)
    project.dvc("queue", "start", **secret)
    assert "Success" in project.wait_for_queue("paid")
    return project


def test_every_request_carried_the_key(paid: Project, server: Server) -> None:
    assert server.keys == {f"Bearer {KEY}"}


def test_no_file_holds_the_key(paid: Project) -> None:
    files = [path for path in paid.root.rglob("*") if path.is_file()]
    assert {".lion", ".dvc", "data"} <= {path.relative_to(paid.root).parts[0] for path in files}
    assert not holding_the_key(paid.root, paid.site)


def test_no_object_in_git_holds_the_key(paid: Project) -> None:
    command = ("git", "cat-file", "--batch-all-objects", "--batch", "--unordered")
    everything = subprocess.run(command, cwd=paid.root, capture_output=True, check=True).stdout
    assert b"teach-questions:\n    cmd:" in everything  # the experiment's dvc.lock
    assert KEY.encode() not in everything


def test_no_log_of_the_queue_holds_the_key(paid: Project) -> None:
    log = paid.dvc("queue", "logs", "paid")
    assert "teach" in log
    assert KEY not in log


def test_a_server_that_repeats_the_key_does_not_spread_it(seeded: Project) -> None:
    with serving(refusing) as url:
        secret = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url}
        output = seeded.dvc("repro", "teach-questions", ok=False, **secret)
    assert "401" in output
    assert KEY not in output
    assert not holding_the_key(seeded.root, seeded.site)


def test_the_search_finds_a_key_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text(f"x{KEY}x")
    for shift in range(3):
        (tmp_path / f"shift-{shift}").write_bytes(base64.b64encode(b"." * shift + KEY.encode()))
    assert len(holding_the_key(tmp_path)) == 4
