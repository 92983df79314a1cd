"""The oracle over real HTTP gives the same tables as in this process, byte for byte."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from lion.oracle.app import create_app
from tests.pipeline.test_secrets import KEY, holding_the_key
from tests.stages.player import steps
from tests.stages.test_estimates import check_against_the_store, estimated
from tests.stages.test_stages import lay_out, settings

TABLES = ("pools/train/r0.jsonl", "pools/train/r1.jsonl", "answers/r1.jsonl", "draws/r1.jsonl")


@pytest.fixture
def address(tiny_base: Path) -> Iterator[str]:
    oracle = settings(tiny_base)["oracle"]
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        app = create_app(**oracle)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        server.should_exit = True
        thread.join(timeout=10)


def play(folder: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    params = settings(base)
    lay_out(folder, params)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LION_HOME", str(folder / "store"))
    costs = estimated(params)
    for step in steps(params).values():
        result = step.run()
        assert result.exit_code == 0, f"{step.name}: {result.output}"
    check_against_the_store(costs, folder / "store")


def test_every_role_over_http_gives_the_same_bytes(
    tiny_base: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(tmp_path / "inside", tiny_base, monkeypatch)
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    play(tmp_path / "http", tiny_base, monkeypatch)
    inside, http = (tmp_path / name / "data" for name in ("inside", "http"))
    files = sorted(path.relative_to(inside) for path in inside.rglob("*.jsonl"))
    assert {Path(name) for name in TABLES} <= set(files)
    assert [
        name for name in files if (inside / name).read_bytes() != (http / name).read_bytes()
    ] == []
    assert not holding_the_key(tmp_path)
