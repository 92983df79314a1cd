"""`lion estimate` names the stages that would run: real code, dvc.yaml and DVC, made-up results."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from click.testing import CliRunner

from lion.cli import main
from lion.pools.tables import ANSWER_LOSS, VERDICT, write_table
from lion.versions.code import code_digest, stage_names
from tests.report.synthetic import Size, make_run
from tests.repository import ROOT, begin, environment, run
from tests.stages.player import steps

# DVC reads a trie in a manner that its library is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")

Estimate = Callable[..., Any]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A project whose lock file is up to date, and the environment for git and DVC."""
    root = tmp_path_factory.mktemp("plan") / "project"
    variables = environment(root.parent / "site") | {"PYTHONPATH": str(root)}
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("lion", "stages", "data/seeds", "data/eval", "data/base"):
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    for name in ("dvc.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, root)
    params = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"rounds": {"r1": "r0"}}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    make_run(root, Size(rounds=2, seeds=30, new=6, questions=5))
    write_table(root / "data/scores/r0.parquet", pl.DataFrame(schema=VERDICT), VERDICT)
    none = pl.DataFrame(schema=ANSWER_LOSS)
    write_table(root / "data/difficulty/r1.parquet", none, ANSWER_LOSS)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        begin(root)
        run("python", "-m", "stages.code", "--out", "data/code", root=root)
        _fill(root, params)
        run("dvc", "commit", "--quiet", "--force", root=root)
        run("git", "add", "--all", root=root)
        run("git", "commit", "--quiet", "--message", "done", root=root)
    return root, variables


def _fill(root: Path, params: dict[str, Any]) -> None:
    """Make the outputs that the made-up run does not have."""
    for step in steps(params).values():
        for out in step.outs:
            path = root / out
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("")


@pytest.fixture
def project(
    done: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy to change, and the working folder."""
    root, variables = done
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    copy = tmp_path / "project"
    shutil.copytree(root, copy, symlinks=True)
    monkeypatch.chdir(copy)
    return copy


def estimate(*args: str) -> Any:
    result = CliRunner().invoke(main, ["estimate", "--json", *args])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def planned(*args: str) -> set[str]:
    return {stage["stage"] for stage in estimate(*args)["stages"]}


def dependents(*words: str) -> set[str]:
    """The stages of these names and everything after them, from the texts in dvc.yaml."""
    every = steps(yaml.safe_load(Path("params.yaml").read_text()))
    reached = {name for name in every if name.split("@")[0].removesuffix("-seed") in words}
    while True:
        outs = {out for name in reached for out in every[name].outs}
        more = {
            name
            for name, step in every.items()
            if any(
                out == dep or out.startswith(f"{dep}/") or dep.startswith(f"{out}/")
                for dep in step.deps
                for out in outs
            )
        }
        if more <= reached:
            return reached
        reached |= more


def _edit(path: str, old: str, new: str) -> None:
    file = Path(path)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_nothing_would_run_when_all_is_done(project: Path) -> None:
    assert planned() == set()


@pytest.mark.parametrize(
    "path",
    ["lion/pools/instructions.py", "lion/student/training.py", "lion/chat/chat.py"],
)
def test_after_a_docstring_edit_only_code_would_run(project: Path, path: str) -> None:
    _edit(path, '"""', '"""Other words. ')
    assert planned() == {"code"}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("lion/student/training.py", ["imitate"]),
        ("lion/discriminate/scores.py", ["discriminate", "evaluate", "report"]),
        ("lion/imitate/replay.py", ["replay"]),
        ("lion/report/glance.py", ["report"]),
        ("lion/chat/chat.py", []),
    ],
)
def test_after_a_change_of_meaning_exactly_the_dependents_would_run(
    project: Path, path: str, words: list[str]
) -> None:
    before = _digests()
    with Path(path).open("a") as file:
        file.write("\n\nADDED = 1\n")
    if words and "scores" in path:
        words = [name for name, digest in _digests().items() if digest != before[name]]
    assert planned() == {"code"} | dependents(*words)


def _digests() -> dict[str, str]:
    root = Path.cwd()
    return {name: code_digest(root, name) for name in stage_names(root)}


def test_the_plan_is_what_dvc_runs_once_code_has_run(project: Path) -> None:
    _edit("lion/imitate/replay.py", '"""', '"""Other words. ')
    with Path("lion/imitate/replay.py").open("a") as file:
        file.write("\n\nADDED = 1\n")
    before = planned()
    run("dvc", "repro", "--quiet", "code")
    assert planned() == before - {"code"}
    would_run = run("dvc", "repro", "--dry").splitlines()
    stages = {line.split("'")[1] for line in would_run if line.startswith("Running stage")}
    assert stages <= before
    assert {"replay@r1", "imitate@r1"} <= before


def test_a_fresh_clone_reads_the_seeds_file(project: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    run("git", "clone", "--quiet", str(project), str(clone))
    os.chdir(clone)
    seeds = [{"instruction": f"Say {number}"} for number in range(9229)]
    Path("mine.json").write_text(json.dumps(seeds))
    plan = estimate("-S", "seeds=mine.json")
    requests = {cost["stage"]: cost["requests"] for cost in plan["costs"]}
    assert plan["unchanged"] == 0
    assert requests["teach-seed@r0"] == 9229
    assert requests["referee@r1"] == 2 * 9229


def test_other_seeds_are_counted_before_the_stage_seed_has_read_them(project: Path) -> None:
    Path("mine.jsonl").write_text('{"instruction": "one"}\n{"instruction": "two"}\n')
    plan = estimate("-S", "seeds=mine.jsonl")
    requests = {cost["stage"]: cost["requests"] for cost in plan["costs"]}
    assert requests["teach-seed@r0"] == 2


@pytest.mark.parametrize("key", ["seeds", "evaluate.questions"])
def test_a_missing_file_of_the_user_is_refused_in_one_line(project: Path, key: str) -> None:
    result = CliRunner().invoke(main, ["estimate", "-S", f"{key}=gone.json"])
    assert (result.exit_code, result.output.count("\n")) == (1, 1), result.output
    assert "gone.json: No such file" in result.output


def test_results_that_the_cache_lost_would_be_made_again(project: Path) -> None:
    shutil.rmtree(".dvc/cache")
    Path("data/scores/r1.parquet").unlink()
    assert "discriminate@r1" in planned()


def test_results_that_are_only_not_checked_out_would_not(project: Path) -> None:
    Path("data/scores/r1.parquet").unlink()
    assert planned() == set()


def test_results_that_only_the_default_remote_has_would_not(project: Path, tmp_path: Path) -> None:
    run("dvc", "remote", "add", "--quiet", "--default", "shared", str(tmp_path / "shared"))
    run("dvc", "push", "--quiet")
    _lose_all()
    assert planned() == set()


@pytest.mark.parametrize("kept", ["nothing", "one table"])
def test_results_that_the_default_remote_lacks_would_be_made_again(
    project: Path, tmp_path: Path, kept: str
) -> None:
    run("dvc", "remote", "add", "--quiet", "--default", "shared", str(tmp_path / "shared"))
    if kept == "one table":
        run("dvc", "push", "--quiet", "discriminate@r1")
    _lose_all()
    assert {"teach-seed@r0", "referee@r1"} <= planned()
    assert ("discriminate@r1" in _lost()) == (kept == "nothing")


def test_a_distant_default_remote_is_asked_at_once(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    run("dvc", "remote", "add", "--quiet", "--default", "away", "s3://bucket/lion")
    run("dvc", "remote", "modify", "away", "endpointurl", "http://127.0.0.1:9")
    _lose_all()
    begun = time.monotonic()
    result = CliRunner().invoke(main, ["estimate", "--json"])
    assert result.exit_code == 0, result.output
    stages = {stage["stage"] for stage in json.loads(result.stdout)["stages"]}
    assert {"teach-seed@r0", "referee@r1"} <= stages
    assert result.stderr.startswith("The default remote cannot be read, and counts as empty: ")
    assert result.stderr.count("\n") == 1
    assert time.monotonic() - begun < 60  # each lookup takes 6 s until it fails


def _lose_all() -> None:
    """Remove the cache and the results, as in a fresh clone."""
    shutil.rmtree(".dvc/cache")
    for name in Path("data").iterdir():
        if name.name not in ("base", "eval", "seeds", "code"):
            shutil.rmtree(name)
    shutil.rmtree("reports")


def _lost() -> set[str]:
    """The stages whose own results are lost."""
    return {
        stage["stage"]
        for stage in estimate()["stages"]
        if "results not in cache" in stage["changed"]
    }


def test_an_override_may_name_the_file(project: Path) -> None:
    assert planned("-S", "params.yaml:tau=1.5") == planned("-S", "tau=1.5")
    assert "discriminate@r1" in planned("-S", "params.yaml:tau=1.5")


def test_an_override_of_another_file_is_refused(project: Path) -> None:
    result = CliRunner().invoke(main, ["estimate", "-S", "other.yaml:tau=1.5"])
    assert (result.exit_code, result.output.count("\n")) == (1, 1), result.output
    assert "only params.yaml has parameters" in result.output
