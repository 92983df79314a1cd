"""The DVC project around the current folder; what DVC raises is told in one line."""

from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.lock import LockError
from dvc.repo import Repo

from lion.support.errors import InputError

_TOLD = 200  # characters of another program's message


@contextmanager
def open_project(**options: Any) -> Iterator[Repo]:
    """DVC's view of the project; InputError in place of DVC's errors, those of the block too."""
    try:
        with Repo(**options) as repo:
            yield repo
    except NotDvcRepoError:
        raise InputError(
            f"{Path.cwd()}: not in a DVC project; run from a folder of the project"
        ) from None
    except LockError:
        raise InputError(
            "another dvc command is at work in this project; try again when it is done"
        ) from None
    except DvcException as error:
        raise InputError(f"DVC cannot read this project: {one_line(error)}") from None


@contextmanager
def at_root() -> Iterator[Path]:
    """Work at the project's root: DVC names stages as seen from here, and the store lies here."""
    with open_project() as repo, chdir(repo.root_dir):
        yield Path(repo.root_dir)


def one_line(error: BaseException) -> str:
    """What another program's error says."""
    return " ".join(str(error).split())[:_TOLD]
