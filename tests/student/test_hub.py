"""A name on the Hugging Face hub is looked up by one request, and what is wrong is one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chat.server import Answer, Asked, Server
from tests.repository import ROOT

CODE = """
from lion.student.check import check_hub
from lion.support.errors import InputError
try:
    check_hub("somebody/model", "main")
except InputError as error:
    print(error.format_message())
"""


def look_up(url: str, home: Path) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env=kept | {"HF_ENDPOINT": url.removesuffix("/v1"), "HF_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("status", "code", "part"),
    [
        (404, "RepoNotFound", "neither a folder nor a model on the hub"),
        (404, "RevisionNotFound", "the hub has no revision main of it"),
        (403, "GatedRepo", "needs an access token"),
        (500, "", "the hub cannot be reached"),
    ],
)
def test_what_is_wrong_is_one_line(status: int, code: str, part: str, tmp_path: Path) -> None:
    def answering(_: Asked) -> Answer:
        return Answer({"error": "no"}, status=status, headers={"X-Error-Code": code})

    with Server(answering) as server:
        line = look_up(server.url, tmp_path)
        assert sum("/api/models/" in asked.path for asked in server.asked) == 1
    assert line.startswith("student somebody/model: ")
    assert part in line
    assert "\n" not in line


def test_a_hub_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with Server() as server:
        url = server.url
    assert "the hub cannot be reached" in look_up(url, tmp_path)


def test_a_model_that_the_hub_has_passes(tmp_path: Path) -> None:
    with Server(lambda _: Answer({"id": "somebody/model", "_id": "1"})) as server:
        assert look_up(server.url, tmp_path) == ""
