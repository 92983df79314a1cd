"""The identity of a run: which model played which role, on what data, and how to repeat it."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import polars as pl

from lion.params import Params, Role
from lion.runs.run import Places, Tables, table_file
from lion.support.text import brief

_NAME = 60  # columns of a model's name
_SHORT = 8  # digits of a checksum, as usually quoted


class Identity(NamedTuple):
    """A title, facts by name, and the command that finds the run's commit and repeats it."""

    title: str
    facts: list[tuple[str, str]]
    command: str


class Origin(NamedTuple):
    """The commit of a run and the date of its data; empty if unknown."""

    commit: str = ""
    date: str = ""


_UNKNOWN = Origin()


def identity_of(
    tables: Tables, params: Params, places: Places, origin: Origin = _UNKNOWN
) -> Identity:
    """Return the identity of a run.

    A page that a stage writes may depend only on its data, so it has no `origin`; its command finds
    the commit by the checksum of the newest training losses.
    """
    seeds, base = tables.pool.filter(origin="seed").height, brief(params.student.base, _NAME)
    own = ", with answers" if tables.taught.height < tables.answers.height else ""
    checksum = _checksum(tables, places)
    facts = [
        *_models(tables, params),
        ("student from", base),
        ("seeds", f"{seeds:,} from {brief(params.seeds, _NAME)}{own}"),
        ("questions", f"{tables.questions.height:,}"),
        ("tau", f"{params.tau:g}"),
        ("replay", f"{params.replay:g}"),
        ("sampling", f"{params.sampling.by} over {params.sampling.over}"),
        ("random seed", str(params.seed)),
        ("commit", origin.commit[:_SHORT]),
        ("date", origin.date),
        ("data", checksum[:_SHORT]),
    ]
    return Identity(
        f"{params.model_of('teacher')} teaches {base}",
        [(name, value) for name, value in facts if value],
        _command(origin.commit, checksum),
    )


def _command(commit: str, checksum: str) -> str:
    if commit:
        return f"git checkout {commit[:12]} && dvc repro"
    if not checksum:
        return ""
    return f"git checkout $(git log -S {checksum} --format=%h -- dvc.lock | tail -1) && dvc repro"


def _models(tables: Tables, params: Params) -> list[tuple[str, str]]:
    """Return each model after the roles that it plays, such as 'teacher, referee and judge'."""
    replies: dict[Role, pl.DataFrame] = {
        "teacher": tables.taught,
        "referee": tables.reviews,
        "judge": tables.judged,
    }
    roles: dict[str, list[str]] = {}
    for role, frame in replies.items():
        roles.setdefault(_model(params.model_of(role), frame), []).append(role)
    listed = (" and ".join(", ".join(names).rsplit(", ", 1)) for names in roles.values())
    return list(zip(listed, roles, strict=True))


def _model(asked: str, replies: pl.DataFrame) -> str:
    """Return the model of a role, with the names that the server gave it, the latest first."""
    names = replies["model"].drop_nulls().unique(maintain_order=True).to_list()
    served = ", ".join(reversed(names)) or asked
    if asked in served:
        return brief(served, _NAME)
    return brief(f"{asked} (served as {served.rpartition('/')[2]})", _NAME)


def _checksum(tables: Tables, places: Places) -> str:
    """Return the MD5 of the newest training losses, which dvc.lock holds; empty without any.

    They differ between all runs; scores do not, if runs pay for no verdicts.
    """
    for name in reversed(tables.rounds):
        path: Path | None = table_file(places, "losses", name)
        if path and path.is_file():
            return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    return ""
