"""The real pipeline in its own folder, small enough to run in a test."""

import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.repository import ROOT, environment

CODE = ("lion", "stages", "dvc.yaml", "params.yaml", ".gitattributes", ".gitignore", ".dvcignore")


@dataclass(frozen=True)
class Project:
    """A project folder under git and DVC; `site` is the folder for DVC's site cache and config."""

    root: Path
    site: Path

    def run(self, *command: str, ok: bool = True, **env: str) -> str:
        """Run a command, which must succeed, or fail if not `ok`; return both output streams."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self._environment() | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) == ok, done.stdout[-3000:]
        return done.stdout

    def dvc(self, *args: str, ok: bool = True, **env: str) -> str:
        return self.run("dvc", *args, ok=ok, **env)

    def git(self, *args: str) -> str:
        return self.run("git", *args)

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def set(self, **changes: Any) -> None:
        """Change parameters; write `section__key` for a nested key."""
        path = self.root / "params.yaml"
        raw = yaml.safe_load(path.read_text())
        for name, value in changes.items():
            *sections, last = name.split("__")
            part = raw
            for section in sections:
                part = part[section]
            part[last] = value
        path.write_text(yaml.safe_dump(raw, sort_keys=False))

    def wait_for_queue(self, *names: str) -> str:
        """Wait until the queue has ended, with these experiments in git; return its status.

        Git is asked first, since it answers a hundred times sooner than DVC.
        """
        end = time.monotonic() + 240
        format = "--format=%(refname:lstrip=-1)"
        while not {*names} <= {*self.git("for-each-ref", format, "refs/exps").split()}:
            if time.monotonic() > end:
                break  # one has failed; the status tells
            time.sleep(0.2)
        while time.monotonic() < end + 30:
            status = self.dvc("queue", "status")
            if not re.search(r"\b(Queued|Running)\b", status):
                break
        return status

    def changed(self) -> frozenset[str]:
        """Run `code`; return the stages that DVC then calls changed, without their dependents."""
        assert ran(self.dvc("repro", "code")) == ["code"]
        return frozenset(json.loads(self.dvc("status", "--json")))

    def metrics(self) -> dict[str, Any]:
        metrics: dict[str, Any] = json.loads((self.root / "reports" / "metrics.json").read_text())
        return metrics

    def _environment(self) -> dict[str, str]:
        """Return the caller's environment without the developer's store."""
        kept = {name: value for name, value in os.environ.items() if name != "LION_HOME"}
        return kept | environment(self.site)


def ran(output: str) -> list[str]:
    """Return the stages that a dvc command ran, in order."""
    return re.findall(r"Running stage '([^']+)'", output)


def copy_code(root: Path) -> None:
    """Create folder `root` with the code of the pipeline, without data."""
    root.mkdir(parents=True)
    for name in CODE:
        source = ROOT / name
        if source.is_dir():
            skip = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, root / name, ignore=skip)
        else:
            shutil.copy(source, root / name)


def make_project(root: Path, base: Path) -> Project:
    """Create a project of this code with few seeds and questions, two rounds and student `base`."""
    copy_code(root)
    shutil.copytree(base, root / "data" / "base")
    for folder, rows in (("seeds", 40), ("eval", 12)):
        lines = (ROOT / "data" / folder / "oracle.jsonl").read_text().splitlines(keepends=True)
        target = root / "data" / folder / "oracle.jsonl"
        target.parent.mkdir()
        step = len(lines) // rows
        target.write_text("".join(lines[::step][:rows]))
    project = Project(root, root.parent / f"{root.name}-site")
    project.set(
        rounds={"r1": "r0"},
        generate__count=6,
        imitate__epochs=1,
        student__max_tokens=6,
    )
    project.git("init", "--quiet")
    project.dvc("init", "--quiet")
    project.dvc("config", "core.autostage", "false")
    project.commit("A miniature")
    return project


def copy_project(project: Project, root: Path) -> Project:
    """Copy a project with its results to another folder."""
    shutil.copytree(project.root, root, symlinks=True)
    return Project(root, root.parent / f"{root.name}-site")
