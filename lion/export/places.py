"""Where dvc.yaml keeps what is exported."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from dvc.repo import Repo
from dvc.scm import SCMError

from lion.runs.project import at_root, open_project
from lion.support.errors import InputError


@dataclass(frozen=True)
class Places:
    """The project's root, its commit, the student of the round.

    `commit` ends in -dirty where a tracked file has changed since; None without git or a commit.
    """

    root: Path
    commit: str | None
    student: Path


def places_of(round: str) -> Places:
    """Ask DVC for the stage `imitate` of `round`; InputError if there is no such round."""
    with at_root() as root, open_project() as repo:
        commands = {str(stage.addressing): stage.cmd for stage in repo.index.stages}
        commit = _commit(repo)
    name = "imitate-seed@r0" if round == "r0" else f"imitate@{round}"
    if name not in commands:
        known = [key.partition("@")[2] for key in commands if key.startswith("imitate")]
        named = ", ".join(sorted(known)) or "none"
        raise InputError(f"--round {round}: no such round; params.yaml names {named}")
    words = shlex.split(commands[name])
    return Places(root, commit, root / words[words.index("--out") + 1])


def _commit(repo: Repo) -> str | None:
    try:
        return str(repo.get_rev()) + ("-dirty" if repo.scm.is_dirty() else "")
    except SCMError:
        return None
