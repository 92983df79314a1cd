"""Play the stages of dvc.yaml in this process, each through its click command."""

import re
import shlex
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Step:
    """A stage of one round: its module and arguments, and the paths that it reads and writes."""

    name: str
    module: str
    args: tuple[str, ...]
    deps: tuple[str, ...]
    outs: tuple[str, ...]

    def run(self) -> Result:
        """Invoke the stage with the current folder as the project's root."""
        command = import_module(self.module).main
        return CliRunner().invoke(command, self.args, catch_exceptions=False)


def steps(params: dict[str, Any]) -> dict[str, Step]:
    """Return all stages of dvc.yaml for these parameters by name, in an executable order."""
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    values = params | {name: value for group in pipeline["vars"] for name, value in group.items()}
    stages = pipeline["stages"].items()
    found = [step for name, stage in stages for step in _unrolled(name, stage, values)]
    ordered: dict[str, Step] = {}
    while found:
        waiting = {out for step in found for out in step.outs}
        ready = [step for step in found if not _needs(step, waiting)]
        assert ready, [step.name for step in found]
        ordered |= {step.name: step for step in ready}
        found = [step for step in found if step.name not in ordered]
    return ordered


def _needs(step: Step, waiting: set[str]) -> bool:
    """Whether a dependency is, or contains, an output of a stage that has not run yet."""
    return any(out == dep or out.startswith(f"{dep}/") for dep in step.deps for out in waiting)


def _unrolled(name: str, stage: dict[str, Any], params: dict[str, Any]) -> list[Step]:
    if "foreach" not in stage:
        return [_step(name, stage, params)]
    each = stage["foreach"]
    items = _value(params, each[2:-1]) if isinstance(each, str) else each
    return [
        _step(f"{name}@{key}", stage["do"], {**params, "key": key, "item": item})
        for key, item in items.items()
    ]


def _step(name: str, stage: dict[str, Any], values: dict[str, Any]) -> Step:
    def filled(text: str) -> str:
        return re.sub(r"\$\{([\w.]+)\}", lambda match: _text(_value(values, match[1])), text)

    _, _, module, *args = shlex.split(filled(stage["cmd"]))
    outs = [*stage["outs"], *stage.get("metrics", [])]
    names = [next(iter(out)) if isinstance(out, dict) else out for out in outs]
    deps = tuple(filled(dep) for dep in stage["deps"])
    return Step(name, module, tuple(args), deps, tuple(map(filled, names)))


def _text(value: Any) -> str:
    """Return a value as text for a command; DVC turns a mapping into options."""
    if isinstance(value, dict):
        return " ".join(f"--{name} {item}" for name, item in value.items())
    return str(value)


def _value(values: dict[str, Any], key: str) -> Any:
    for part in key.split("."):
        values = values[part]
    return values
