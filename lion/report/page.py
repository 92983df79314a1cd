"""The page: one self-contained HTML file whose Content-Security-Policy allows only its script."""

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from jinja2 import DictLoader, Environment
from markupsafe import Markup, escape

from lion.report.contents import Contents
from lion.report.drawing import palette_css
from lion.runs.compare import Difference
from lion.support.text import as_json

Row = dict[str, Any]


class Compared(NamedTuple):
    """The comparison above runs that are shown side by side."""

    differences: list[Difference]  # of each later run to the first
    params: list[Row]  # only those that differ


def render(
    runs: list[Contents],
    browse: list[Row],
    *,
    served: bool,
    compared: Compared | None = None,
    version: str = "",
) -> str:
    """Return the page of one run, or of several side by side.

    `browse` has, for each run, the options of its filters, its questions and, unless a server
    answers queries (`served`), a sample of instructions. A page with a `version` polls whether the
    run goes on, and reloads when the version has changed.
    """
    script, style = _script(), palette_css() + _style()
    data = {
        "served": served,
        "version": version,
        "marking": bool(version),
        "runs": [
            {
                "label": run.label,
                "tau": run.tau,
                "rounds": [row["round"] for row in run.rounds],
                "gaps": {g["round"]: g["counts"] for g in run.gaps},
                "map": run.hard_map,
                "marks": run.marks["marks"],
            }
            | about
            for run, about in zip(runs, browse, strict=True)
        ],
    }
    page: str = _template().render(
        runs=runs,
        browse=browse,
        served=served,
        compared=compared,
        version=version,
        policy=policy(script, style, served=served),
        script=Markup(script),
        style=Markup(style),
        data=Markup(as_json(data)),
    )
    return page


def policy(script: str, style: str, *, served: bool) -> str:
    """Return a Content-Security-Policy that allows only the page's script and style, by hash."""
    connect = "; connect-src 'self'" if served else ""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'"
        f"{connect}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _script() -> str:
    """Return the page's script. The code digest finds the assets by these names."""
    return _joined(
        "base.js",
        "address.js",
        "charts.js",
        "tau.js",
        "listing.js",
        "instructions.js",
        "questions.js",
        "marks.js",
        "dialog.js",
        "start.js",
        "live.js",
    )


@cache
def _style() -> str:
    return _joined("page.css", "charts.css", "lists.css", "print.css")


def _joined(*names: str) -> str:
    return "".join(_asset(name) for name in names)


def _asset(name: str) -> str:
    return resources.files("lion.report").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _template() -> Any:
    texts = _named(
        "page.html",
        "macros.html",
        "glance.html",
        "compared.html",
        "evaluation.html",
        "pools.html",
        "gap.html",
        "referee.html",
        "training.html",
        "instructions.html",
    )
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=DictLoader(texts)
    )
    environment.filters |= {"svg": Markup, "figure": _figure, "code": _code}
    return environment.get_template("page.html")


def _named(*names: str) -> dict[str, str]:
    return {name: _asset(name) for name in names}


def _code(text: str) -> Markup:
    """Return `text` as HTML, with the parts between backticks as code."""
    parts = (
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(text.split("`"))
    )
    return Markup("").join(parts)


def _figure(value: float | None, form: str = ".2f") -> str:
    return "–" if value is None else format(value, form)
