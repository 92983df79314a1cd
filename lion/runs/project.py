"""The DVC project around the current folder, its git revisions, and DVC's errors in one line."""

from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import pygit2
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.fs import LocalFileSystem
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.scm import NoSCMError, SCMError, resolve_rev

from lion.support.errors import InputError
from lion.support.text import visible

_LIMIT = 200  # characters of another program's message


@contextmanager
def open_project(root: Path | None = None, fs: LocalFileSystem | None = None) -> Iterator[Repo]:
    """Open the project; turn DVC's errors, including those of the block, into InputError."""
    try:
        with Repo(root and str(root), fs=fs) as repo:
            yield repo
    except NotDvcRepoError:
        raise InputError(
            f"{Path.cwd()}: not in a DVC project. Run this command in a folder of the project."
        ) from None
    except LockError:
        raise InputError(
            "another dvc command is running in this project. Try again when it has finished."
        ) from None
    except DvcException as error:
        raise InputError(f"DVC cannot read this project: {one_line(error)}") from None
    except PermissionError as error:
        raise InputError(
            f"{error.filename}: {error.strerror}. Give this user access to the project's files."
        ) from None


@contextmanager
def at_root() -> Iterator[Path]:
    """Change to the project's root, the folder of dvc.yaml and of the response store."""
    with open_project() as repo, chdir(repo.root_dir):
        yield Path(repo.root_dir)


def commit_of(repo: Repo, name: str) -> str:
    """Return the commit that `name` stands for; InputError if there is none."""
    if not name:
        raise InputError("the revision is empty. Give a commit, branch, tag or experiment.")
    try:
        resolved = resolve_rev(repo.scm, name)
        return str(resolve_rev(repo.scm, f"{resolved}^{{commit}}"))  # rejects files and folders
    except NoSCMError:
        raise InputError(
            f"{name}: this project is not under git, so it has only `workspace`."
        ) from None
    except pygit2.GitError as error:  # such as a folder that belongs to somebody else
        raise InputError(f"git cannot read this project: {one_line(error)}") from None
    except SCMError as error:
        problem = "no git revision, tag or experiment has this name"
        if "ambiguous" in str(error):
            problem = "several experiments have this name. Give a commit"
        raise InputError(
            f"{name}: {problem}; see `git log` and `dvc exp list --all-commits`."
        ) from None


def one_line(error: BaseException) -> str:
    """Return another program's message on one line, safe to print."""
    return visible(" ".join(str(error).split())[:_LIMIT])
