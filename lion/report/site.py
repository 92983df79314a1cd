"""The site of `lion view`: the page of one or more runs, and their instructions."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import polars as pl
from pydantic import TypeAdapter

from lion.params import load_params
from lion.report.browse import Index, Query, Questions, as_csv
from lion.report.contents import contents
from lion.report.marks import Mark, Marks
from lion.report.page import Compared, render
from lion.runs.compare import Run, changed_params, differences
from lion.runs.figures import control_of, read_control, round_rows
from lion.runs.identity import Identity, Origin, identity_of
from lion.runs.run import Tables, pipeline_variable, places_of, read_run
from lion.runs.running import fingerprint, now, running_stage, written
from lion.support.errors import EmptyError, LionError
from lion.support.home import project_root, store_home

WORKSPACE = "workspace"
_QUERY = TypeAdapter(Query)
_FORMS = {"csv": "text/csv", "jsonl": "application/x-ndjson"}


@dataclass(frozen=True)
class Site:
    """A page and the runs that it queries."""

    page: str
    indexes: list[Index]
    questions: list[Questions]

    def instructions(self, fields: dict[str, str]) -> Any:
        """Return one page of the list; ValueError for an invalid field."""
        return self._index(fields).find(_QUERY.validate_python(fields))

    def download(self, fields: dict[str, str]) -> tuple[str, str]:
        """Return the media type and text of a file with every match, as `form` csv or jsonl."""
        form = fields.pop("form", "")
        if form not in _FORMS:
            raise ValueError(f"form {form}: use csv or jsonl")
        frame = self._index(fields).whole(_QUERY.validate_python(fields))
        return _FORMS[form], frame.write_ndjson() if form == "jsonl" else as_csv(frame)

    def _index(self, fields: dict[str, str]) -> Index:
        """Return the index of the run that `fields` names, and remove that name from `fields`."""
        run = int(fields.pop("run", "0"))
        if not 0 <= run < len(self.indexes):
            raise ValueError(f"run {run}: there are {len(self.indexes)}")
        return self.indexes[run]

    def instruction(self, fields: dict[str, str]) -> Any:
        """Return one instruction as each run has it; None for a run that does not have it."""
        return [index.detail(fields.get("id", "")) for index in self.indexes]

    def question(self, fields: dict[str, str]) -> Any:
        """Return one question as each run has it; None for a run that does not have it."""
        return [questions.detail(fields.get("id", "")) for questions in self.questions]


def site_of(
    roots: list[tuple[str, Path]], origins: dict[str, Origin] | None = None, *, version: str = ""
) -> Site:
    """Return the site of `roots`, each run's label and folder; `origins` are by label.

    A `version` is that of a workspace whose run may go on.
    """
    opened = [_opened(label, root, (origins or {}).get(label, Origin())) for label, root in roots]
    runs = [run for run, _ in opened]
    shown = [
        contents(run.tables, run.params, identity, label=run.label, control=_beside(run, runs))
        for run, identity in opened
    ]
    indexes = [Index(run.tables) for run in runs]
    questions = [Questions(run.tables) for run in runs]
    about = [
        index.options() | {"questions": {"rows": own.rows, "details": {}, "total": own.total}}
        for index, own in zip(indexes, questions, strict=True)
    ]
    compared = Compared(differences(runs), changed_params(runs)) if len(runs) > 1 else None
    page = render(shown, about, served=True, compared=compared, version=version)
    return Site(page, indexes, questions)


def _opened(label: str, root: Path, origin: Origin) -> tuple[Run, Identity]:
    params = load_params(root / "params.yaml")
    places = places_of(root)
    tables = read_run(places, params.round_names)
    if tables.pool.is_empty() and not running_stage(root, places):
        raise EmptyError(f"{label}: no pool yet. Run `dvc repro` or `dvc pull` first.")
    return Run(label, params, tables), identity_of(tables, params, places, origin)


def _beside(run: Run, runs: list[Run]) -> pl.DataFrame | None:
    """Return the other runs' quality, to draw beside that of `run`; alone, the control's."""
    if len(runs) == 1:
        return read_control(run.params.report.control, project_root())
    others = (other for other in runs if other is not run)
    lines = [control_of(round_rows(other.tables), other.label) for other in others]
    known = [line for line in lines if line is not None]
    return pl.concat(known) if known else None


class Workspace:
    """The run in the workspace, which is read again whenever its tables have changed."""

    def __init__(self, root: Path) -> None:
        self._root, self._lock = root, Lock()
        self._marks = Marks(root / str(pipeline_variable(root, "marks")))
        self.site, self._version = self._read()

    def _read(self) -> tuple[Site, str]:
        places = places_of(self._root)
        version, origin = fingerprint(places), Origin(date=written(places))
        return site_of([(WORKSPACE, self._root)], {WORKSPACE: origin}, version=version), version

    def renew(self) -> None:
        """Read the run again if it has changed.

        The site stays as it is while tables cannot be read: DVC removes them when a stage begins.
        """
        with self._lock:
            if fingerprint(places_of(self._root)) != self._version:
                with suppress(LionError):
                    self.site, self._version = self._read()

    def now(self) -> dict[str, Any]:
        """Return the running stage with its progress, and the version of the tables."""
        self.renew()
        stage = running_stage(self._root, places_of(self._root))
        params = self._root / "params.yaml"
        edited = params.stat().st_mtime  # older times do not count
        status = now(load_params(params), self._tables, stage, store_home(), edited)
        return status | {"version": self._version}

    @property
    def _tables(self) -> Tables:
        return self.site.indexes[0].tables

    def marks(self) -> dict[str, Any]:
        """Return the marks of verdicts, their agreement, and the verdicts to mark next."""
        return self._marks.summary(self._tables, load_params(self._root / "params.yaml").tau)

    def mark(self, body: bytes) -> dict[str, Any]:
        """Save a person's mark (JSON); ValueError or InputError if it is invalid."""
        self._marks.add(Mark.model_validate_json(body), self._tables)
        return {"kept": True}
