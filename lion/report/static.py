"""The static page of a run, as the stage `report` writes it."""

import polars as pl

from lion.params import Params
from lion.report.browse import Index
from lion.report.contents import Contents, contents
from lion.report.page import render
from lion.report.questions import Questions
from lion.report.sample import offer, sample
from lion.runs.identity import identity_of
from lion.runs.run import Places, Tables

_QUESTIONS = 4  # the questions may take a fourth of the page's limit, instructions the rest


def static_page(
    tables: Tables, params: Params, places: Places, *, control: pl.DataFrame | None = None
) -> tuple[Contents, str]:
    """Return the contents and the page; `control` is another run's quality to draw beside it."""
    run = contents(
        tables, params, identity_of(tables, params, places), label="this run", control=control
    )
    index = Index(tables)
    limit = round(params.report.megabytes * 1e6)
    few = limit // _QUESTIONS
    chosen = sample(index, run.linked, each=params.report.each, limit=limit - few)
    about = offer(index) | chosen | {"questions": Questions(tables).carried(few)}
    return run, render([run], [about], served=False)
