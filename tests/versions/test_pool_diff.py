"""`lion pool diff`: what differs between two versions of the pools, said rightly."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from lion.runs.revision import Revision
from lion.versions.diff import PoolDiff, as_text
from tests.versions.conftest import Lion, Versions


def test_a_new_round_is_added(versions: Versions, lion: Lion) -> None:
    diff = json.loads(lion("pool", "diff", "first", "second", "--json").output)
    assert [row["round"] for row in diff["added"]] == ["r2"] * 7


def test_a_removed_instruction_is_named(versions: Versions, lion: Lion) -> None:
    diff = json.loads(lion("pool", "diff", "first", "second", "--json").output)
    assert [row["id"] for row in diff["removed"]] == [versions.removed]


def test_instructions_move_between_verdicts(versions: Versions, lion: Lion) -> None:
    diff = json.loads(lion("pool", "diff", "first", "second", "--json").output)
    seeds = [row for row in diff["moved"] if row["origin"] == "seed"]
    assert {row["id"] for row in seeds} == set(versions.moved)
    assert {(row["was"], row["now"]) for row in seeds} == {("hard", "easy")}


def test_the_other_direction_swaps_added_and_removed(versions: Versions, lion: Lion) -> None:
    diff = json.loads(lion("pool", "diff", "second", "first", "--json").output)
    assert [row["id"] for row in diff["added"]] == [versions.removed]
    assert len(diff["removed"]) == 7


def test_counts_are_by_round_and_origin(versions: Versions, lion: Lion) -> None:
    counts = json.loads(lion("pool", "diff", "first", "second", "--json").output)["counts"]
    assert counts[0] == {"round": "r0", "origin": "seed", "hard → easy": 2}
    assert sum(row.get("added", 0) for row in counts if row["round"] == "r2") == 7
    assert sum(row.get("removed", 0) for row in counts if row["round"] == "r1") == 1


def test_by_default_head_is_compared_with_the_workspace(versions: Versions, lion: Lion) -> None:
    assert "No instruction was added" in lion("pool", "diff").output


def test_a_changed_file_of_the_workspace_counts(
    versions: Versions, lion: Lion, tmp_path: Path
) -> None:
    pool = versions.root / "data" / "pools" / "train" / "r2.jsonl"
    shutil.copy(pool, tmp_path)
    try:
        pool.write_text("".join(pool.read_text().splitlines(keepends=True)[:-1]))
        diff = json.loads(lion("pool", "diff", "--json").output)
    finally:
        shutil.copy(tmp_path / "r2.jsonl", pool)
    assert len(diff["removed"]) == 1


def test_limit_shortens_the_list(versions: Versions, lion: Lion) -> None:
    output = lion("pool", "diff", "first", "second", "--limit", "2").output
    assert "... and 5 more added" in output


def test_the_table_fits_a_terminal_whatever_moved() -> None:
    verdicts = ["hard", "easy", "unexamined"]
    moves = [f"{was} → {now}" for was in verdicts for now in verdicts if was != now]
    rows = pl.DataFrame(
        {
            "id": [str(number) for number in range(6)],
            "input": "",
            "instruction": "Say it",
            "origin": "seed",
            "parent": None,
            "round": "r0",
            "was": [move.split(" → ")[0] for move in moves],
            "now": [move.split(" → ")[1] for move in moves],
        }
    )
    side = Revision("HEAD", None, Path(), None)
    told = as_text(PoolDiff(rows, rows, rows), side, side, 10)
    assert max(map(len, told.splitlines())) <= 100


@pytest.mark.parametrize(("limit", "rows"), [("0", 0), ("2", 2), (None, 7)])
def test_limit_shortens_the_json_too(lion: Lion, limit: str | None, rows: int) -> None:
    told = lion("pool", "diff", "first", "second", "--json", *(("--limit", limit) if limit else ()))
    diff = json.loads(told.output)
    assert len(diff["added"]) == rows
    assert sum(row.get("added", 0) for row in diff["counts"]) == 7


def test_markdown_keeps_texts_of_models_inside_a_fence(versions: Versions, lion: Lion) -> None:
    output = lion("pool", "diff", "first", "second", "--md").output
    head, _, rest = output.partition("```diff\n")
    assert "| r2 |" in head
    assert rest.rstrip().endswith("```")
    assert rest.count("```") == 1
