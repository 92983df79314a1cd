"""A name on the Hugging Face hub is looked up by one request, and what is wrong is one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chat.server import Answer, Asked, Server
from tests.repository import ROOT

CODE = """
import json, sys
from lion.student.check import check_hub
from lion.support.errors import InputError
lines = {}
for name in sys.argv[1:]:
    try:
        check_hub(f"somebody/{name}", "main")
    except InputError as error:
        lines[name] = error.format_message()
print(json.dumps(lines))
"""
# The hub's status and error code for each name, and a part of the expected line.
NAMES = {
    "nothing": (404, "RepoNotFound", "neither a folder nor a model on the hub"),
    "unversioned": (404, "RevisionNotFound", "the hub has no revision main of it"),
    "gated": (403, "GatedRepo", "needs an access token"),
    "broken": (500, "", "the hub cannot be reached"),
}


def look_up(url: str, home: Path, *names: str) -> dict[str, str]:
    """Return what is wrong with each name; names that pass are missing."""
    kept = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    done = subprocess.run(
        [sys.executable, "-c", CODE, *names],
        cwd=ROOT,
        env=kept | {"HF_ENDPOINT": url.removesuffix("/v1"), "HF_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr, done.stderr
    lines: dict[str, str] = json.loads(done.stdout)
    return lines


def answering(asked: Asked) -> Answer:
    for name, (status, code, _) in NAMES.items():
        if f"/somebody/{name}" in asked.path:
            return Answer({"error": "no"}, status=status, headers={"X-Error-Code": code})
    return Answer({"id": "somebody/model", "_id": "1"})


@pytest.fixture(scope="module")
def looked_up(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], list[str]]:
    """The lines of all names, and the paths that were asked for."""
    with Server(answering) as server:
        lines = look_up(server.url, tmp_path_factory.mktemp("hub"), *NAMES, "model")
        return lines, [asked.path for asked in server.asked]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_wrong_is_one_line(name: str, looked_up: tuple[dict[str, str], list[str]]) -> None:
    lines, paths = looked_up
    assert lines[name].startswith(f"student somebody/{name}: ")
    assert NAMES[name][2] in lines[name]
    assert "\n" not in lines[name]
    assert sum(f"/api/models/somebody/{name}" in path for path in paths) == 1


def test_a_model_that_the_hub_has_passes(looked_up: tuple[dict[str, str], list[str]]) -> None:
    assert set(looked_up[0]) == {*NAMES}


def test_a_hub_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with Server() as server:
        url = server.url
    assert "the hub cannot be reached" in look_up(url, tmp_path, "model")["model"]
