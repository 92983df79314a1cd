"""A run's tables at a git revision, tag or experiment, or in the workspace.

A table in DVC's cache is read in place; any other is fetched from the remote.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import polars as pl
import yaml
from dvc.api import DVCFileSystem
from dvc.config import NoRemoteError
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo
from dvc_data.index import DataIndexDirError

from lion.pools.tables import read_table
from lion.runs.identity import Origin
from lion.runs.project import commit_of, one_line, open_project
from lion.runs.run import SOURCES, Places, Tables, places_of, read_run, table_file
from lion.support.errors import InputError
from lion.support.text import brief

WORKSPACE = "workspace"
_PIPELINE = ("dvc.yaml", "params.yaml")
_ROUND = re.compile(r"r[1-9]\d{0,8}")


class _UnavailableError(InputError):
    """A file cannot be fetched: the remote lacks it, cannot be reached, or does not exist."""


class _MissingError(_UnavailableError):
    """Neither the cache nor a remote has the file."""


@dataclass(frozen=True)
class Revision:
    """One version of the project. Its files are fetched to `folder` on demand, at their own paths.

    `sha` is the commit, or None for the workspace, which may lack files that dvc.lock names.
    """

    label: str
    sha: str | None
    folder: Path
    fs: DVCFileSystem

    @property
    def origin(self) -> Origin:
        """Return the commit and its date; the workspace has neither."""
        if self.sha is None:
            return Origin()
        seconds = self.fs.repo.scm.resolve_commit(self.sha).commit_time
        return Origin(self.sha, datetime.fromtimestamp(seconds, UTC).date().isoformat())

    @cached_property
    def places(self) -> Places:
        """Return the places of the tables; InputError if one is outside the project."""
        self._fetch("dvc.yaml")
        with self._own_names():
            places = places_of(self.folder)
        for path in places.values():
            if not Path(os.path.normpath(path)).is_relative_to(self.folder):
                raise InputError(f"{self.label}: dvc.yaml names {path}, outside the project.")
        return places

    @cached_property
    def rounds(self) -> list[str]:
        """Return the rounds named in the parameters, r0 first."""
        try:
            names = list(self._params["rounds"])
        except (KeyError, TypeError):
            raise InputError(f"{self.label}: params.yaml names no rounds. Correct it.") from None
        for name in names:
            if not isinstance(name, str) or not _ROUND.fullmatch(name):
                shown = brief(name, 40) if isinstance(name, str) else type(name).__name__
                raise InputError(
                    f"{self.label}: params.yaml: rounds: {shown} is not a round such as r1."
                )
        return ["r0", *dict.fromkeys(names)]

    @property
    def tau(self) -> float | None:
        """Return the gap, in points, from which verdicts are hard; None unless it is a number."""
        tau = self._params.get("tau")
        return tau if isinstance(tau, int | float) else None

    @cached_property
    def _params(self) -> dict[str, Any]:
        """Return the parameters, unchecked; empty if the file is not a mapping."""
        self._fetch("params.yaml")
        try:
            params = yaml.safe_load((self.folder / "params.yaml").read_bytes())
        except (yaml.YAMLError, ValueError, RecursionError):
            return {}
        return params if isinstance(params, dict) else {}

    @cached_property
    def tables(self) -> Tables:
        """Fetch and return all tables of the run."""
        self.fetch()
        with self._own_names():
            return read_run(self.places, self.rounds)

    def tables_on_hand(self, lost: Collection[str] = ()) -> Tables:
        """Return the tables in the cache or the remote; a fresh clone may have none.

        `lost` are paths that are known to be in neither. A distant remote answers slowly.
        """
        self._fetch_tables(skipping=_UnavailableError, lost=lost)
        with self._own_names():
            return read_run(self.places, self.rounds)

    def fetch(self) -> None:
        """Fetch the parameters and every table of the run into `folder`.

        The workspace may lack some, which its run has yet to write: this is said.
        """
        self._fetch("params.yaml")
        missing = self._fetch_tables(skipping=_MissingError)
        seeds = table_file(self.places, "pool", "r0")
        if missing and (self.sha is not None or seeds is None or not seeds.exists()):
            raise missing[0]
        if missing:
            click.echo(
                f"{self.label}: {len(missing)} outputs that dvc.lock names are missing;"
                " `dvc repro` creates them.",
                err=True,
            )

    def _fetch_tables(
        self, *, skipping: type[_UnavailableError], lost: Collection[str] = ()
    ) -> list[_UnavailableError]:
        """Fetch all tables except `lost` ones and those whose error is `skipping`.

        Return these errors.
        """
        missing: list[_UnavailableError] = []
        names = [self._inside(place) for place in self.places.values()]
        while names:
            name = names.pop()
            if name in lost:
                continue
            try:
                names += self._list_or_fetch(name)
            except skipping as error:
                missing.insert(0, error)
        return missing

    def _list_or_fetch(self, name: str) -> list[str]:
        """Return what a folder holds, or fetch a file."""
        with self._storage_errors(name):
            if self.fs.isdir(f"/{name}"):
                return [inside.lstrip("/") for inside in self.fs.ls(f"/{name}", detail=False)]
        if self._info(name):
            self._fetch(name)
        return []

    def digest(self, table: str, round: str) -> str | None:
        """Return the MD5 of a round's table without fetching it; None if it does not exist."""
        path = table_file(self.places, table, round)
        info = self._info(self._inside(path)) if path else None
        if info is None:
            return None
        if "md5" in info:
            return str(info["md5"])
        with self.fs.open(info["name"]) as file:  # a file of the workspace, or of git
            return hashlib.file_digest(file, "md5").hexdigest()

    def read(self, table: str, round: str) -> pl.DataFrame:
        """Read a round's table; empty if this version does not have it."""
        path = table_file(self.places, table, round)
        if path is None or self._info(self._inside(path)) is None:
            return pl.DataFrame(schema=SOURCES[table].schema)
        self._fetch(self._inside(path))
        with self._own_names():
            return read_table(path, SOURCES[table].schema)

    @contextmanager
    def _own_names(self) -> Iterator[None]:
        """Replace the temporary folder in error messages by the name of the version."""
        try:
            yield
        except InputError as error:
            message = error.message.replace(f"{self.folder}/", "")
            raise InputError(f"{self.label}: {message}") from None

    def _info(self, name: str) -> dict[str, Any] | None:
        """Return what DVC knows of a file; None if it is missing or a stage has yet to write it."""
        try:
            info: dict[str, Any] = self.fs.info(f"/{name}")
        except FileNotFoundError:
            return None
        except DataIndexDirError:
            raise self._missing(name) from None
        return info if "fs_info" in info or "md5" in info else None

    def _inside(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _fetch(self, name: str) -> None:
        target = self.folder / name
        if target.is_symlink() or target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._storage_errors(name):
            info = self.fs.info(f"/{name}")
            if source := self._on_disk(info):
                target.symlink_to(source)
            else:
                self.fs.get_file(f"/{name}", str(target))

    @contextmanager
    def _storage_errors(self, name: str) -> Iterator[None]:
        """Turn storage errors into one line that says what to do."""
        try:
            yield
        except (FileNotFoundError, DataIndexDirError):
            raise self._missing(name) from None
        except storage_exceptions() as error:
            raise _UnavailableError(
                f"{name} ({self.label}) cannot be read: {one_line(error)}"
            ) from None

    def _on_disk(self, info: dict[str, Any]) -> Path | None:
        """Return the workspace's file or DVC's cached object, if there is one on this disk."""
        local = info.get("fs_info")
        if local:
            return Path(local["name"]) if self.sha is None else None
        cached = Path(self.fs.repo.cache.local.oid_to_path(info["md5"])).absolute()
        return cached if cached.exists() else None

    def _missing(self, name: str) -> InputError:
        if name in _PIPELINE:
            return InputError(f"{name} ({self.label}): no such file. Is it a revision of Lion?")
        try:
            remote = self.fs.repo.cloud.get_remote().name
        except NoRemoteError:
            remote = "set a remote: `dvc remote add --default NAME URL`."
            if self.sha is None:
                problem = f"no remote is set. Run `dvc repro` to create it, or {remote}"
            else:
                problem = (
                    f"no remote is set. If {self.label} ran on another machine and you ran the"
                    " project here, commit your own run (`git commit -am 'My run'`), which you can"
                    f" then compare; or {remote}"
                )
        else:
            problem = (
                f"the remote {remote} does not have it. Check that the remote can be reached, "
                "and run `dvc push` where the file was created."
            )
        return _MissingError(f"{name} ({self.label}) is not in the cache, and {problem}")


@contextmanager
def open_revisions(*names: str) -> Iterator[list[Revision]]:
    """Open versions of the project: `workspace`, or any name that git or `dvc exp` knows.

    InputError outside a DVC project, or if a name is unknown.
    """
    with ExitStack() as stack:
        here = stack.enter_context(open_project())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lion-")))
        yield [_open(here, name, folder / str(number), stack) for number, name in enumerate(names)]


def _open(here: Repo, name: str, folder: Path, stack: ExitStack) -> Revision:
    if name == WORKSPACE:
        return Revision(name, None, folder, DVCFileSystem(repo=here))
    sha = commit_of(here, name)
    try:  # with today's remotes and keys, since the revision's own may be gone
        repo = stack.enter_context(Repo(here.root_dir, rev=sha, config=here.config))
    except NotDvcRepoError:
        raise InputError(f"{name}: no DVC project at the top of this revision.") from None
    return Revision(name, sha, folder, DVCFileSystem(repo=repo))


def storage_exceptions() -> tuple[type[Exception], ...]:
    """Return the exceptions of fetching, including those of the S3 client if it is installed."""
    known = (DvcException, OSError, ImportError)
    try:
        from botocore.exceptions import BotoCoreError
    except ImportError:
        return known
    return (*known, BotoCoreError)
