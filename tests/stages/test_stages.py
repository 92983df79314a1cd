"""Every stage through its command: what it writes, and how it refuses bad input."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from lion.params import load_params
from lion.pools.tables import ANSWER, ANSWERED, INSTRUCTION, LOSS, REVIEW, VERDICT, read_table
from tests.stages.player import ROOT, Step, steps


def settings(base: Path) -> dict[str, Any]:
    """The shipped parameters, made small."""
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["rounds"] = {"r1": "r0"}
    params["student"] |= {"base": str(base), "max_tokens": 6}
    params["imitate"]["epochs"] = 1
    params["generate"]["count"] = 5
    return params


def lay_out(folder: Path, params: dict[str, Any]) -> None:
    """A project folder without code: parameters, 30 seeds, 9 questions."""
    for name, rows in (("seeds", 30), ("eval", 9)):
        lines = (ROOT / "data" / name / "oracle.jsonl").read_text().splitlines(keepends=True)
        (folder / "data" / name).mkdir(parents=True)
        (folder / "data" / name / "oracle.jsonl").write_text("".join(lines[:rows]))
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    control = folder / params["report"]["control"]
    control.parent.mkdir(parents=True)
    control.write_text("round,quality\n")


@pytest.fixture(scope="module")
def played_once(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stages")
    params = settings(tiny_base)
    lay_out(folder, params)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LION_HOME", str(folder / "store"))
        for step in steps(params).values():
            result = step.run()
            assert result.exit_code == 0, f"{step.name}: {result.output}"
            missing = [out for out in step.outs if not (folder / out).exists()]
            assert not missing, f"{step.name}: {missing}"
    return folder


@pytest.fixture
def folder(played_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A played folder of one's own, which is the current one."""
    shutil.copytree(played_once, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def change(folder: Path, **changes: Any) -> None:
    """Change parameters; `section__key` for a nested one."""
    params = yaml.safe_load((folder / "params.yaml").read_text())
    for name, value in changes.items():
        *sections, last = name.split("__")
        part = params
        for section in sections:
            part = part[section]
        part[last] = value
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def step(folder: Path, name: str) -> Step:
    return steps(yaml.safe_load((folder / "params.yaml").read_text()))[name]


def refused(folder: Path, name: str) -> str:
    """What stage `name` says when it refuses: one line, exit code 1, nothing written."""
    found = step(folder, name)
    for out in found.outs:
        path = folder / out
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    result = found.run()
    assert result.exit_code == 1
    assert not [out for out in found.outs if (folder / out).exists()]
    assert not list(folder.glob("data/**/.*"))
    [line] = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert result.output.endswith(f"{line}\n")
    assert "Traceback" not in result.output
    return line


def test_the_table_of_rounds_is_printed(folder: Path) -> None:
    assert "quality" in step(folder, "report").run().output


def test_a_tracker_gets_a_round_once_it_is_evaluated_and_may_fail(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(ROOT / "dvc.yaml", folder / "dvc.yaml")
    (folder / "mlflow.py").write_text("raise RuntimeError('broken')\n")
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{ROOT}")
    change(folder, report__track="mlflow")
    scores = (folder / "data/evaluation/r1/scores.parquet").read_bytes()
    result = step(folder, "evaluate@r1").run()
    assert result.exit_code == 0
    assert "report.track: mlflow did not get r1: RuntimeError: broken." in result.output
    assert (folder / "data/evaluation/r1/scores.parquet").read_bytes() == scores


def test_teach_answers_every_row(folder: Path) -> None:
    pool = read_table(folder / "data/pools/train/r0.jsonl", INSTRUCTION)
    answers = read_table(folder / "data/answers/r0.jsonl", ANSWER)
    assert answers["id"].to_list() == pool["id"].to_list()
    assert set(answers["model"]) == {"oracle"}


def test_hard_rows_are_answered_again_learnt_and_contrasted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hard = read_table(folder / "data/scores/r1.parquet", VERDICT).filter(verdict="hard")["id"]
    change(folder, rewrite__share=1.0, replay=0.0, imitate__contrast={})
    shards = {}
    for offline in ("0", "1"):  # the second time the store has every reply
        monkeypatch.setenv("LION_OFFLINE", offline)
        for name in ("rewrite@r1", "replay@r1", "cache@r1", "imitate@r1"):
            result = step(folder, name).run()
            assert result.exit_code == 0, result.output
        shards[offline] = (folder / "data/pools/cache/r1/r0.jsonl").read_bytes()
    assert shards["0"] == shards["1"]
    new = read_table(folder / "data/rewrites/r1.jsonl", ANSWER)
    assert set(new["id"]) == set(hard)
    learnt = read_table(folder / "data/replays/r1.parquet", ANSWERED)
    assert set(learnt["id"]) == set(new.filter(finish_reason="stop")["id"])
    pairs = re.search(r"^contrast r1: (\d+) pairs$", result.output, re.MULTILINE)
    assert pairs
    assert 0 < int(pairs[1]) <= hard.len()
    losses = read_table(folder / "data/losses/r1.jsonl", LOSS)
    assert losses["accuracy"].is_null().to_list() == [True] * (losses.height - 1) + [False]


@pytest.mark.parametrize("key", ["seeds", "evaluate__questions"])
def test_tasks_that_the_oracle_cannot_solve_are_refused_before_anything_is_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    tasks = ("Reverse: owl cat dog", "Write a poem about an owl.")
    rows = [{"instruction": task} for task in tasks]
    (folder / "own.json").write_text(json.dumps(rows))
    change(folder, **{key: "own.json"})
    message = refused(folder, "seed")
    assert "own.json" in message
    assert "model: oracle cannot solve 'Write a poem about an owl.'" in message
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")  # a server is no oracle
    assert step(folder, "seed").run().exit_code == 0


def test_a_seeds_own_answer_is_kept_and_not_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = ("Count: owl cat dog", "Reverse: owl cat dog")
    rows = [
        {"instruction": task, "output": own} for task, own in zip(tasks, ("5", ""), strict=True)
    ]
    (folder / "own.json").write_text(json.dumps(rows))
    monkeypatch.setenv("LION_HOME", str(folder / "fresh"))
    known = {}
    for choice in ("keep", "ask"):
        change(folder, seeds="own.json", seeds_answers=choice)
        for name in ("seed", "teach-seed@r0"):
            assert step(folder, name).run().exit_code == 0
        known[choice] = read_table(folder / "data/answers/r0.jsonl", ANSWER)
    assert known["keep"]["model"].to_list() == ["own.json", "oracle"]
    assert known["keep"]["answer"][0] == "5"
    assert known["keep"]["prompt_tokens"].is_null().to_list() == [True, False]
    assert known["ask"]["model"].to_list() == ["oracle", "oracle"]


def test_the_referee_sees_every_answer_in_both_orders(folder: Path) -> None:
    reviews = read_table(folder / "data/reviews/r1.jsonl", REVIEW).filter(attempt=0)
    answers = read_table(folder / "data/responses/r1.jsonl", ANSWER)
    assert dict(reviews["order"].value_counts().iter_rows()) == {
        "teacher_first": answers.height,
        "student_first": answers.height,
    }


def test_tau_moves_rows_from_hard_to_easy(folder: Path) -> None:
    counts = []
    for tau in (-9.0, 9.0):
        change(folder, tau=tau)
        assert step(folder, "discriminate@r1").run().exit_code == 0
        verdicts = read_table(folder / "data/scores/r1.parquet", VERDICT)["verdict"]
        counts.append((verdicts == "hard").sum())
    assert counts[0] > counts[1] == 0


def test_no_hard_row_is_said_to_be_the_equilibrium(folder: Path) -> None:
    change(folder, tau=9.0)
    step(folder, "discriminate@r1").run()
    result = step(folder, "generate@r1").run()
    assert result.exit_code == 0
    assert "equilibrium" in result.output
    pool = read_table(folder / "data/pools/train/r1.jsonl", INSTRUCTION)
    assert set(pool["origin"]) == {"easy"}


def test_running_a_stage_again_gives_the_same_bytes(folder: Path) -> None:
    for name in ("seed", "teach-seed@r0", "imitate@r1", "respond@r1", "generate@r1"):
        found = step(folder, name)
        files = [path for out in found.outs for path in _files(folder / out)]
        before = [path.read_bytes() for path in files]
        assert found.run().exit_code == 0
        assert [path.read_bytes() for path in files] == before, name


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


SEEDS = "data/seeds/oracle.jsonl"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no rows"),
        (b"\n\n", "no rows"),
        (b"hello", "line 1"),
        (b'[{"instruction": "a"},', "JSON"),
        (b'{"instruction": "a"}\n{"prompt": "b"}\n', "line 2"),
        (b'{"instruction": ""}\n', "line 1: 'instruction'"),
        (b'{"instruction": 7}\n', "line 1: 'instruction'"),
        (b'{"instruction": "a"}\n\xff\xfe', "UTF-8"),
        (json.dumps({"instruction": "x " * 51_200}).encode(), "102,400 characters"),
    ],
)
def test_bad_seeds_are_refused_in_one_line(folder: Path, content: bytes, told: str) -> None:
    (folder / SEEDS).write_bytes(content)
    line = refused(folder, "seed")
    assert SEEDS in line
    assert told in line


def test_missing_seeds_are_named(folder: Path) -> None:
    (folder / SEEDS).unlink()
    assert SEEDS in refused(folder, "seed")


def test_a_missing_model_folder_is_named(folder: Path) -> None:
    change(folder, student__base="data/no-such-base")
    assert "student.base: data/no-such-base: no such folder" in refused(folder, "seed")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tau": "high"}, "params.yaml: tau: Input should be a valid number (it is 'high')"),
        ({"generate__hard_share": 2.0}, "generate.hard_share"),
        ({"generate__shares": 2.0}, "generate.shares: unknown parameter"),
        ({"rounds": {"r1": "r7"}}, "rounds: r1: r7 is not the round before"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(
    folder: Path, changes: dict[str, Any], told: str
) -> None:
    found = step(folder, "seed")
    change(folder, **changes)
    result = found.run()
    assert result.exit_code == 1
    assert told in result.output
    assert len(result.output.splitlines()) == 1


def test_a_missing_key_is_named_with_the_stage(folder: Path) -> None:
    change(folder, model="gpt-4o-mini")
    line = refused(folder, "teach-seed@r0")
    assert "OPENAI_API_KEY" in line
    assert "teach" in line


def test_a_missing_table_says_how_to_get_it(folder: Path) -> None:
    (folder / "data/reviews/r1.jsonl").unlink()
    assert "dvc" in refused(folder, "discriminate@r1")


@pytest.mark.parametrize("model", ["oracle"])
def test_shipped_parameters_are_what_is_tested(folder: Path, model: str) -> None:
    shipped = load_params(ROOT / "params.yaml")
    assert {shipped.model_of(role) for role in ("teacher", "referee", "generator", "judge")} == {
        model
    }
