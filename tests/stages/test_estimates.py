"""`lion estimate` before anything ran, against what the run then asked."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lion.chat.store import Store
from lion.params import load_params
from lion.runs.run import Tables, places_of, read_run
from lion.versions.estimate import StageCost, read_inputs, replies_so_far, stage_costs
from lion.versions.plan import Plan, Step
from tests.stages.player import ROOT, steps
from tests.stages.test_stages import lay_out, settings


def estimated(params: dict[str, Any]) -> list[StageCost]:
    """Estimate a run of all stages in the current folder, as in a fresh clone."""
    Path("dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    planned = [Step.of(name, ("never ran",)) for name in steps(params)]
    plan = Plan(load_params(Path("params.yaml")), planned, unchanged=0)
    tables: Tables = read_run(places_of(Path()), plan.params.round_names)
    return stage_costs(plan, tables, replies_so_far(plan.params), read_inputs(plan, Path(), tables))


def check_against_the_store(costs: list[StageCost], store: Path) -> None:
    """Requests within 10% of those that were asked; each bound holds, by stage and role."""
    with Store(store / "replies.sqlite") as opened:
        entries = opened.entries()
    asked = sum(entry.requests + entry.saved_requests for entry in entries)
    assert sum(cost.requests for cost in costs) == pytest.approx(asked, rel=0.1)
    for role in {entry.role for entry in entries}:
        spent = [entry for entry in entries if entry.role == role]
        most = [cost.most for cost in costs if cost.role == role]
        for figure in ("requests", "prompt_tokens", "completion_tokens"):
            bound = sum(getattr(each, figure) for each in most)
            assert sum(getattr(entry, figure) for entry in spent) <= bound, (role, figure)


def test_seeds_with_answers_two_rounds_and_a_strict_judge(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = settings(tiny_base)
    params |= {"rounds": {"r1": "r0", "r2": "r1"}, "seeds": "own.csv", "seeds_answers": "keep"}
    params["judge"] |= {"samples": 2}
    params["referee"] |= {"retries": 0}
    params["oracle"] |= {"unreadable": 0.1}
    lay_out(tmp_path, params)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LION_HOME", str(tmp_path / "store"))
    rows = [json.loads(line) for line in Path("data/seeds/oracle.jsonl").read_text().splitlines()]
    with Path("own.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["instruction", "input", "output"])
        table.writeheader()
        for number, row in enumerate(rows * 2):  # each seed stands there twice
            given = row["instruction"], row.get("input", ""), "own" if number % 2 else ""
            table.writerow(dict(zip(table.fieldnames, given, strict=True)))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    costs = estimated(params)
    for step in steps(params).values():
        result = step.run()
        assert result.exit_code == 0, f"{step.name}: {result.output}"
    check_against_the_store(costs, tmp_path / "store")
