"""dvc.yaml tells the truth: dependencies match the imports, commands name declared paths only."""

import ast
import hashlib
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text())
FILES = [ROOT / "params.yaml", *sorted((ROOT / "presets").glob("*.yaml"))]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())

# Code whose change cannot change a result: errors, progress, file handling, the schema of tables,
# how a model is reached. Everything else that a stage imports is a dependency.
NEUTRAL = re.compile(
    r"(stages/__init__|lion/(clock|errors|files|params/.*|progress|tables|home)|lion/chat/.*"
    r"|lion/student/(launch|memory|unfinished|watch))\.py"
)


def _stages() -> dict[str, dict[str, Any]]:
    return {name: stage.get("do", stage) for name, stage in DVC["stages"].items()}


STAGES = _stages()


@cache
def _imports(path: str) -> frozenset[str]:
    """All project files that `path` imports, directly or not, and the prompts it renders."""
    tree = ast.parse((ROOT / path).read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= _files(node.module)
        elif isinstance(node, ast.Import):
            found |= {file for name in node.names for file in _files(name.name)}
    return frozenset(
        found | {more for file in found if not NEUTRAL.fullmatch(file) for more in _imports(file)}
    )


def _files(module: str) -> set[str]:
    stem = module.replace(".", "/")
    candidates = (f"{stem}.py", f"{stem}/__init__.py")
    mine = module.split(".")[0] in {"lion", "stages"}
    return {path for path in candidates if mine and (ROOT / path).exists()} - {"lion/__init__.py"}


def _prompts(files: set[str]) -> set[str]:
    """The prompts that `files` render: the names in the first argument of `render`."""
    calls = [
        node
        for file in files
        for node in ast.walk(ast.parse((ROOT / file).read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "render"
    ]
    names = [part for call in calls for part in ast.walk(call.args[0])]
    return {
        f"lion/prompts/{name.value}.txt"
        for name in names
        if isinstance(name, ast.Constant) and isinstance(name.value, str)
    }


@pytest.mark.parametrize("name", STAGES)
def test_code_dependencies_match_the_imports(name: str) -> None:
    module = re.search(r"python -m (stages\.\w+)", STAGES[name]["cmd"])
    assert module
    stage = module[1].replace(".", "/") + ".py"
    used = {file for file in {stage, *_imports(stage)} if not NEUTRAL.fullmatch(file)}
    empty = {file for file in used if not (ROOT / file).read_text().strip()}
    code = used - empty
    code |= _prompts(code)
    declared = {dep for dep in STAGES[name]["deps"] if dep.startswith(("lion/", "stages/"))}
    declared -= {"lion/report/assets"}  # no code
    assert declared == code


@pytest.mark.parametrize("name", STAGES)
def test_every_path_in_a_command_is_a_declared_dependency_or_output(name: str) -> None:
    stage = STAGES[name]
    outs = [*stage.get("outs", []), *stage.get("metrics", [])]
    declared = {*stage["deps"], *(next(iter(o)) if isinstance(o, dict) else o for o in outs)}
    words = shlex.split(stage["cmd"])
    paths = {word for word in words if "/" in word or (word.startswith("${") and "key" not in word)}
    assert paths <= declared
    assert {out for out in declared if out not in stage["deps"]} <= paths


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


def test_speed_and_addresses_are_no_dependencies() -> None:
    used = {key.split(".")[0] for stage in STAGES.values() for key in stage.get("params", [])}
    assert not used & {"endpoints", "compute", "budget"}


def test_the_lock_file_is_of_this_code_and_these_parameters() -> None:
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]
    stale = set()
    for name, stage in lock.items():
        for dep in stage["deps"]:
            path = ROOT / dep["path"]
            in_git = dep["path"].startswith(("lion/", "stages/", "data/seeds/", "data/eval/"))
            if (
                in_git
                and path.is_file()
                and hashlib.md5(path.read_bytes()).hexdigest() != dep["md5"]
            ):
                stale.add(f"{name}: {dep['path']}")
        for key, value in stage.get("params", {}).get("params.yaml", {}).items():
            now = PARAMS
            for part in key.split("."):
                now = now[part]
            if now != value:
                stale.add(f"{name}: {key}")
    assert not stale, "run `dvc repro` (or `dvc commit` after a refactor) and commit dvc.lock"
