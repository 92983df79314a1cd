"""A whole round of seeds with system prompts and earlier turns, against a server over HTTP."""

import json
import re
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from lion.pools.instructions import context_of, instruction_id
from lion.pools.tables import ANSWER, ANSWERED, DRAW, INSTRUCTION, QUESTION, VERDICT, read_table
from lion.prompts import render
from tests.chat.server import Answer, Asked, Server, completion
from tests.stages.player import ROOT, steps
from tests.student.tiny import make_tiny_base

SYSTEM = "You answer in one word."
TURNS = [("user", "Name a fruit."), ("assistant", "Pear.")]
SEEDS = [
    {
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": "Capital of France?"},
            {"role": "assistant", "content": "Paris"},
        ]
    },
    {
        "messages": [
            {"role": "user", "content": "Name a fruit."},
            {"role": "assistant", "content": "Pear."},
            {"role": "user", "content": "Another one."},
            {"role": "assistant", "content": "Plum."},
        ]
    },
    {"messages": [{"role": "user", "content": "Say hi to everybody."}]},
]
QUESTIONS = [{"instruction": "Which way is north?", "system": SYSTEM}, {"instruction": "Why?"}]
NEW = ["Largest city of Spain?", "List four rivers of Asia", "Who wrote the first novel?"]
TEMPLATE = (
    "{% for m in messages %}{{ '<user> ' if m['role'] == 'user' else '<bot> ' }}{{ m['content'] }} "
    "{% endfor %}<bot>"
)
[TEACHERS, _] = render("teacher.txt", task="")


class Models:
    """Teacher, referee, judge and generator; keeps the messages of each request."""

    def __init__(self) -> None:
        self.taught: list[list[dict[str, str]]] = []
        self.judged: list[str] = []
        self.generated: list[str] = []
        self.turn = count()

    def __call__(self, asked: Asked) -> Answer:
        messages = asked.body["messages"]
        system, text = messages[0]["content"], messages[-1]["content"]
        if system.startswith("You write tasks"):
            self.generated.append(text)
            return Answer(completion(NEW[next(self.turn) % len(NEW)]))
        if "impartial" in system:
            self.judged.append(text)
            first = text.index("\ngood") < text.rindex("<answer-2")
            [mark] = set(re.findall(r"\[[\w-]+\](?= Assistant)", text))
            scores = (9, 3) if first else (3, 9)
            lines = [f"{mark} Assistant {n}: {score}" for n, score in enumerate(scores, 1)]
            return Answer(completion("\n".join(lines)))
        self.taught.append(messages)
        return Answer(completion("good"))


def write_project(folder: Path, url: str) -> dict[str, Any]:
    """Write seeds, questions, student and parameters to the current folder."""
    make_tiny_base(folder / "base")
    (folder / "base" / "chat_template.jinja").write_text(TEMPLATE)
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {"rounds": {"r1": "r0"}, "model": "m", "seeds": "seeds.jsonl", "seeds_turns": "last"}
    params["endpoints"] = {"default": {"base_url": url}}
    params["student"] |= {"base": str(folder / "base"), "max_tokens": 6}
    params["imitate"] |= {"epochs": 1}
    params["generate"] |= {"count": len(NEW), "max_draws": 30}
    params["evaluate"]["questions"] = "questions.jsonl"
    params["report"]["control"] = str(ROOT / params["report"]["control"])
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for name, rows in (("seeds", SEEDS), ("questions", QUESTIONS)):
        Path(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return params


def marked(text: str, name: str) -> str | None:
    """What a prompt shows between the marks of `name`."""
    shown = re.search(rf"<{name} (\w{{16}})>\n(.*?)\n</{name} \1>", text, re.DOTALL)
    return shown[2] if shown else None


def test_a_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    models = Models()
    with Server(models) as server:
        for step in steps(write_project(tmp_path, server.url)).values():
            result = step.run()
            assert result.exit_code == 0, f"{step.name}: {result.output}"

    seeds = read_table(Path("data/pools/train/r0.jsonl"), INSTRUCTION)
    assert [context_of(row) for row in seeds.iter_rows(named=True)] == [
        ({"role": "system", "content": SYSTEM},),
        tuple({"role": role, "content": text} for role, text in TURNS),
        (),
    ]
    talks = [[(m["role"], m["content"]) for m in messages] for messages in models.taught]
    default = ("system", TEACHERS["content"])
    assert [("system", SYSTEM), ("user", "Capital of France?")] in talks
    assert [default, *TURNS, ("user", "Another one.")] in talks
    assert [default, ("user", "Say hi to everybody.")] in talks
    assert [("system", SYSTEM), ("user", "Which way is north?")] in talks

    by_task = {marked(text, "task"): text for text in models.judged}
    assert marked(by_task["Capital of France?"], "1-system") == SYSTEM
    assert marked(by_task["Which way is north?"], "1-system") == SYSTEM
    assert marked(by_task["Another one."], "2-assistant") == "Pear."
    assert "conversation" not in by_task["Say hi to everybody."]
    shown = {marked(text, "task"): marked(text, "1-system") for text in models.generated}
    assert shown["Capital of France?"] == SYSTEM

    check_descent(seeds)
    scores = read_table(Path("data/scores/r1.parquet"), VERDICT)
    assert scores["verdict"].to_list() == ["hard"] * len(SEEDS)
    answers = read_table(Path("data/responses/r1.jsonl"), ANSWER)
    # "Name a fruit." "Pear." "Another one." and four marks, a word and a mark a token
    assert answers["prompt_tokens"].to_list() == [2 + 5 + 3, 4 + 3 + 1 + 2, 2 + 4]
    assert QUESTIONS[0]["system"] in Path("reports/index.html").read_text()
    again = read_table(Path("data/replays/r1.parquet"), ANSWERED)
    assert again.height == len(SEEDS)
    questions = read_table(Path("data/questions/evaluate.jsonl"), QUESTION)
    assert questions["system"].to_list() == [SYSTEM, None]


def check_descent(seeds: pl.DataFrame) -> None:
    """New instructions have their parent's system prompt, as part of their id, and no turns."""
    systems = dict(seeds.select("id", "system").iter_rows())
    new = read_table(Path("data/pools/train/r1.jsonl"), INSTRUCTION)
    assert set(new["instruction"]) == set(NEW)
    for row in new.iter_rows(named=True):
        assert row["system"] == systems[row["parent"]]
        assert row["turns"] is None
        assert row["id"] == instruction_id(row["instruction"], "", row["system"])
    assert SYSTEM in new["system"].to_list()
    drafts = read_table(Path("data/draws/r1.jsonl"), DRAW)
    assert drafts["system"].to_list() == [systems[parent] for parent in drafts["parent"]]


def test_by_default_several_questions_end_the_seed_stage_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    params = write_project(tmp_path, "http://127.0.0.1:1/v1") | {"seeds_turns": "refuse"}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    result = steps(params)["seed"].run()
    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert "seeds.jsonl, line 2: 'messages' has 2 questions; set seeds_turns: last" in line
