"""A project with two versions of synthetic tables, under real git and DVC."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from lion.cli import main
from lion.pools.instructions import instruction_id
from lion.pools.tables import ANSWER, DRAW, INSTRUCTION, VERDICT, read_table, write_table
from tests.report.synthetic import Size, make_run
from tests.repository import begin, commit_tables, environment

Lion = Callable[..., Result]


@dataclass(frozen=True)
class Versions:
    """Tag `first` has rounds r0 and r1; tag `second` and the workspace also have r2.

    `second` lacks `removed`, an instruction of r1. Its last verdict on the two seeds `moved` is
    easy, where that of `first` was hard. `nasty` is an instruction of r2 with a terminal escape
    sequence in its text; `rejected` is a draft of r2 that repeats a seed.
    """

    root: Path
    removed: str
    moved: list[str]
    nasty: str
    rejected: str
    environment: dict[str, str]


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    root = tmp_path_factory.mktemp("versions")
    told = environment(root.parent / f"{root.name}-site")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in told.items():
            patch.setenv(name, value)
        begin(root)
        make_run(root, Size(rounds=2, seeds=30, new=6, questions=5))
        commit_tables(root, {"r1": "r0"}, "first")
        make_run(root, Size(rounds=3, seeds=30, new=6, questions=5))
        removed = _remove_last(root / "data" / "pools" / "train" / "r1.jsonl")
        moved = _judge_otherwise(root / "data" / "scores")
        nasty = _add_nasty(root / "data")
        rejected = _add_rejected(root / "data" / "draws" / "r2.jsonl", moved[0])
        commit_tables(root, {"r1": "r0", "r2": "r1"}, "second")
    return Versions(root, removed, moved, nasty, rejected, told)


@pytest.fixture
def lion(versions: Versions, monkeypatch: pytest.MonkeyPatch) -> Lion:
    """Return a function that runs a `lion` command in the project."""
    monkeypatch.chdir(versions.root)
    for name, value in versions.environment.items():
        monkeypatch.setenv(name, value)

    def run(*args: str) -> Result:
        result = CliRunner().invoke(main, args)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def _remove_last(path: Path) -> str:
    """Remove the last instruction of a train pool; return its id."""
    pool = read_table(path, INSTRUCTION)
    write_table(path, pool.head(-1), INSTRUCTION)
    return str(pool["id"][-1])


def _judge_otherwise(scores: Path) -> list[str]:
    """Give r2 the verdicts of r1, except for two that are now easy; return their ids."""
    before, after = (read_table(scores / f"{name}.parquet", VERDICT) for name in ("r1", "r2"))
    moved: list[str] = before.filter(verdict="hard")["id"].head(2).to_list()
    old = before.with_columns(
        verdict=pl.when(pl.col("id").is_in(moved)).then(pl.lit("easy")).otherwise("verdict")
    )
    new = after.join(before, on="id", how="anti", maintain_order="left")
    write_table(scores / "r2.parquet", pl.concat([old, new]), VERDICT)
    return moved


def _add_nasty(data: Path) -> str:
    """Add to r2 an instruction that would colour a terminal, and its answer; return its id."""
    text = "Say \x1b[31mred\x1b[0m ``` and | four"
    id = instruction_id(text, "")
    for folder, schema in (("pools/train", INSTRUCTION), ("answers", ANSWER)):
        path = data / folder / "r2.jsonl"
        rows = read_table(path, schema)
        row = rows.tail(1).with_columns(id=pl.lit(id))
        if schema is INSTRUCTION:
            row = row.with_columns(instruction=pl.lit(text), input=pl.lit(""))
        write_table(path, pl.concat([rows, row]), schema)
    return id


def _add_rejected(path: Path, nearest: str) -> str:
    """Add a draft that is too similar to `nearest`; return the id that it would have had."""
    text = "A draft that repeats a seed"
    draws = read_table(path, DRAW)
    row = draws.tail(1).with_columns(
        instruction=pl.lit(text),
        nearest=pl.lit(nearest),
        similarity=pl.lit(0.82),
        verdict=pl.lit("too similar"),
    )
    write_table(path, pl.concat([draws, row]), DRAW)
    return instruction_id(text, "")
