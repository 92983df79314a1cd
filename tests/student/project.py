"""A folder with the inputs of the stages imitate, respond and evaluate, small enough for a test."""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import yaml
from click.testing import CliRunner

from lion.oracle.families import FAMILIES
from lion.pools.cache import grow_cache, start_cache, with_answers
from lion.pools.instructions import instruction_id
from lion.pools.tables import (
    ANSWER,
    ANSWERED,
    INSTRUCTION,
    QUESTION,
    VERDICT,
    from_rows,
    write_table,
)
from lion.student.models import write_base

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 400.0  # seconds: several processes import torch on a busy machine
TASKS = [f"say {word}{more}" for word in ("red", "blue", "green") for more in ("", " one", " two")]

REVERSE = next(family.wordings[0] for family in FAMILIES if family.name == "reverse")
QUESTIONS = {
    f"{REVERSE}: {words}": " ".join(reversed(words.split()))
    for words in ("crow heron owl", "fork plate jar", "red blue green", "one two three")
}


class Project:
    """Runs stages, in this process or in their own."""

    def __init__(self, folder: Path, base: Path, **sections: dict[str, Any]) -> None:
        self.folder = folder
        self.raw = yaml.safe_load((ROOT / "params.yaml").read_text())
        self.set(
            imitate={"epochs": 8, "learning_rate": 1e-2, "batch": 6, "max_length": 40},
            student={"max_tokens": 8},
            compute={"checkpoint_steps": None},
        )
        self.set(**sections)
        pool, answers = _pool(), _answers()
        write_table(folder / "pool.jsonl", pool, INSTRUCTION)
        write_table(folder / "answers.jsonl", answers, ANSWER)
        start_cache(folder / "empty")
        write_table(folder / "nothing.parquet", from_rows([], ANSWERED), ANSWERED)
        write_table(folder / "earlier.parquet", with_answers(pool, answers)[::2], ANSWERED)
        grow_cache(folder / "empty", with_answers(pool, answers), "r0", folder / "cache")
        write_table(folder / "new.jsonl", answers.clear(), ANSWER)
        write_table(folder / "wrong.jsonl", _wrong(answers), ANSWER)
        write_table(folder / "scores.parquet", _scores(answers["id"]), VERDICT)
        write_base(folder / "base", base=str(base), revision=None)

    def set(self, **sections: dict[str, Any]) -> None:
        """Update sections of params.yaml."""
        for name, values in sections.items():
            self.raw[name] |= values
        (self.folder / "params.yaml").write_text(yaml.safe_dump(self.raw))

    def imitate(self, out: str, *, replay: str = "nothing.parquet") -> list[str]:
        """Return the arguments that train `out` from the base."""
        told = {"student": "base", "pool": "pool.jsonl", "answers": "answers.jsonl"}
        return self._arguments(told | {"replay": replay, "out": out, "loss": f"{out}.jsonl"})

    def contrast(self, out: str) -> list[str]:
        """Return the arguments that train `out` on the pool, and on pairs of its hard rows."""
        examined = {"cache": "cache", "responses": "wrong.jsonl", "scores": "scores.parquet"}
        return [*self.imitate(out), *self._arguments(examined)]

    def replay(self, out: str) -> list[str]:
        """Return the arguments that draw rows of the cache pool."""
        told = {"cache": "cache", "pool": "pool.jsonl", "rewrites": "new.jsonl", "out": out}
        return self._arguments(told)

    def respond(self, student: str, out: str) -> list[str]:
        """Return the arguments that have `student` answer the cache pool."""
        paths = {"student": student, "cache": "cache", "out": out}
        return [*self._arguments(paths | {"difficulty": f"{out}.parquet"}), "--round", "r1"]

    def evaluate(self, student: str, out: str) -> list[str]:
        """Return the arguments that have `student` answer questions, and the judge compare."""
        write_table(self.folder / "questions.jsonl", _questions(), QUESTION)
        write_table(self.folder / "right.jsonl", _right(), ANSWER)
        asked = {"questions": "questions.jsonl", "answers": "right.jsonl"}
        return self._arguments({"student": student, "out": out, **asked})

    def _arguments(self, paths: dict[str, str]) -> list[str]:
        told = ["--round", "r0", "--params", str(self.folder / "params.yaml")]
        for name, path in paths.items():
            told += [f"--{name}", str(self.folder / path)]
        return told

    def start(
        self, stage: str, arguments: list[str], *, prefix: Sequence[str] = ()
    ) -> subprocess.Popen[str]:
        """Start `python -m stages.NAME` in its own process, as an argument of command `prefix`."""
        own = {"LION_HOME": str(self.folder / "home"), "HF_HUB_OFFLINE": "1"}
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", f"stages.{stage}", *arguments],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"} | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def kill(self, process: subprocess.Popen[str], when: str) -> None:
        """Kill the process and its children with SIGKILL once a checkpoint has a file `when`."""
        home = self.folder / "home"
        end = time.monotonic() + PATIENCE
        while process.poll() is None and not list(home.glob(f"training/*/{when}")):
            assert time.monotonic() < end, f"no {when}"
            time.sleep(0.01)
        for one in [*psutil.Process(process.pid).children(recursive=True), process]:
            one.kill()
        told, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL, told

    def here(self, stage: str, arguments: list[str]) -> str:
        """Run the stage in this process; return its output."""
        main = importlib.import_module(f"stages.{stage}").main
        runner = CliRunner(env={"LION_HOME": str(self.folder / "home")})
        result = runner.invoke(main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    def run(self, stage: str, arguments: list[str], *, code: int = 0) -> str:
        """Run the stage in its own process, which must end with `code`; return its output."""
        process = self.start(stage, arguments)
        told, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, told
        return told


Make = Callable[..., Project]


def _wrong(answers: pl.DataFrame) -> pl.DataFrame:
    """Return a student's answers: each belongs to the third row after it, so all are wrong."""
    given = answers["answer"].to_list()
    return answers.with_columns(answer=pl.Series([*given[3:], *given[:3]]))


def _scores(ids: pl.Series) -> pl.DataFrame:
    """Return verdicts: all rows but the last are hard."""
    verdicts = ["hard"] * (len(ids) - 1) + ["easy"]
    rows = [
        {"id": id, "teacher": 9.0, "student": 1.0, "gap": 8.0, "verdict": verdict}
        for id, verdict in zip(ids, verdicts, strict=True)
    ]
    return from_rows(rows, VERDICT)


def _pool() -> pl.DataFrame:
    rows = [
        {"id": instruction_id(task, ""), "instruction": task, "input": "", "round": "r0"}
        | {"origin": "seed", "parent": None}
        for task in TASKS
    ]
    return from_rows(rows, INSTRUCTION)


def _answers() -> pl.DataFrame:
    return _answered({task: task.removeprefix("say ") for task in TASKS})


def _questions() -> pl.DataFrame:
    """Return tasks that the offline judge can score."""
    rows = [
        {"id": instruction_id(task, ""), "instruction": task, "input": "", "category": "reverse"}
        for task in QUESTIONS
    ]
    return from_rows(rows, QUESTION)


def _right() -> pl.DataFrame:
    return _answered(QUESTIONS)


def _answered(answers: dict[str, str]) -> pl.DataFrame:
    rows = [
        {"id": instruction_id(task, ""), "answer": answer, "model": "teacher"}
        | {"finish_reason": "stop", "prompt_tokens": 1, "completion_tokens": 1}
        for task, answer in answers.items()
    ]
    return from_rows(rows, ANSWER)
