"""Differences between runs: paired figures, parameters, and the commit that each names."""

from dataclasses import replace
from pathlib import Path

import polars as pl

from lion.params import load_params
from lion.runs.compare import Run, changed_params, differences
from lion.runs.identity import identity_of
from lion.runs.rounds import rounds_of
from lion.runs.run import places_of, read_run
from tests.report.conftest import ROOT, as_project
from tests.report.synthetic import Size, make_run

PARAMS = load_params(ROOT / "params.yaml")


def test_the_table_is_paired_like_the_sentence(tmp_path: Path) -> None:
    """The second run answers the same questions alike, and ten easier ones."""
    names = ["r0", "r1"]
    tables = read_run(places_of(as_project(make_run(tmp_path, Size(rounds=2)))), names)
    easy = tables.evaluated.drop_nulls("gap").with_columns(
        pl.concat_str("id", pl.lit("+")).alias("id"), student="teacher", gap=pl.lit(0.0)
    )
    wider = replace(tables, evaluated=pl.concat([tables.evaluated, easy]))
    [same] = differences([Run("a", PARAMS, tables), Run("b", PARAMS, wider)])
    assert "+0.0 points of quality after r1" in same.sentence
    assert [row["quality"] for row in same.rounds] == [0.0, 0.0]
    others = replace(tables, evaluated=easy)
    [none] = differences([Run("a", PARAMS, tables), Run("b", PARAMS, others)])
    assert "no question in common" in none.sentence
    assert [row["quality"] for row in none.rounds] == [None, None]


def test_parameters_that_differ_only_at_their_end_are_shown_whole(tmp_path: Path) -> None:
    tables = read_run({}, ["r0"])
    folder = "data/experiments/2026-10/customer-support-tickets/seeds_filtered"
    runs = [
        Run(name, PARAMS.model_copy(update={"seeds": f"{folder}_{name}.json"}), tables)
        for name in ("v1", "v2")
    ]
    [row] = changed_params(runs)
    assert row == {"name": "seeds", "values": [f"{folder}_v1.json", f"{folder}_v2.json"]}
    runs[1] = runs[1]._replace(params=PARAMS.model_copy(update={"seeds": "b" * 90}))
    assert [len(value) for value in changed_params(runs)[0]["values"]] == [60, 60]


def test_runs_without_verdicts_are_told_apart(tmp_path: Path) -> None:
    commands = set()
    for seed in (1, 2):
        places = places_of(as_project(make_run(tmp_path / str(seed), Size(rounds=2))))
        (places["scores"] / "r1.parquet").write_bytes(b"no verdicts")
        (places["losses"] / "r1.jsonl").write_text(f"the losses of seed {seed}")
        commands.add(identity_of(read_run({}, ["r0", "r1"]), PARAMS, places).command)
    assert len(commands) == 2
    assert all("git log -S" in command for command in commands)


def test_a_round_without_a_pool_has_no_sizes(tmp_path: Path) -> None:
    run = places_of(as_project(make_run(tmp_path, Size(rounds=2, seeds=50))))
    first, second = rounds_of(read_run(run, ["r0", "r1", "r2"]))[0::2]
    assert (first["new"], first["cache"]) == (50, 50)
    assert (second["new"], second["cache"]) == (None, None)
