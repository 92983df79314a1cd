"""The loop under real DVC: which stages run, and their results."""

import json
from pathlib import Path

import pytest
import yaml

from lion.pools.cache import read_cache
from lion.pools.tables import DRAW, INSTRUCTION, VERDICT, read_table
from tests.pipeline.mini import Project, ran
from tests.stages.player import steps

EXAMINE = ("respond", "referee", "discriminate", "generate")
LEARN = ("teach", "rewrite", "replay", "imitate", "cache", "evaluate")
ROUND = (*EXAMINE, *LEARN)


def test_the_loop_trains_once_more_than_it_generates(played_once: Project) -> None:
    data = played_once.root / "data"
    pools = {path.stem: read_table(path, INSTRUCTION) for path in data.glob("pools/train/*.jsonl")}
    assert {name: pool.height for name, pool in pools.items()} == {"r0": 40, "r1": 6}
    assert read_cache(data / "pools" / "cache" / "r1").height == 46
    assert len(list(data.glob("students/r*/model.safetensors"))) == 2


def test_a_round_examines_the_whole_cache_pool(played_once: Project) -> None:
    scores = read_table(played_once.root / "data" / "scores" / "r1.parquet", VERDICT)
    assert scores.height == 40


def test_every_new_instruction_leads_back_to_a_seed(played_once: Project) -> None:
    pool = read_cache(played_once.root / "data" / "pools" / "cache" / "r1")
    parents = dict(pool.select("id", "parent").iter_rows())
    origins = dict(pool.select("id", "origin").iter_rows())
    for id in pool["id"]:
        while parents[id]:
            id = parents[id]
        assert origins[id] == "seed"


def test_draws_keep_what_was_rejected(played_once: Project) -> None:
    draws = read_table(played_once.root / "data" / "draws" / "r1.jsonl", DRAW)
    assert draws.filter(verdict="accepted").height == 6


def test_the_metrics_are_few_and_of_the_last_round(played: Project) -> None:
    metrics = played.metrics()
    assert list(metrics) == [
        "relative_quality",
        "gain",
        "held_out_loss",
        "hard_share",
        "mean_gap",
        "unjudged_share",
        "acceptance",
        "quality",
    ]
    assert list(metrics["quality"]) == ["r0", "r1"]
    assert metrics["gain"] == round(metrics["quality"]["r1"] - metrics["quality"]["r0"], 2)
    assert "relative_quality" in played.dvc("metrics", "show")


def test_a_second_repro_runs_nothing(played: Project) -> None:
    output = played.dvc("repro")
    assert not ran(output)
    assert "up to date" in output


def test_stages_that_run_again_change_no_result_and_pay_nothing(
    played: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = _paid(played)
    assert paid["teach", "r0"] == (40, 0)
    monkeypatch.chdir(played.root)
    monkeypatch.setenv("LION_HOME", str(played.root / ".lion"))
    for step in steps(yaml.safe_load(Path("params.yaml").read_text())).values():
        assert step.run().exit_code == 0, step.name
    assert "up to date" in played.dvc("status")
    again = {
        key: (requests, saved + (requests or saved)) for key, (requests, saved) in paid.items()
    }
    assert _paid(played) == again  # each request was answered by the store


def test_a_parameter_changes_the_stages_that_read_it(played: Project) -> None:
    played.set(tau=1.5)
    assert played.changed() == {"discriminate@r1", "report"}
    played.set(tau=1.0, replay=0)
    assert played.changed() == {"replay@r1", "report"}  # the page names the run
    assert ran(played.dvc("repro", "replay@r1")) == ["replay@r1"]


def test_another_control_reruns_the_report_alone(played: Project) -> None:
    control = played.root / "control.csv"
    control.write_text("round,quality\nr0,40.5\nr1,55.5\n")
    played.set(report__control="control.csv")
    assert ran(played.dvc("repro")) == ["code", "report"]
    assert "55.5" in (played.root / "reports/figures/quality.svg").read_text()
    control.write_text("round,quality\nr0,40.5\nr1,66.5\n")
    assert set(json.loads(played.dvc("status", "--json"))) == {"report"}


def test_plots_are_drawn_from_the_tables(played: Project) -> None:
    output = played.dvc("plots", "show", "--json")
    assert all(name in output for name in ("Relative quality", "Gap", "Training loss"))


def _paid(project: Project) -> dict[tuple[str, str], tuple[int, int]]:
    """Return the requests that were paid and those that the store saved, by stage and round."""
    entries = json.loads(project.run("lion", "ledger", "--json"))["entries"]
    return {
        (entry["stage"], entry["round"]): (entry["requests"], entry["saved_requests"])
        for entry in entries
    }
