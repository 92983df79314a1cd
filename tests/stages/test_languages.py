"""A whole round in each language, against a server that answers in that language."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from lion.generate.generator import CONTAMINATED
from lion.pools.tables import ACCEPTED, DRAW, VERDICT, read_table
from tests.chat.server import Answer, Asked, Server, completion
from tests.stages.player import ROOT, steps


@dataclass(frozen=True)
class Language:
    """Texts that a user of this language brings, and what the models answer."""

    seeds: list[str]
    new: list[str]
    near: str  # differs from the first seed by a word
    question: str
    answer: str
    review: str


LANGUAGES = {
    name: Language(**texts)
    for name, texts in json.loads(Path(__file__).with_name("languages.json").read_text()).items()
}


class Models:
    """Teacher, referee and generator in one language; the generator also repeats itself."""

    def __init__(self, language: Language) -> None:
        self.language = language
        repeats = (language.near, language.seeds[1], language.question)
        self.drafts = [*repeats, *language.new, "。！？"]
        self.turn = count()

    def __call__(self, asked: Asked) -> Answer:
        system, *_ = (message["content"] for message in asked.body["messages"])
        if system.startswith("You write tasks"):
            draft = self.drafts[next(self.turn) % len(self.drafts)]
            return Answer(completion(draft))
        if "impartial" in system:
            prompt = asked.body["messages"][-1]["content"]
            first = prompt.index(self.language.answer) < prompt.rindex("<answer-2")
            scores = (9, 3) if first else (3, 9)
            [mark] = set(re.findall(r"\[[\w-]+\](?= Assistant)", prompt))
            lines = [f"{mark} Assistant {n}: {score}" for n, score in enumerate(scores, 1)]
            return Answer(completion("\n".join([self.language.review, *lines])))
        return Answer(completion(self.language.answer))


def write_project(language: Language, base: Path, url: str) -> dict[str, Any]:
    """Write seeds, question and parameters to the current folder; return the parameters."""
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {"rounds": {"r1": "r0"}, "model": "m", "seeds": "seeds.jsonl"}
    params["endpoints"] = {"default": {"base_url": url}}
    params["student"] |= {"base": str(base), "max_tokens": 6}
    params["imitate"]["epochs"] = 1
    params["generate"] |= {"count": len(language.new), "max_draws": 30}
    params["evaluate"]["questions"] = "questions.jsonl"
    params["report"]["control"] = str(ROOT / params["report"]["control"])
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for name, texts in (("seeds", language.seeds), ("questions", (language.question,))):
        lines = [json.dumps({"id": f"q{n}", "instruction": text}) for n, text in enumerate(texts)]
        Path(f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return params


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_round_in(
    name: str, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    language = LANGUAGES[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with Server(Models(language)) as server:
        for step in steps(write_project(language, tiny_base, server.url)).values():
            result = step.run()
            assert result.exit_code == 0, f"{step.name}: {result.output}"

    drafts = read_table(Path("data/draws/r1.jsonl"), DRAW)
    verdicts = Counter(zip(drafts["instruction"], drafts["verdict"], strict=True))
    assert {text for text, verdict in verdicts if verdict == ACCEPTED} == set(language.new)
    assert {
        verdict for text, verdict in verdicts if text in (language.near, language.seeds[1])
    } == {"too similar"}
    assert {verdict for text, verdict in verdicts if text == language.question} == {CONTAMINATED}
    assert {verdict for text, verdict in verdicts if text == "。！？"} <= {
        "nothing but punctuation"
    }
    scores = read_table(Path("data/scores/r1.parquet"), VERDICT)
    assert scores["verdict"].to_list() == ["hard"] * len(language.seeds)
