"""dvc.yaml is complete: commands use declared paths only; each stage depends on its digest."""

import hashlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from lion.evaluate.human import read_marks
from lion.params import Imitate
from lion.runs.figures import read_control
from lion.versions.code import digest_file, stage_names

ROOT = Path(__file__).parent.parent.parent
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text())
FILES = [ROOT / "params.yaml", *sorted((ROOT / "presets").glob("*.yaml"))]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())


def _stages() -> dict[str, dict[str, Any]]:
    return {name: stage.get("do", stage) for name, stage in DVC["stages"].items()}


STAGES = _stages()


@pytest.mark.parametrize("name", [name for name in STAGES if name != "code"])
def test_a_stage_depends_on_the_digest_of_its_own_code_and_on_no_module(name: str) -> None:
    module = re.search(r"python -m stages\.(\w+)", STAGES[name]["cmd"])
    assert module
    code = [dep for dep in STAGES[name]["deps"] if dep.startswith(("lion", "stages", "data/code"))]
    assert code == [f"data/code/{module[1]}"]


@pytest.mark.parametrize("name", STAGES)
def test_every_path_in_a_command_is_a_declared_dependency_or_output(name: str) -> None:
    stage = STAGES[name]
    outs = [*stage.get("outs", []), *stage.get("metrics", [])]
    declared = {*stage["deps"], *(next(iter(o)) if isinstance(o, dict) else o for o in outs)}
    words = set(shlex.split(stage["cmd"])) - {"${run}"}  # DVC unrolls it
    paths = {word for word in words if "/" in word or (word.startswith("${") and "key" not in word)}
    assert paths <= declared
    assert {out for out in declared if out not in stage["deps"]} <= paths


def test_the_report_reads_every_table_of_a_run() -> None:
    [run] = [group["run"] for group in DVC["vars"] if "run" in group]
    assert {f"${{run.{name}}}" for name in run} < set(STAGES["report"]["deps"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_in_report_parameters_are_dependencies(path: Path) -> None:
    """DVC cannot depend on null: without a control or marks they name files without rows."""
    assert {"${report.control}", "${report.marks}"} < set(STAGES["report"]["deps"])
    report = yaml.safe_load(path.read_text())["report"]
    assert read_control(str(ROOT / report["control"])) is None
    assert read_marks(ROOT / report["marks"]).is_empty()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_parameter_file_has_what_the_stages_depend_on(path: Path) -> None:
    for key in {key for stage in STAGES.values() for key in stage.get("params", [])}:
        value = yaml.safe_load(path.read_text())
        for part in key.split("."):
            assert part in value, key
            value = value[part]


def test_tau_changes_nothing_before_discriminate() -> None:
    users = {name for name, stage in STAGES.items() if "tau" in stage.get("params", [])}
    assert users == {"discriminate", "report"}


def test_the_first_student_depends_on_all_of_its_training_but_the_contrast() -> None:
    first, later = (set(STAGES[name]["params"]) for name in ("imitate-seed", "imitate"))
    own = {f"imitate.{name}" for name in Imitate.model_fields} - {"imitate.contrast"}
    assert first == later - {"imitate"} | own


def test_how_much_is_examined_changes_nothing_before_respond() -> None:
    users = {
        name
        for name, stage in STAGES.items()
        if any(key.startswith("examine") for key in stage.get("params", []))
    }
    assert users == {"respond", "referee"}


def test_speed_and_addresses_are_no_dependencies() -> None:
    used = {key.split(".")[0] for stage in STAGES.values() for key in stage.get("params", [])}
    assert not used & {"endpoints", "compute", "budget"}


def test_the_lock_file_is_of_this_code_and_these_parameters() -> None:
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]
    code = {f"data/code/{name}": digest_file(ROOT, name) for name in stage_names(ROOT)}
    stale = set()
    for name, stage in lock.items():
        for dep in stage["deps"]:
            path = ROOT / dep["path"]
            now = code.get(dep["path"])
            if path.is_file() and dep["path"].startswith(("data/seeds/", "data/eval/")):
                now = path.read_bytes()
            if now is not None and hashlib.md5(now).hexdigest() != dep["md5"]:
                stale.add(f"{name}: {dep['path']}")
        for key, value in stage.get("params", {}).get("params.yaml", {}).items():
            now = PARAMS
            for part in key.split("."):
                now = now[part]
            if now != value:
                stale.add(f"{name}: {key}")
    assert not stale, "run `dvc repro` (or `dvc commit` after a refactor) and commit dvc.lock"
