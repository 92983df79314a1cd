"""A run as it was in another revision: its tables, brought to a folder by DVC."""

from dataclasses import fields
from pathlib import Path, PurePosixPath

from lion.errors import InputError
from lion.report.run import Run


def fetch(revision: str, folder: Path) -> None:
    """Bring dvc.yaml, params.yaml and the tables that they name from `revision` into `folder`.

    A revision is whatever DVC understands: a commit, tag, branch or experiment. What is not in the
    cache comes from the remote. InputError if the revision, or data of it, cannot be had.
    """
    from dvc.api import DVCFileSystem  # seconds to import, and no other command needs it
    from dvc.exceptions import DvcException
    from dvc.scm import SCMError

    try:
        there = DVCFileSystem(rev=revision)
        for name in ("dvc.yaml", "params.yaml"):
            there.get_file(f"/{name}", str(folder / name))
        run = Run.of_pipeline(folder)
        for field in fields(run):
            path: Path = getattr(run, field.name)
            if not path.resolve().is_relative_to(folder.resolve()):
                raise InputError(f"{revision}: dvc.yaml names {path}, which is outside the project")
            source = PurePosixPath("/", *path.relative_to(folder).parts)
            if there.exists(str(source)):
                path.parent.mkdir(parents=True, exist_ok=True)
                there.get(str(source), str(path), recursive=True)
    except (DvcException, SCMError, FileNotFoundError) as error:
        why = " ".join(str(error).split())
        raise InputError(
            f"{revision}: cannot read this revision ({why}); `git log` and `dvc exp show` list "
            "revisions, `dvc pull` brings what the cache lacks"
        ) from None
