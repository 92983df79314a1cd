"""A whole round with a teacher that thinks: its thoughts are learnt, or dropped."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lion.chat import UNCLEAR
from lion.pools.tables import ANSWER, ANSWERED, read_table
from lion.student.thoughts import FILE
from tests.chat.server import Answer, Asked, Server, completion
from tests.stages.player import steps
from tests.stages.test_languages import LANGUAGES, Models, write_project
from tests.student.tiny import make_tiny_base

THOUGHTS = "erst nachdenken"
GERMAN = LANGUAGES["german"]


class Thinking(Models):
    """A teacher with thoughts in the text or in a field; those on the last seed are unclear."""

    def __init__(self) -> None:
        super().__init__(GERMAN)
        self.judged: list[str] = []  # what referee, judge and generator are shown

    def __call__(self, asked: Asked) -> Answer:
        prompt = json.dumps(asked.body["messages"], ensure_ascii=False)
        if "You are a knowledgeable assistant" not in prompt:
            self.judged.append(prompt)
            return super().__call__(asked)
        if GERMAN.seeds[-1] in prompt:
            return Answer(completion(f"{GERMAN.answer}\n<think>{THOUGHTS}</think>\nUnd mehr."))
        if GERMAN.seeds[0] in prompt:
            return Answer(completion(f"<think>\n{THOUGHTS}\n</think>\n\n{GERMAN.answer}"))
        return Answer(completion(GERMAN.answer, reasoning_content=THOUGHTS))


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = f"<think> </think> {THOUGHTS} {GERMAN.answer}".split()
    return make_tiny_base(tmp_path_factory.mktemp("thinker"), more=words)


def play(params: dict[str, Any], models: Thinking, monkeypatch: pytest.MonkeyPatch) -> str:
    """Play the round of `params` in the current folder; return what the stages print."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    Path("params.yaml").write_text(yaml.safe_dump(params))
    printed = ""
    for step in steps(params).values():
        if step.name == "report" and params["teacher"]["thoughts"] == "drop":
            continue
        result = step.run()
        assert result.exit_code == 0, f"{step.name}: {result.output}"
        printed += result.output
    return printed


@pytest.mark.parametrize("choice", ["learn", "drop"])
def test_a_round_with_thoughts(
    choice: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    models = Thinking()
    with Server(models) as server:
        params = write_project(GERMAN, base, server.url)
        params["teacher"]["thoughts"] = choice
        params["student"] |= {"max_tokens": 12, "temperature": 0.0}
        params["imitate"] |= {"epochs": 80, "learning_rate": 1e-2}
        printed = play(params, models, monkeypatch)

    learns = choice == "learn"
    assert not [prompt for prompt in models.judged if THOUGHTS in prompt or "think>" in prompt]

    answers = read_table(Path("data/answers/r0.jsonl"), ANSWER)
    assert answers["finish_reason"].to_list() == ["stop", "stop", UNCLEAR]
    assert answers["answer"].to_list()[:2] == [GERMAN.answer] * 2
    assert answers["thoughts"].to_list() == [THOUGHTS if learns else None] * 2 + [None]
    assert "1 of 3 answers are cut, empty or refused: left out" in printed
    for name in ("responses/r1.jsonl", "evaluation/r1/responses.jsonl"):
        responses = read_table(Path("data") / name, ANSWER)
        assert set(responses["answer"]) == {GERMAN.answer}
        assert set(responses["thoughts"]) == {THOUGHTS if learns else None}
    replayed = read_table(Path("data/replays/r1.parquet"), ANSWERED)
    assert replayed["thoughts"].is_not_null().to_list() == [learns] * replayed.height
    assert [Path(f"data/students/{name}/{FILE}").exists() for name in ("base", "r0", "r1")] == [
        False,
        learns,
        learns,
    ]
    if learns:
        page = Path("reports/index.html").read_text().replace('": "', '":"')
        assert f'"thoughts":"{THOUGHTS}"' in page
