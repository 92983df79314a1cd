"""Seed files as people have them, whole: what is read from each."""

import json
from pathlib import Path

import pytest

from lion.pools.instructions import flat_text, task_of, task_text, turns_text
from lion.pools.seeds import read_seeds

SYSTEM = {"role": "system", "content": "Be brief."}
ASK = {"role": "user", "content": "Name a fruit."}
ANSWER = {"role": "assistant", "content": "Pear."}

# File, its content, and each seed as system prompt, earlier turns, task, answer.
Read = tuple[str | None, str | None, str, str]
CASES: dict[str, tuple[str, list[Read]]] = {
    "dolly.jsonl": (
        '{"instruction": "Who wrote it?", "context": "The letter was written by Ada.", '
        '"response": "Ada.", "category": "closed_qa"}\n'
        '{"instruction": "Who wrote it?", "context": "The letter was written by Bo.", '
        '"response": "Bo.", "category": "closed_qa"}\n',
        [
            (None, None, "Who wrote it?\n\nThe letter was written by Ada.", "Ada."),
            (None, None, "Who wrote it?\n\nThe letter was written by Bo.", "Bo."),
        ],
    ),
    "self_instruct.jsonl": (
        '{"id": "t0", "instruction": "Count the words.", "instances": [{"input": "one two three", '
        '"output": "3"}, {"input": "a b", "output": "2"}]}\n',
        [
            (None, None, "Count the words.\n\none two three", "3"),
            (None, None, "Count the words.\n\na b", "2"),
        ],
    ),
    "messages.jsonl": (
        '{"messages": [{"role": "system", "content": "You answer in one word."}, {"role": "user", '
        '"content": "Capital of France?"}, {"role": "assistant", "content": "Paris"}]}\n'
        '{"messages": [{"role": "user", "content": "Name a fruit."}, {"role": "assistant", '
        '"content": "Pear."}, {"role": "user", "content": "Another one."}, {"role": "assistant", '
        '"content": "Plum."}]}\n',
        [
            ("You answer in one word.", None, "Capital of France?", "Paris"),
            (None, json.dumps([ASK, ANSWER]), "Another one.", "Plum."),
        ],
    ),
    "sharegpt.json": (
        '[{"conversations": [{"from": "human", "value": "Say hi in German."}, {"from": "gpt", '
        '"value": "Hallo."}]}]',
        [(None, None, "Say hi in German.", "Hallo.")],
    ),
    "alpaca_answered.json": (
        '[{"instruction": "Add.", "input": "2 and 3", "output": "5"}, {"instruction": "Add.", '
        '"input": "2 and 4", "output": ""}]',
        [(None, None, "Add.\n\n2 and 3", "5"), (None, None, "Add.\n\n2 and 4", "")],
    ),
    "table.csv": (
        'instruction,input\n"Translate: ""good day""",\nCount,one two\n',
        [(None, None, 'Translate: "good day"', ""), (None, None, "Count\n\none two", "")],
    ),
    "log.csv": (
        'system,instruction,history,output\nBe brief.,"Another one.",'
        '"[[""Name a fruit."", ""Pear.""]]",Plum.\n,Say hi.,,Hi.\n',
        [
            ("Be brief.", json.dumps([ASK, ANSWER]), "Another one.", "Plum."),
            (None, None, "Say hi.", "Hi."),
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_reads_the_whole_file(tmp_path: Path, name: str) -> None:
    content, expected = CASES[name]
    (tmp_path / name).write_text(content)
    seeds = read_seeds(tmp_path / name, turns="last", answers="keep")
    read = [
        (seed.system, seed.turns, task_text(seed.instruction, seed.input), seed.answer)
        for seed in seeds.seeds.values()
    ]
    assert read == expected
    assert seeds.kept("keep", name).height == sum(bool(row[3]) for row in expected)


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ((), "Another one."),
        ((SYSTEM,), "Be brief.\n\nAnother one."),
        ((ASK, ANSWER), "User: Name a fruit.\n\nAssistant: Pear.\n\nUser: Another one."),
    ],
)
def test_a_task_as_one_text(before: tuple[dict[str, str], ...], text: str) -> None:
    system = before[0]["content"] if before and before[0] == SYSTEM else None
    turns = turns_text([message for message in before if message != SYSTEM])
    row = {"instruction": "Another one.", "input": "", "system": system, "turns": turns}
    assert flat_text(task_of(row)) == text
