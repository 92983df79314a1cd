"""What `lion view` serves, made from the folders of one run or two."""

from pathlib import Path

from lion.params import load_params
from lion.report.browse import Index
from lion.report.contents import contents
from lion.report.page import render
from lion.report.sample import offer
from lion.report.serve import Site
from lion.runs.figures import control_of, read_control, round_rows
from lion.runs.run import places_of, read_run
from lion.support.errors import EmptyError


def site_of(places: list[tuple[str, Path]]) -> Site:
    """The site of runs by label and folder (with its dvc.yaml); EmptyError if one has no table."""
    runs = []
    for label, root in places:
        params = load_params(root / "params.yaml")
        tables = read_run(places_of(root), params.round_names)
        if tables.pool.is_empty():
            raise EmptyError(f"{label}: no pool yet; `dvc repro` or `dvc pull` brings one")
        runs.append((label, params, tables))
    controls = [control_of(round_rows(tables), label) for label, _, tables in runs]
    if len(runs) == 1:
        controls = [read_control(runs[0][1].report.control)]
    shown = [
        contents(tables, params, label=label, control=control)
        for (label, params, tables), control in zip(runs, reversed(controls), strict=True)
    ]
    indexes = [Index(tables) for _, _, tables in runs]
    return Site(render(shown, [offer(index) for index in indexes], served=True), indexes)
