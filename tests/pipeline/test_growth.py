"""How requests and memory grow with the seeds: the stages that ask, each in its own process.

The student's stages are left out: what they need is the model's. `benchmarks.rehearsal` runs all of
them, at any size; docs/scale.md has its figures.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.rehearsal_data import SEEDS, varied, write_params
from benchmarks.rehearsal_stages import Provider, serving, variables
from lion.pools.instructions import instruction_id
from lion.pools.tables import (
    ANSWER,
    ANSWER_LOSS,
    INSTRUCTION,
    QUESTION,
    REVIEW,
    from_rows,
    write_table,
)
from tests.stages.player import steps

COUNT = 60  # new instructions
# Stages by the two numbers of seeds that they are played with: requests take long.
STAGES = {
    (250, 1_500): ("teach-seed@r0", "cache-seed@r0", "referee@r1"),
    (500, 5_000): ("cache-seed@r0", "discriminate@r1", "generate@r1"),
}
SIZES = {stage: sizes for sizes, stages in STAGES.items() for stage in stages}
ROWS = 64_000  # the largest cache pool that the paper's run examines
MOST = 1.5e9  # bytes of memory that so many rows may take of a process, beside its code
_RUN = """
import re, runpy, sys
from pathlib import Path
module, sys.argv = sys.argv[1], sys.argv[1:]
try:
    runpy.run_module(module, run_name="__main__")
finally:
    print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@dataclass(frozen=True)
class Taken:
    """What a stage took: requests, and the peak of its memory in bytes."""

    requests: int
    peak: int


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Taken]]:
    """What each stage took, by the number of seeds."""
    return {
        seeds: play(tmp_path_factory.mktemp("growth"), seeds, stages)
        for sizes, stages in STAGES.items()
        for seeds in sizes
    }


def play(root: Path, seeds: int, stages: tuple[str, ...]) -> dict[str, Taken]:
    project = root / "project"
    lay_out(project, seeds)
    every = steps(yaml.safe_load((project / "params.yaml").read_text()))
    with serving(root / "server", project, ["--unreadable", "0.02"]) as provider:
        return {name: run(project, provider, every[name]) for name in stages}


def lay_out(project: Path, seeds: int) -> None:
    """Write what the stages before these would have written."""
    words = [f"word{number}" for number in range(seeds)]
    texts = [" ".join(words[at : at + 8]) for at in range(0, seeds, 2)]
    real = [{"instruction": text, "input": "", "output": f"{text} " * 20} for text in texts]
    rows = varied(real, seeds)
    (project / SEEDS).parent.mkdir(parents=True)
    (project / SEEDS).write_text(json.dumps(rows))
    write_params(project, rounds=1, count=COUNT)
    ids = [instruction_id(row["instruction"], row["input"]) for row in rows]
    fixed = {"origin": "seed", "parent": None, "round": "r0"}
    pool = [row | fixed | {"id": id} for row, id in zip(rows, ids, strict=True)]
    answer = {"answer": "as I see it", "finish_reason": "stop", "model": "student"}
    answer |= {"prompt_tokens": 9, "completion_tokens": 4}
    data = project / "data"
    write_table(data / "pools/train/r0.jsonl", from_rows(pool, INSTRUCTION), INSTRUCTION)
    responses = from_rows([answer | {"id": id} for id in ids], ANSWER)
    write_table(data / "responses/r1.jsonl", responses, ANSWER)
    taught = [
        answer | {"id": id, "answer": row["output"]} for row, id in zip(rows, ids, strict=True)
    ]
    write_table(data / "answers/r0.jsonl", from_rows(taught, ANSWER), ANSWER)
    write_table(data / "reviews/r1.jsonl", from_rows(verdicts(ids), REVIEW), REVIEW)
    write_table(data / "difficulty/r1.parquet", from_rows([], ANSWER_LOSS), ANSWER_LOSS)
    write_table(data / "pools/kept.jsonl", from_rows([], ANSWER), ANSWER)
    write_table(data / "questions/evaluate.jsonl", from_rows([], QUESTION), QUESTION)
    write_table(data / "pools/cache/base/base.jsonl", from_rows([], INSTRUCTION), INSTRUCTION)


def verdicts(ids: list[str]) -> list[dict[str, Any]]:
    """The referee's replies in both orders: every other row is hard."""
    common = {"attempt": 0, "identical": None, "model": "rehearsal", "purpose": None}
    common |= {
        "completion_tokens": 30,
        "prompt_tokens": 900,
        "reply": "A sentence of reasons. " * 9,
    }
    return [
        common | {"id": id, "order": order, "teacher": 8.0, "student": 3.0 if number % 2 else 9.0}
        for number, id in enumerate(ids)
        for order in ("teacher_first", "student_first")
    ]


def run(project: Path, provider: Provider, step: Any) -> Taken:
    before = provider.answered()
    command = [sys.executable, "-c", _RUN, step.module, *step.args]
    done = subprocess.run(
        command,
        cwd=project,
        env=variables(project, provider) | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Taken(provider.answered() - before, 1024 * int(done.stdout.splitlines()[-1]))


def test_each_row_is_asked_for_once_but_for_unreadable_replies(
    taken: dict[int, dict[str, Taken]],
) -> None:
    for seeds in SIZES["referee@r1"]:
        assert taken[seeds]["teach-seed@r0"].requests == seeds
        assert 2 * 0.94 * seeds < taken[seeds]["referee@r1"].requests < 2 * 1.05 * seeds
    for seeds in SIZES["generate@r1"]:
        assert COUNT < taken[seeds]["generate@r1"].requests < 2.5 * COUNT
        assert not taken[seeds]["cache-seed@r0"].requests
        assert not taken[seeds]["discriminate@r1"].requests


@pytest.mark.parametrize("stage", SIZES)
def test_memory_grows_by_so_little_a_row_that_the_papers_pool_fits(
    taken: dict[int, dict[str, Taken]], stage: str
) -> None:
    fewer, more = SIZES[stage]
    few, many = (taken[seeds][stage].peak for seeds in (fewer, more))
    assert (many - few) / (more - fewer) * ROWS < MOST
