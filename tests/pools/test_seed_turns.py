"""System prompts and earlier turns of seeds: where they stand, and what is said of bad ones."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lion.params import SeedsColumns
from lion.pools.instructions import context_of, instruction_id, messages_of
from lion.pools.rows import MAX_CHARACTERS
from lion.pools.seeds import Seed, Seeds, read_seeds
from lion.support.errors import InputError

SYSTEM = {"role": "system", "content": "Be brief."}
ASK = {"role": "user", "content": "Name a fruit."}
ANSWER = {"role": "assistant", "content": "Pear."}
MORE = {"role": "user", "content": "Another one."}
PLUM = {"role": "assistant", "content": "Plum."}
THOUGHT = {"role": "assistant", "content": "<think>Which?</think>\nPear."}
SHARE = [{"from": "human", "value": "Name a fruit."}, {"from": "gpt", "value": "Pear."}]

# Form and row; what is read: system prompt, question, answer.
SYSTEMS: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "messages": ({"messages": [SYSTEM, ASK, ANSWER]}, ("Be brief.", "Name a fruit.", "Pear.")),
    "developer role": (
        {"messages": [SYSTEM | {"role": "developer"}, ASK]},
        ("Be brief.", "Name a fruit.", ""),
    ),
    "two system turns": (
        {"messages": [SYSTEM, {"role": "system", "content": "Be kind."}, ASK]},
        ("Be brief.\n\nBe kind.", "Name a fruit.", ""),
    ),
    "system prompt in parts": (
        {"messages": [{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}, ASK]},
        ("Be brief.", "Name a fruit.", ""),
    ),
    "key beside messages": (
        {"system": "Be brief.", "messages": [ASK, ANSWER]},
        ("Be brief.", "Name a fruit.", "Pear."),
    ),
    "empty system turn": (
        {"system": "Be brief.", "messages": [{"role": "system", "content": " "}, ASK]},
        ("Be brief.", "Name a fruit.", ""),
    ),
    "ShareGPT key": (
        {"conversations": SHARE, "system": "Be brief."},
        ("Be brief.", "Name a fruit.", "Pear."),
    ),
    "ShareGPT turn": (
        {"conversations": [{"from": "system", "value": "Be brief."}, *SHARE]},
        ("Be brief.", "Name a fruit.", "Pear."),
    ),
    "Alpaca key": (
        {"instruction": "Add.", "input": "2, 3", "system": " Be brief.\n", "output": "5"},
        ("Be brief.", "Add.", "5"),
    ),
    "Orca key": (
        {"instruction": "Add.", "system_prompt": "Be brief.", "response": "5"},
        ("Be brief.", "Add.", "5"),
    ),
    "Dolly": ({"instruction": "Who?", "context": "By Ada.", "system": "x"}, ("x", "Who?", "")),
    "numbers": ({"instruction": "Who?", "system": "42"}, ("42", "Who?", "")),
    "empty key": ({"instruction": "Who?", "system": ""}, ("", "Who?", "")),
    "null key": ({"instruction": "Who?", "system": None, "history": []}, ("", "Who?", "")),
}

# Form and row; each has two questions.
TALKS: dict[str, dict[str, Any]] = {
    "messages": {"messages": [ASK, ANSWER, MORE, PLUM]},
    "messages without an answer": {"messages": [ASK, ANSWER, MORE]},
    "thoughts in an earlier answer": {"messages": [ASK, THOUGHT, MORE]},
    "ShareGPT": {"conversations": [*SHARE, {"from": "human", "value": "Another one."}]},
    "history": {"instruction": "Another one.", "history": [["Name a fruit.", "Pear."]]},
    "history as JSON": {"instruction": "Another one.", "history": '[["Name a fruit.", "Pear."]]'},
    "a pool of Lion's": {"instruction": "Another one.", "turns": json.dumps([ASK, ANSWER])},
}

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "system prompt behind a question": (
        {"messages": [ASK, SYSTEM, ANSWER]},
        "a system prompt follows a question",
    ),
    "two system prompts": (
        {"system": "Be kind.", "messages": [SYSTEM, ASK]},
        "both 'system' and a system turn hold text",
    ),
    "two keys": (
        {"instruction": "Who?", "system": "Be kind.", "system_prompt": "Be brief."},
        "both 'system' and 'system_prompt' hold text",
    ),
    "system a list": ({"instruction": "Who?", "system": ["Be kind."]}, "'system' must be a string"),
    "system prompt alone": ({"messages": [SYSTEM]}, "a question first (found: none)"),
    "two questions in a row": ({"messages": [ASK, ASK, ANSWER]}, "(found: user, user, assistant)"),
    "answer first": ({"messages": [PLUM, ASK, ANSWER]}, "(found: assistant, user, assistant)"),
    "empty earlier turn": (
        {"messages": [ASK, {"role": "assistant", "content": ""}, MORE]},
        "'messages' has an empty turn",
    ),
    "earlier turn of thoughts alone": (
        {"messages": [ASK, {"role": "assistant", "content": "<think>Hm.</think>"}, MORE]},
        "'messages' has an empty turn",
    ),
    "earlier turn null": (
        {"messages": [ASK, {"role": "assistant", "content": None}, MORE]},
        "'content' must be a string",
    ),
    "history a text": ({"instruction": "Who?", "history": "Hi"}, "'history' must be a list of"),
    "history of texts": ({"instruction": "Who?", "history": ["Hi"]}, "'history', turn 1: expected"),
    "history of threes": ({"instruction": "Who?", "history": [["a", "b", "c"]]}, "'history', turn"),
    "history ends in a question": (
        {"instruction": "Who?", "history": [ASK]},
        "'history' must alternate questions and answers, a question first (found: user, user)",
    ),
    "history with a number": ({"instruction": "Who?", "history": [["a", 3]]}, "must be a string"),
    "history and turns": (
        {"instruction": "Who?", "history": [["a", "b"]], "turns": [ASK, ANSWER]},
        "both 'history' and 'turns' hold text",
    ),
    "a long conversation": (
        {"messages": [ASK, ANSWER | {"content": "x" * 19_999}, MORE]},
        "the earlier turns in 'messages' have 20,012 characters",
    ),
    "a long system prompt": (
        {"instruction": "Who?", "system": "x" * 20_001},
        "'system' has 20,001 characters",
    ),
}


def _read(folder: Path, rows: list[dict[str, Any]], **options: Any) -> Seeds:
    path = folder / "seeds.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_seeds(path, **options)


def _one(folder: Path, row: dict[str, Any], **options: Any) -> Seed:
    [seed] = _read(folder, [row], **options).seeds.values()
    return seed


def _refusal(folder: Path, row: dict[str, Any], **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        _read(folder, [{"instruction": "fine"}, row], **options)
    message = caught.value.message
    assert "\n" not in message
    assert message.startswith(f"{folder / 'seeds.jsonl'}, line 2")
    return message


@pytest.mark.parametrize(("row", "texts"), SYSTEMS.values(), ids=SYSTEMS)
def test_reads_system_prompts(
    tmp_path: Path, row: dict[str, Any], texts: tuple[str, str, str]
) -> None:
    seed = _one(tmp_path, row)
    assert (seed.system or "", seed.instruction, seed.answer) == texts
    assert seed.turns is None


@pytest.mark.parametrize("row", TALKS.values(), ids=TALKS)
def test_reads_the_last_question_after_the_earlier_turns(
    tmp_path: Path, row: dict[str, Any]
) -> None:
    seed = _one(tmp_path, row, turns="last")
    assert seed.instruction == "Another one."
    assert messages_of(seed.task) == (ASK, ANSWER, MORE)
    assert seed.answer in ("", "Plum.")


@pytest.mark.parametrize("row", TALKS.values(), ids=TALKS)
def test_refuses_several_questions_by_row_and_key(tmp_path: Path, row: dict[str, Any]) -> None:
    message = _refusal(tmp_path, row)
    assert "has 2 questions; set seeds_turns: last" in message
    assert any(f"'{key}'" in message for key in row)


@pytest.mark.parametrize(("row", "reason"), BAD.values(), ids=BAD)
def test_refuses_by_row(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    assert reason in _refusal(tmp_path, row, turns="last")


def test_maps_keys_and_ignores_system_prompts(tmp_path: Path) -> None:
    row = {"q": "More?", "persona": "Be brief.", "chat": [["Name a fruit.", "Pear."]]}
    columns = SeedsColumns(instruction="q", system="persona", history="chat")
    seed = _one(tmp_path, row, columns=columns, turns="last")
    assert context_of(seed.columns) == (SYSTEM, ASK, ANSWER)
    columns = SeedsColumns(ignore=["system"])
    assert _one(tmp_path, {"messages": [SYSTEM, ASK]}, columns=columns).system is None
    assert _one(tmp_path, {"instruction": "a", "system": "b"}, columns=columns).system is None


def test_a_long_conversation_is_left_out_like_any_long_row(tmp_path: Path) -> None:
    long, _ = BAD["a long conversation"]
    rows = [{"instruction": "fine"}, long]
    seeds = _read(tmp_path, rows, turns="last", too_long="leave_out")
    assert len(seeds.seeds) == 1
    assert "line 2: the earlier turns" in seeds.left_out


def test_a_long_system_prompt_is_left_out_like_any_long_text(tmp_path: Path) -> None:
    long = SYSTEM | {"content": "x" * (MAX_CHARACTERS + 1)}
    two = [SYSTEM | {"content": "x" * (MAX_CHARACTERS - 9)}] * 2
    rows = [{"instruction": "fine"}, {"messages": [long, ASK]}, {"messages": [*two, ASK]}]
    seeds = _read(tmp_path, rows, too_long="leave_out")
    assert (len(seeds.seeds), len(seeds.too_long)) == (1, 2)
    assert "line 2: 'system' has" in seeds.left_out


def test_the_context_is_part_of_the_id(tmp_path: Path) -> None:
    rows = [
        {"messages": [ASK]},
        {"messages": [SYSTEM, ASK]},
        {"messages": [{"role": "system", "content": "Be kind."}, ASK]},
        {"messages": [MORE, ANSWER, ASK]},
        {"messages": [SYSTEM, MORE, ANSWER, ASK]},
        {"messages": [SYSTEM, ASK, PLUM]},
    ]
    seeds = _read(tmp_path, rows, turns="last")
    assert len(seeds.seeds) == 5
    assert seeds.duplicates == 1
    assert instruction_id("Name a fruit.", "") in seeds.seeds
    assert seeds.frame.columns == ["instruction", "input", "system", "turns"]


def test_ids_without_context_are_those_of_earlier_versions() -> None:
    assert instruction_id("Add.", "2 and 3") == "f41d37c327b50a2a"
    assert instruction_id("Add.", "2 and 3", "", "") == instruction_id("Add.", "2 and 3")


def test_of_equal_conversations_the_first_answer_is_kept(tmp_path: Path) -> None:
    rows = [{"messages": [SYSTEM, ASK]}, {"messages": [SYSTEM, ASK, ANSWER]}]
    [row] = _read(tmp_path, rows).kept("keep", "log.jsonl").to_dicts()
    assert row["answer"] == "Pear."
    assert row["id"] == instruction_id("Name a fruit.", "", "Be brief.")


def test_a_system_prompt_may_ask_for_thoughts_and_a_question_may_quote_them(tmp_path: Path) -> None:
    answer = {"role": "assistant", "content": "<think>x</think> y"}
    system = {"role": "system", "content": "Write <think>, then </think>."}
    kept = _read(tmp_path, [{"messages": [system, ASK, answer]}]).kept("keep", "l")
    assert kept["answer"].to_list() == ["y"]
    quoting = ASK | {"content": "What is <think>?"}
    assert _read(tmp_path, [{"messages": [quoting, answer]}]).kept("keep", "l").is_empty()


def test_conversations_of_parquet(tmp_path: Path) -> None:
    path = tmp_path / "seeds.parquet"
    pl.DataFrame({"messages": [[SYSTEM, ASK, ANSWER, MORE]]}).write_parquet(path)
    [seed] = read_seeds(path, turns="last").seeds.values()
    assert messages_of(seed.task) == (SYSTEM, ASK, ANSWER, MORE)
