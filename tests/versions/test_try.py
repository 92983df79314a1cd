"""`lion try`: a few seeds in every role, and a small loop that changes nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from lion.cli import main
from lion.versions.trial import as_text, try_roles
from tests.chat.server import Answer, Asked, Server, completion
from tests.pipeline.mini import Project, make_project
from tests.stages.player import steps
from tests.versions.test_doctor_run import able, load, raw, served

__all__ = ["raw"]  # a fixture

# DVC reads a trie in a manner that its library is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")


def shown(params: Any, count: int) -> str:
    trial = try_roles(params, count)
    assert trial.fault is None
    return "\n".join(as_text(trial, tau=params.tau))


def test_every_role_is_shown_and_the_run_pays_for_nothing_twice(raw: dict[str, Any]) -> None:
    with Server(able) as server:
        params = served(raw, server.url, structured=True)
        text = shown(params, 3)
        first = len(server.asked)
        for name in ("seed", "teach-seed@r0"):
            assert steps(raw)[name].run().exit_code == 0
        assert len(server.asked) == first + 30 - 3
    assert first == 3 + 2 * 3 + 1  # answers, verdicts (the judge's are the referee's), one draft
    assert text.count("   teacher Turn these words around: one two three") == 3
    assert text.count("   student ") == 3
    verdict = "teacher shown first: teacher 9, student 1; student shown first: teacher 1, student 9"
    assert text.replace("\n           ", " ").count(f"   referee {verdict}: easy") == 3
    assert "A new instruction, inspired by data/seeds/oracle.jsonl, line " in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_role_that_fails_ends_the_trial_and_is_told(raw: dict[str, Any]) -> None:
    with Server(lambda _: Answer(completion("", finish="length"))) as server:
        trial = try_roles(served(raw, server.url), 2)
    assert trial.fault is not None
    assert "raise teacher.max_tokens" in trial.fault.message
    assert "   task    " in "\n".join(as_text(trial, tau=1.0))


def test_unreadable_and_cut_replies_are_called_so(raw: dict[str, Any]) -> None:
    compared: list[Asked] = []

    def answering(asked: Asked) -> Answer:
        if "Assistant 2" in asked.body["messages"][-1]["content"]:
            compared.append(asked)
            if len(compared) == 1:
                return Answer(completion("Both are fine."))
        return able(asked)

    with Server(answering) as server:
        text = shown(served(raw | {"referee": raw["referee"] | {"retries": 0}}, server.url), 3)
    assert "no readable scores" in text
    assert "unjudged" in text
    assert "[length]" in text  # the untrained student does not stop


def test_the_oracle_plays_every_role_without_key_and_network(raw: dict[str, Any]) -> None:
    text = shown(load(raw), 2)
    assert text.count("\n   teacher ") == 2


@pytest.fixture
def fresh(tiny_base: Path, tmp_path: Path) -> Callable[[], Project]:
    return lambda: make_project(tmp_path / "fresh", tiny_base)


def test_the_command_says_what_the_trial_and_the_run_cost(
    fresh: Callable[[], Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = fresh()
    project.set(oracle__unreadable=0.0)
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("LION_HOME", str(project.root / ".lion"))
    result = CliRunner().invoke(main, ["try", "--seeds", "2"])
    assert result.exit_code == 0, result.output
    # of the run: 52 answers of the teacher, 80 + 24 + 24 verdicts, 6 drafts, 6 answers
    last = result.output.splitlines()[-1]
    assert last.startswith("This trial took ")
    assert "The run would take 192 requests (at most 560)" in last
    assert "hours of requests" in last


def test_the_small_loop_takes_files_of_any_place_and_form_and_leaves_all_as_it_was(
    fresh: Callable[[], Project], tmp_path: Path
) -> None:
    project = fresh()
    raw = yaml.safe_load((project.root / "params.yaml").read_text())
    lines = (project.root / raw["seeds"]).read_text().splitlines()
    seeds = [json.loads(line) for line in lines]
    outside = tmp_path / "my seeds.json"
    outside.write_text(json.dumps(seeds, indent=1))
    seeds_before = outside.read_bytes()
    avoided = tmp_path / "avoided.jsonl"
    avoided.write_text('{"instruction": "Say nothing at all."}\n')
    decontaminate = {**raw["decontaminate"], "files": {"mine": str(avoided)}}
    project.set(seeds=str(outside), decontaminate=decontaminate)
    project.commit("Files of another place")
    before = sorted(path for path in project.root.rglob("*") if ".git/" not in str(path))
    output = project.run("lion", "try", "--loop", OPENAI_BASE_URL="http://127.0.0.1:1/v1")
    assert "The student " in output.splitlines()[-1]
    assert project.git("status", "--porcelain") == ""
    after = {path for path in project.root.rglob("*") if ".git/" not in str(path)}
    assert not [
        p for p in after - {*before} if ".dvc/tmp" not in str(p) and "pycache" not in str(p)
    ]
    assert outside.read_bytes() == seeds_before
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "avoided.jsonl",
        "my seeds.json",
    ]


def test_the_small_loop_is_for_the_oracle(fresh: Callable[[], Project]) -> None:
    project = fresh()
    project.set(model="gpt-x")
    output = project.run("lion", "try", "--loop", ok=False)
    assert "to try your own model, run `lion try`" in output
