"""The recorded outputs that would have to be made again, since no storage has them."""

import click
from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.repo import Repo

from lion.runs.project import one_line
from lion.runs.revision import storage_exceptions


def lost_outputs(repo: Repo) -> frozenset[str]:
    """Return the paths of outputs that neither the cache nor the default remote has.

    A remote that cannot be read counts as empty, as in `dvc repro --pull`.
    """
    outs = [out for stage in repo.index.graph for out in stage.outs if _is_missing(out)]
    if outs and repo.config["core"].get("remote"):
        there = _hashes_in_remote(repo, {out.hash_info.value for out in outs})
        outs = [out for out in outs if out.hash_info.value not in there]
    return frozenset(map(str, outs))


def _is_missing(out: Output) -> bool:
    return bool(out.use_cache and out.hash_info and out.changed_cache())


def _hashes_in_remote(repo: Repo, hashes: set[str]) -> set[str]:
    """Return those of `hashes` that the default remote has."""
    remote = repo.cloud.get_remote()
    if remote.fs.version_aware or remote.worktree:
        return hashes  # it cannot be searched by hash
    first, *rest = sorted(hashes)  # one alone, to learn whether the remote can be reached
    try:
        return {
            found
            for some in ([first], rest)
            for found in remote.odb.list_oids_exists(some, jobs=remote.fs.jobs)
        }
    except DvcException:
        raise
    except storage_exceptions() as error:
        click.echo(
            f"The default remote cannot be read, and counts as empty: {one_line(error)}", err=True
        )
        return set()
