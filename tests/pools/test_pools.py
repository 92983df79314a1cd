"""The cache pool grows by one shard a round; ids are content."""

from pathlib import Path
from typing import Any

import pytest

from lion.pools.cache import (
    grow_cache,
    read_cache,
    start_cache,
    usable,
    with_answers,
    with_responses,
)
from lion.pools.instructions import instruction_id, stable_seed, task_text
from lion.pools.tables import ANSWER, ANSWERED, INSTRUCTION, from_rows
from lion.support.errors import InputError


def instruction(text: str, **more: Any) -> dict[str, Any]:
    row = {"id": instruction_id(text, ""), "instruction": text, "input": "", "origin": "seed"}
    return {**row, "parent": None, "round": "r0", **more}


def answered(text: str, answer: str = "yes", finish_reason: str = "stop") -> dict[str, Any]:
    return {**instruction(text), "answer": answer, "finish_reason": finish_reason}


def answer(id: str, text: str) -> dict[str, Any]:
    row = {"id": id, "answer": text, "finish_reason": "stop", "model": "m"}
    return {**row, "prompt_tokens": 1, "completion_tokens": 1}


def test_ids_depend_on_instruction_and_input_alone() -> None:
    assert instruction_id("a", "b") == instruction_id("a", "b")
    assert instruction_id("a", "b") != instruction_id("ab", "")
    assert len(instruction_id("ü", "")) == 16


def test_seeds_are_the_same_on_every_machine() -> None:
    assert stable_seed("referee", "x", 1) == stable_seed("referee", "x", "1") == 1095130685
    assert stable_seed("a") != stable_seed("b")


def test_the_input_is_part_of_the_task() -> None:
    assert task_text("Sum up:", "1 2") == "Sum up:\n\n1 2"
    assert task_text("Say hi", "") == "Say hi"


def test_the_cache_pool_grows_by_a_shard_and_keeps_the_others(tmp_path: Path) -> None:
    start_cache(tmp_path / "base")
    before = tmp_path / "base"
    for number in range(12):
        shard = from_rows([answered(f"say {number}")], ANSWERED)
        grow_cache(before, shard, f"r{number}", tmp_path / f"r{number}")
        before = tmp_path / f"r{number}"
    pool = read_cache(before)
    assert pool["instruction"].to_list() == [f"say {number}" for number in range(12)]
    assert read_cache(tmp_path / "base").height == 0


def test_a_new_answer_replaces_the_old_one_in_its_shard_alone(tmp_path: Path) -> None:
    start_cache(tmp_path / "base")
    shards = [from_rows([answered(f"say {n}"), answered(f"tell {n}")], ANSWERED) for n in range(3)]
    grow_cache(tmp_path / "base", shards[0], "r0", tmp_path / "r0")
    grow_cache(tmp_path / "r0", shards[1], "r1", tmp_path / "r1")
    new = from_rows([answer(shards[0]["id"][1], "better")], ANSWER)
    grow_cache(tmp_path / "r1", shards[2], "r2", tmp_path / "r2", rewrites=new)
    assert (tmp_path / "r2/r1.jsonl").read_bytes() == (tmp_path / "r1/r1.jsonl").read_bytes()
    pool = read_cache(tmp_path / "r2")
    assert pool["id"].to_list() == [id for shard in shards for id in shard["id"]]
    assert pool["answer"].to_list()[1] == "better"
    assert read_cache(tmp_path / "r1")["answer"][1] != "better"


def test_a_missing_cache_pool_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cache pool not found"):
        read_cache(tmp_path / "none")


def test_an_instruction_without_answer_is_named() -> None:
    pool = from_rows([instruction("a"), instruction("b")], INSTRUCTION)
    answers = from_rows([answer(pool["id"][0], "x")], ANSWER)
    with pytest.raises(InputError, match=f"1 instructions have no answer, first {pool['id'][1]}"):
        with_answers(pool, answers)


def test_answers_and_responses_keep_the_pools_order() -> None:
    pool = from_rows([instruction(text) for text in "abc"], INSTRUCTION)
    answers = from_rows([answer(id, id) for id in reversed(pool["id"].to_list())], ANSWER)
    both = with_responses(with_answers(pool, answers), answers)
    assert both["answer"].to_list() == both["response"].to_list() == pool["id"].to_list()


def test_cut_refused_and_empty_answers_are_not_usable() -> None:
    rows = [
        answered("a"),
        answered("b", finish_reason="length"),
        answered("c", finish_reason="content_filter"),
        answered("d", answer="  \n"),
    ]
    assert usable(from_rows(rows, ANSWERED))["instruction"].to_list() == ["a"]
