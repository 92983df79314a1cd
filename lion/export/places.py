"""Where dvc.yaml keeps what is exported."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo

from lion.errors import InputError


@dataclass(frozen=True)
class Places:
    """The project's root, its commit (None before the first), the student of the round."""

    root: Path
    commit: str | None
    student: Path


def places_of(round: str) -> Places:
    """Ask DVC for the stage `imitate` of `round`; InputError if there is no such round."""
    try:
        with Repo() as repo:
            commands = {str(stage.addressing): stage.cmd for stage in repo.index.stages}
            commit = repo.get_rev()
            root = Path(repo.root_dir)
    except NotDvcRepoError:
        raise InputError(
            f"{Path.cwd()}: not in a DVC project; run from a folder of the project"
        ) from None
    except DvcException as error:
        raise InputError(f"dvc.yaml: {' '.join(str(error).split())[:200]}") from None
    name = "imitate-seed@r0" if round == "r0" else f"imitate@{round}"
    if name not in commands:
        known = [key.partition("@")[2] for key in commands if key.startswith("imitate")]
        raise InputError(
            f"--round {round}: no such round; params.yaml names {', '.join(sorted(known))}"
        )
    words = shlex.split(commands[name])
    return Places(root, commit, root / words[words.index("--out") + 1])
