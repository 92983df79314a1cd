"""A run's tables at a git revision, tag or experiment, or in the workspace.

A table in DVC's cache is read in place; any other is fetched from the remote.
"""

import os
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import click
from dvc.api import DVCFileSystem
from dvc.config import NoRemoteError
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo
from dvc_data.index import DataIndexDirError

from lion.params import read_yaml
from lion.runs.identity import Origin
from lion.runs.project import commit_of, one_line, open_project
from lion.runs.run import Places, Tables, places_of, read_run, table_file
from lion.support.errors import InputError, LionError

WORKSPACE = "workspace"
_PIPELINE = ("dvc.yaml", "params.yaml")


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
        rounds = self._params.get("rounds")
        names = list(rounds) if isinstance(rounds, dict) else [""]
        if any(name != f"r{number}" for number, name in enumerate(names, start=1)):
            raise InputError(f"{self.label}: params.yaml: rounds must name r1, r2, ... Correct it.")
        return ["r0", *names]

    @property
    def tau(self) -> float | None:
        """Return the gap, in points, from which verdicts are hard; None unless it is a number."""
        tau = self._params.get("tau")
        return tau if isinstance(tau, int | float) else None

    @cached_property
    def _params(self) -> dict[str, Any]:
        """Return the parameters, unchecked, since they may be those of another version of Lion."""
        self._fetch("params.yaml")
        with self._own_names():
            params = read_yaml(self.folder / "params.yaml")
        return params if isinstance(params, dict) else {}

    @cached_property
    def tables(self) -> Tables:
        """Fetch and return all tables of the run."""
        return self.tables_at()

    def tables_at(self, *names: str) -> Tables:
        """Fetch and return the tables at the places `names`, or all; the others are empty."""
        self.fetch(*names)
        return self._read()

    def tables_on_hand(self, lost: Collection[str] = ()) -> Tables:
        """Return the tables in the cache or the remote; a fresh clone may have none.

        `lost` are paths that are known to be in neither. A distant remote answers slowly.
        """
        self._fetch_tables(self.places, skipping=_UnavailableError, lost=lost)
        return self._read()

    def _read(self) -> Tables:
        with self._own_names():
            return read_run(self.places, self.rounds)

    def fetch(self, *names: str) -> None:
        """Fetch the parameters, and the tables at the places `names`, or all, into `folder`.

        The workspace may lack some, which its run has yet to write: this is said.
        """
        self._fetch("params.yaml")
        missing = self._fetch_tables(names or self.places, skipping=_MissingError)
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
        self,
        places: Iterable[str],
        *,
        skipping: type[_UnavailableError],
        lost: Collection[str] = (),
    ) -> list[_UnavailableError]:
        """Fetch the tables at `places` except `lost` ones and those whose error is `skipping`.

        Return these errors.
        """
        missing: list[_UnavailableError] = []
        paths = [self.places[name] for name in places if name in self.places]
        names = [path.relative_to(self.folder).as_posix() for path in paths]
        while names:
            name = names.pop()
            if name in lost:
                continue
            try:
                names += self._fetch(name)
            except skipping as error:
                missing.insert(0, error)
        return missing

    @contextmanager
    def _own_names(self) -> Iterator[None]:
        """Replace the temporary folder in error messages by the name of the version."""
        try:
            yield
        except LionError as error:
            message = error.message.replace(f"{self.folder}/", "")
            raise InputError(f"{self.label}: {message}") from None

    def _fetch(self, name: str) -> list[str]:
        """Fetch a file, unless a stage has yet to write it; return what a folder holds."""
        target = self.folder / name
        with self._storage_errors(name):
            try:
                info = self.fs.info(f"/{name}")
            except FileNotFoundError:
                if name in _PIPELINE:
                    raise
                return []
            if info["type"] == "directory":
                return [inside.lstrip("/") for inside in self.fs.ls(f"/{name}", detail=False)]
            is_there = target.is_symlink() or target.exists()
            if is_there or not ("fs_info" in info or "md5" in info):
                return []
            target.parent.mkdir(parents=True, exist_ok=True)
            if source := self._on_disk(info):
                target.symlink_to(source)
            else:
                self.fs.get_file(f"/{name}", str(target))
        return []

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
        where = f"{name} ({self.label})"
        if name in _PIPELINE:
            return InputError(f"{where}: no such file. Is it a revision of Lion?")
        try:
            remote = self.fs.repo.cloud.get_remote().name
        except NoRemoteError:
            advice = "Run `dvc repro` to create it"
            if self.sha is not None:
                advice = (
                    f"If {self.label} ran on another machine and you ran the project here, commit"
                    " your own run (`git commit -am 'My run'`), which you can then compare"
                )
            return _MissingError(
                f"{where} is not in the cache, and no remote is set. {advice}; or set a remote:"
                " `dvc remote add --default NAME URL`."
            )
        return _MissingError(
            f"{where} is not in the cache, and the remote {remote} does not have it. Check that the"
            " remote can be reached, and run `dvc push` where the file was created."
        )


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
