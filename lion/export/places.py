"""The project, commit and student folder of a round."""

from dataclasses import dataclass
from pathlib import Path

from dvc.repo import Repo
from dvc.scm import SCMError

from lion.params import Params, load_params
from lion.runs.project import open_project
from lion.runs.run import pipeline_variable
from lion.support.errors import InputError


@dataclass(frozen=True)
class Places:
    """The project's root, its parameters and commit, and a round with its student's folder.

    `commit` ends in -dirty if a tracked file has changed since; None without git or a commit.
    """

    root: Path
    params: Params
    commit: str | None
    round: str
    student: Path


def places_of(round: str) -> Places:
    """Find the student of `round`; InputError if there is no such round."""
    with open_project() as repo:
        root, commit = Path(repo.root_dir), _commit(repo)
    params = load_params(root / "params.yaml")
    if round not in params.round_names:
        names = ", ".join(params.round_names)
        raise InputError(f"--round {round}: no such round; params.yaml names {names}")
    student = root / pipeline_variable(root, "students") / round
    return Places(root, params, commit, round, student)


def _commit(repo: Repo) -> str | None:
    try:
        return str(repo.get_rev()) + ("-dirty" if repo.scm.is_dirty() else "")
    except SCMError:
        return None
