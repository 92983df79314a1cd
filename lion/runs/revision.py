"""The project's tables as they were at a git revision, tag or experiment, or are in the workspace.

A table that is in DVC's cache is read in place; one that is not is fetched from the remote.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from dvc.api import DVCFileSystem
from dvc.config import NoRemoteError
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo
from dvc.scm import NoSCMError, SCMError, resolve_rev
from dvc_data.index import DataIndexDirError

from lion.pools.tables import Schema, read_table
from lion.runs.project import one_line, open_project
from lion.runs.run import Run, Tables, read_run
from lion.support.errors import InputError

WORKSPACE = "workspace"
_PIPELINE = ("dvc.yaml", "params.yaml")


@dataclass(frozen=True)
class Revision:
    """One version of the project. Its files appear in `folder`, at their own paths, when asked for.

    `sha` is the commit, None for the workspace, whose files that are not checked out are those
    that dvc.lock names.
    """

    label: str
    sha: str | None
    folder: Path
    fs: DVCFileSystem

    @cached_property
    def run(self) -> Run:
        """Where the tables lie."""
        self._bring_file("dvc.yaml")
        with self._named():
            run = Run.of_pipeline(self.folder)
        for path in run.places:
            if not Path(os.path.normpath(path)).is_relative_to(self.folder):
                raise InputError(f"{self.label}: dvc.yaml names {path}, outside the project")
        return run

    @cached_property
    def rounds(self) -> list[str]:
        """The rounds that the parameters name, r0 first."""
        self._bring_file("params.yaml")
        try:
            raw: Any = yaml.safe_load((self.folder / "params.yaml").read_text(encoding="utf-8"))
            names = list(raw["rounds"])
        except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
            raise InputError(f"{self.label}: params.yaml names no rounds; correct it") from None
        if odd := [name for name in names if not re.fullmatch(r"r\d+", str(name))]:
            raise InputError(f"{self.label}: params.yaml: rounds: {odd[0]!r}: a round is like r1")
        return ["r0", *names]

    @cached_property
    def tables(self) -> Tables:
        """Every table of the run, all of them fetched."""
        self.bring()
        with self._named():
            return read_run(self.run, self.rounds)

    def bring(self) -> None:
        """Fetch the parameters and every table of the run into `folder`."""
        self._bring_file("params.yaml")
        for place in self.run.places:
            inside = self._inside(place)
            with self._reaching(inside):
                names = [found.lstrip("/") for found in self.fs.find(f"/{inside}")]
            for found in names:
                if self._info(found):
                    self._bring_file(found)

    def digest(self, path: Path) -> str | None:
        """MD5 of a file, such as run.pools / 'r1.jsonl', without fetching it; None if not there."""
        info = self._info(self._inside(path))
        if info is None:
            return None
        if "md5" in info:
            return str(info["md5"])
        with self.fs.open(info["name"]) as file:  # in the workspace, or in git
            return hashlib.file_digest(file, "md5").hexdigest()

    def read(self, path: Path, schema: Schema) -> pl.DataFrame:
        """One table; empty if this version has it not."""
        if self._info(self._inside(path)) is None:
            return pl.DataFrame(schema=schema)
        self._bring_file(self._inside(path))
        with self._named():
            return read_table(path, schema)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """In errors, the version and the path in the project instead of our temporary folder."""
        try:
            yield
        except InputError as error:
            told = error.message.replace(f"{self.folder}/", "")
            raise InputError(f"{self.label}: {told}") from None

    def _info(self, name: str) -> dict[str, Any] | None:
        """What DVC knows of a file; None if it is not there, or a stage has yet to make it."""
        try:
            info: dict[str, Any] = self.fs.info(f"/{name}")
        except FileNotFoundError:
            return None
        except DataIndexDirError:
            raise self._lacks(name) from None
        return info if "fs_info" in info or "md5" in info else None

    def _inside(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _bring_file(self, name: str) -> None:
        target = self.folder / name
        if target.is_symlink() or target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._reaching(name):
            info = self.fs.info(f"/{name}")
            if source := self._on_disk(info):
                target.symlink_to(source)
            else:
                self.fs.get_file(f"/{name}", str(target))

    @contextmanager
    def _reaching(self, name: str) -> Iterator[None]:
        """In place of what storages raise, one line that says what to do."""
        try:
            yield
        except (FileNotFoundError, DataIndexDirError):
            raise self._lacks(name) from None
        except _storage_errors() as error:
            raise InputError(f"{name} ({self.label}) cannot be read: {one_line(error)}") from None

    def _on_disk(self, info: dict[str, Any]) -> Path | None:
        """The workspace's file, or DVC's cached object."""
        local = info.get("fs_info")
        if local:
            return Path(local["name"]) if self.sha is None else None
        cached = Path(self.fs.repo.cache.local.oid_to_path(info["md5"])).absolute()
        return cached if cached.exists() else None

    def _lacks(self, name: str) -> InputError:
        if name in _PIPELINE:
            return InputError(f"{name} ({self.label}): no such file; is it a revision of Lion?")
        try:
            remote = self.fs.repo.cloud.get_remote().name
        except NoRemoteError:
            told = "no remote is set; name one: `dvc remote add --default NAME URL`"
        else:
            told = (
                f"not to be had from the remote {remote}; "
                "see that it can be reached, and `dvc push` from where it was made"
            )
        return InputError(f"{name} ({self.label}) is not in the cache, and {told}")


@contextmanager
def open_revisions(*names: str) -> Iterator[list[Revision]]:
    """The named versions (`workspace`, or whatever git or `dvc exp` knows), in one project.

    InputError if this is no DVC project, or a name means nothing.
    """
    with ExitStack() as stack:
        here = stack.enter_context(open_project())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lion-")))
        yield [_open(here, name, folder / str(number), stack) for number, name in enumerate(names)]


def _open(here: Repo, name: str, folder: Path, stack: ExitStack) -> Revision:
    if name == WORKSPACE:
        return Revision(name, None, folder, DVCFileSystem(repo=here))
    sha = _commit(here, name)
    try:  # today's remotes and keys: those of the revision may be gone, or had yet to come
        repo = stack.enter_context(Repo(here.root_dir, rev=sha, config=here.config))
    except NotDvcRepoError:
        raise InputError(f"{name}: no DVC project at the top of this revision") from None
    return Revision(name, sha, folder, DVCFileSystem(repo=repo))


def _commit(here: Repo, name: str) -> str:
    """The commit that `name` means."""
    if not name:
        raise InputError("a revision's name is empty; give a commit, branch, tag or experiment")
    try:
        found = resolve_rev(here.scm, name)
        return str(resolve_rev(here.scm, f"{found}^{{commit}}"))  # no file, no folder
    except NoSCMError:
        raise InputError(f"{name}: not under git, this project has only `{WORKSPACE}`") from None
    except SCMError as error:
        if "ambiguous" in str(error):
            told = "several experiments have this name; give a commit"
        else:
            told = "no git revision, tag or experiment has this name"
        raise InputError(
            f"{name}: {told}; see `git log` and `dvc exp list --all-commits`"
        ) from None


def _storage_errors() -> tuple[type[Exception], ...]:
    """What fetching raises; the S3 client, where it is installed, has errors of its own."""
    known = (DvcException, OSError, ImportError)
    try:
        from botocore.exceptions import BotoCoreError
    except ImportError:
        return known
    return (*known, BotoCoreError)
