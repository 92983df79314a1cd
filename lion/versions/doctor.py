"""`lion doctor`: checks of all that a run needs, one line each, with the fix of each problem."""

from collections.abc import Iterator
from contextlib import chdir
from importlib.util import find_spec
from pathlib import Path

import click

from lion.params import Params, load_params
from lion.runs.project import open_project
from lion.support.command_line import HELP
from lion.support.errors import LionError
from lion.support.home import project_root, store_home
from lion.support.text import visible
from lion.versions.doctor_files import Finding, dvc_files, storage

_GOOD = "params.yaml: all parameters are known and have allowed values"
_EMPTY = {"control": "no_control.csv", "marks": "no_marks.jsonl"}  # in lion/report/assets


@click.command(context_settings=HELP)
@click.option("--fix", is_flag=True, help="Repair DVC files that a killed run left empty or cut.")
@click.option("--quick", is_flag=True, help="Check only DVC's files, parameters, store and disk.")
def doctor(fix: bool, quick: bool) -> None:
    """Check everything a run needs, and say how to fix what would make it fail.

    Checks DVC's files, params.yaml, the response store and the disk; unless --quick, also seeds
    and questions, the student (its files, template and memory), and every role by one short
    request to its model, which may cost a fraction of a cent. Prints one line for each check.
    Exits with 1 if a run would fail. `make repro` calls `lion doctor --fix --quick` first.
    """
    is_sound = True
    for finding in examine(project_root(), store_home(), fix=fix, quick=quick):
        level = finding.level[:1].upper() + finding.level[1:]
        click.echo(visible(f"{level}: {' '.join(finding.message.split())}"))
        is_sound &= finding.level != "error"
    if not is_sound:
        raise click.exceptions.Exit(1)


def examine(root: Path, home: Path, *, fix: bool, quick: bool) -> Iterator[Finding]:
    """Check the project at `root`, whose replies are in `home`."""
    files = list(dvc_files(root, fix=fix))
    yield from files
    params = None
    try:
        params = load_params(root / "params.yaml")
    except LionError as error:
        yield Finding("error", error.format_message())
    if params:
        yield from _project(params, root, is_readable=all(f.level != "error" for f in files))
    if params and (tracker := params.report.track) and find_spec(tracker) is None:
        problem = f"{tracker} is not installed; run `pip install {tracker}`, or set null"
        yield Finding("warning", f"params.yaml: report.track: {problem}")
    yield from storage(home)
    if params is None or quick:
        return
    from lion.versions.doctor_inputs import data_of, student_of
    from lion.versions.doctor_roles import roles_of

    with chdir(root):  # the parameters name files relative to it
        yield from data_of(params)
        yield from student_of(params)
        yield from roles_of(params)


def _project(params: Params, root: Path, *, is_readable: bool) -> Iterator[Finding]:
    """Check the report's files, and whether DVC can read dvc.yaml with these parameters."""
    faults = []
    for name, empty in _EMPTY.items():
        value = getattr(params.report, name)
        if value is None or not (root / value).is_file():
            problem = "DVC needs a file's name" if value is None else f"{value}: no such file"
            hint = f"for no {name} name lion/report/assets/{empty}"
            faults.append(Finding("error", f"params.yaml: report.{name}: {problem}; {hint}"))
    yield from faults or [Finding("OK", _GOOD)]
    if faults or not is_readable:
        return
    try:
        with open_project(root) as repo:
            list(repo.index.graph)
    except LionError as error:
        yield Finding("error", error.format_message())
