"""The control's player: the oracle's own replies, valid variants, and figures paired by seed."""

import json
import math
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from benchmarks.control_data import MIXES, DirectChat, questions_of, seeds_of
from benchmarks.control_rounds import changed
from benchmarks.control_table import mean, paired, read, variant_table
from benchmarks.control_variants import CONTRASTS, EARLIER, SEEDS_ONLY, START, VARIANTS, command
from lion.chat import Request, connect
from lion.oracle.families import read as read_task
from lion.params import load_params
from lion.pools.instructions import task_text
from lion.prompts import render

ROOT = Path(__file__).parents[2]
PARAMS = load_params(ROOT / "params.yaml")


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_a_valid_parameter_file(name: str) -> None:
    params = changed(PARAMS, 7, VARIANTS[name])
    assert params.seed == 7


@pytest.mark.parametrize("name", SEEDS_ONLY)
def test_training_on_the_seeds_takes_as_many_steps_as_the_loop(name: str) -> None:
    params = changed(PARAMS, 1, VARIANTS[name])
    seeds = seeds_of("zipf", PARAMS.seeds).height
    rows = seeds + len(params.rounds) * params.generate.count * (1 + params.replay)
    assert params.imitate.epochs == round(PARAMS.imitate.epochs * rows / seeds)


def test_no_two_variants_are_the_same() -> None:
    texts = [str(changed(PARAMS, 1, changes)) for changes in VARIANTS.values()]
    assert len(set(texts)) == len(texts)


def test_a_variant_is_one_dvc_experiment() -> None:
    assert command("chance-clusters") == (
        "dvc exp run -S replay=0.0 -S sampling.over=clusters -S sampling.by=chance"
    )
    assert command("seeds-only") == (
        "dvc exp run -S replay=0.0 -S imitate.epochs=22 evaluate-seed@r0"
    )
    assert command("replay-contrast-other") == (
        "dvc exp run -S replay=1.0 -S 'imitate.contrast={wrong: other}'"
    )


def test_every_comparison_is_of_variants_that_there_are() -> None:
    known = {*VARIANTS, START, EARLIER}
    assert {name for pair in CONTRASTS.values() for name in pair} <= known


def test_the_player_hears_what_the_stages_hear() -> None:
    asked = [
        Request(
            id="x",
            messages=render("teacher.txt", task=f"Reverse: owl crow {animal}"),
            temperature=0.7,
            max_tokens=20,
            seed=3,
        )
        for animal in ("yak", "hare")
    ]
    with connect(PARAMS, "teacher", stage="teach", round="r0") as chat:
        assert DirectChat(PARAMS.oracle).ask(asked, label="teach") == chat.ask(asked, label="teach")


def test_a_repeated_request_costs_nothing_until_the_next_run() -> None:
    messages = render("teacher.txt", task="Reverse: owl crow")
    first = Request(id="a", messages=messages, temperature=0.7, max_tokens=20, seed=3)
    other = Request(id="b", messages=messages, temperature=0.7, max_tokens=20, seed=4)
    chat = DirectChat(PARAMS.oracle)
    replies = chat.ask([first, first, other], label="judge, retry")
    assert len(replies) == 3
    assert chat.ask([first], label="judge") == replies[:1]
    assert chat.spent["judge"][0] == 2
    chat.reset()
    chat.ask([first], label="judge")
    assert chat.spent["judge"][0] == 1


def test_the_mixes_differ_in_how_common_the_families_are() -> None:
    most = {}
    for mix in MIXES:
        rows = seeds_of(mix, str(ROOT / "data" / "seeds" / "oracle.jsonl"))
        assert rows["id"].n_unique() == rows.height
        tasks = [
            read_task(task_text(*row)) for row in rows.select("instruction", "input").iter_rows()
        ]
        counts = Counter(task.family.name for task in tasks if task)
        most[mix] = max(counts.values()) / rows.height
    assert most["zipf"] > 0.2 > 0.1 > most["even"]


def test_the_even_questions_ask_every_family_as_often() -> None:
    counts = {
        name: set(differences["category"].value_counts()["count"])
        for name, differences in questions_of().items()
    }
    assert len(counts["even"]) == 1
    assert len(counts["zipf"]) > 1


def _write(path: Path, runs: list[tuple[str, int, float]], processor: str = "x86") -> Path:
    rows = [
        {"mix": "zipf", "variant": name, "seed": seed, "round": 3, "quality_even": figure}
        | {"quality_zipf": 5.0, "spent": {"judge": [9, 9, 9], "teach": [2, 10**6, 0]}}
        | {"seconds": 1, "processor": processor}
        for name, seed, figure in runs
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_differences_are_taken_seed_by_seed(tmp_path: Path) -> None:
    runs = [("a", 1, 10.0), ("a", 2, 20.0), ("b", 1, 8.0), ("b", 2, 17.0), ("b", 3, 99.0)]
    differences = paired(read(_write(tmp_path / "rows", runs)), "zipf", "a", "b", "quality_even")
    assert differences
    assert (differences.n, differences.value) == (2, 2.5)
    assert differences.half == pytest.approx(12.71 * 0.5, abs=0.01)


def test_runs_on_different_processors_make_no_pair(tmp_path: Path) -> None:
    here = read(_write(tmp_path / "here", [("a", 1, 10.0), ("b", 2, 9.0)]))
    there = read(_write(tmp_path / "there", [("b", 1, 8.0), ("a", 2, 7.0)], "another"))
    assert paired(pl.concat([here, there]), "zipf", "a", "b", "quality_even") is None


def test_a_variant_is_shown_with_what_its_rounds_cost(tmp_path: Path) -> None:
    path = _write(tmp_path / "rows", [("a", 1, 10.0)])
    assert variant_table(read(path))[2:] == ["| zipf | a | 1 | 10.0 | 5.0 | 2 | 0.40 |"]


def test_one_seed_has_no_interval() -> None:
    assert math.isnan(mean([4.0]).half)
    assert str(mean([4.0])) == "+4.0 (one seed)"
