"""`lion trace` and `lion rounds` tell what the tables hold."""

import json
from dataclasses import replace

import polars as pl
import pytest

from lion.pools.tables import ANSWERED, INSTRUCTION, read_table
from lion.runs.run import places_of, read_run
from lion.versions.trace import as_text, trace
from tests.versions.conftest import Lion, Versions


def _child(versions: Versions) -> dict[str, str]:
    """An instruction that another one inspired."""
    pool = read_table(versions.root / "data" / "pools" / "train" / "r2.jsonl", INSTRUCTION)
    return pool.row(0, named=True)


def test_a_child_leads_back_to_a_seed(versions: Versions, lion: Lion) -> None:
    row = _child(versions)
    life = json.loads(lion("trace", row["id"], "--json").output)
    assert life["ancestors"][0]["id"] == row["parent"]
    assert life["ancestors"][-1]["origin"] == "seed"
    assert (life["train_pools"], life["cache_pools"]) == (["r2"], ["r2"])


def test_a_row_that_was_learnt_again_names_the_rounds(versions: Versions, lion: Lion) -> None:
    replays = read_table(versions.root / "data" / "replays" / "r1.parquet", ANSWERED)
    life = json.loads(lion("trace", replays["id"][0], "--json").output)
    assert life["replayed"] == ["r1", "r2"]
    assert "replayed in  r1, r2" in lion("trace", replays["id"][0]).output


def test_a_parent_names_its_children(versions: Versions, lion: Lion) -> None:
    row = _child(versions)
    life = json.loads(lion("trace", row["parent"], "--json").output)
    assert row["id"] in [child["id"] for child in life["children"]]


def test_every_examination_has_both_orders(versions: Versions, lion: Lion) -> None:
    life = json.loads(lion("trace", versions.moved[0], "--json").output)
    assert [exam["round"] for exam in life["examinations"]] == ["r1", "r2"]
    assert [exam["by"] for exam in life["examinations"]] == ["r0", "r1"]
    for exam in life["examinations"]:
        assert [review["order"] for review in exam["reviews"]] == ["teacher_first", "student_first"]
        assert exam["reviews"][0]["reply"]


def test_a_verdict_is_that_of_the_revision(versions: Versions, lion: Lion) -> None:
    first, second = (
        json.loads(lion("trace", versions.moved[0], "--rev", rev, "--json").output)
        for rev in ("first", "second")
    )
    assert first["examinations"][-1]["verdict"] == "hard"
    assert second["examinations"][-1]["verdict"] == "easy"


def test_a_rewritten_answer_stands_beside_the_first(versions: Versions) -> None:
    tables = read_run(places_of(versions.root), ["r0", "r1", "r2"])
    id = versions.moved[0]
    rows = [
        {"id": id, "answer": text, "finish_reason": ending, "model": "m", "round": round}
        for text, ending, round in (("better", "stop", "r1"), ("cu", "length", "r2"))
    ]
    history = trace(replace(tables, rewrites=pl.DataFrame(rows, tables.rewrites.schema)), id)
    text = as_text(history)
    assert f"| {history['answer']['answer'].splitlines()[0]}" in text
    assert "rewritten in r1  m\n  | better\n" in text
    assert "not rewritten in r2  m ended by length\n  | cu\n" in text


def test_the_beginning_of_an_id_and_the_text_find_it(versions: Versions, lion: Lion) -> None:
    row = _child(versions)
    for query in (row["id"][:10], f"{row['instruction']} {row['input']}"):
        assert json.loads(lion("trace", query, "--json").output)["id"] == row["id"]


def test_an_ambiguous_text_names_some_that_it_means(lion: Lion) -> None:
    result = lion("trace", "river")
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert "instructions:" in result.output


def test_an_unknown_id_is_one_line(lion: Lion) -> None:
    result = lion("trace", "ffffffffffffffff")
    assert (result.exit_code, result.output.count("\n")) == (1, 1)


def test_a_rejected_draft_names_its_nearest_neighbour(versions: Versions, lion: Lion) -> None:
    life = json.loads(lion("trace", versions.rejected, "--json").output)
    assert life["train_pools"] == []
    [told] = life["rejected"]
    assert told["reason"] == "too similar"
    assert told["nearest"] == versions.moved[0]
    assert told["nearest_text"]


def test_the_text_for_a_terminal_holds_no_control_characters(
    versions: Versions, lion: Lion
) -> None:
    output = lion("trace", versions.nasty).output
    assert "U+001B" in output
    assert "\x1b" not in output


def test_rounds_have_sizes_shares_and_tokens(lion: Lion) -> None:
    rows = json.loads(lion("rounds", "--json").output)["workspace"]
    assert [(row["round"], row["new"], row["cache"]) for row in rows] == [
        ("r0", 30, 30),
        ("r1", 5, 35),
        ("r2", 7, 42),
    ]
    assert rows[0]["seed_origin"] == 1.0
    assert rows[2]["hard_origin"] + rows[2]["easy_origin"] == pytest.approx(1.0)
    # 5 questions are judged in 2 orders; 30 rows are taught.
    assert rows[0]["tokens"] == 30 * 50 + 10 * 130


def test_revisions_stand_side_by_side(lion: Lion) -> None:
    lines = lion("rounds", "--rev", "first", "--rev", "second").output.splitlines()
    starts = [line.split()[:2] for line in lines[1:6]]
    assert [line.partition(":")[0] for line in lines[6:]] == ["first", "second"]  # what follows
    assert starts == [
        ["r0", "first"],
        ["r0", "second"],
        ["r1", "first"],
        ["r1", "second"],
        ["r2", "second"],
    ]
