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

    `browse` has each run's filters, questions and, unless a server answers queries (`served`), some
    instructions. With a `version`, the page takes marks, and reloads if the server has another.
    """
    data = {
        "served": served,
        "version": version,
        "runs": [run.data | about for run, about in zip(runs, browse, strict=True)],
    }
    script, style = _script(), palette_css() + _style()
    page: str = _template().render(
        runs=runs,
        browse=browse,
        served=served,
        compared=compared,
        version=version,
        policy=_policy(script, style, served=served),
        script=Markup(script),
        style=Markup(style),
        data=Markup(as_json(data)),
    )
    return page


def _policy(script: str, style: str, *, served: bool) -> str:
    """Return a Content-Security-Policy that allows only the page's script and style, by hash."""
    connect = "; connect-src 'self'" if served else ""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'"
        f"{connect}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


# The code digest finds the assets by their names in the three calls below.
@cache
def _script() -> str:
    return _joined(
        *("base.js", "address.js", "charts.js", "listing.js", "lists.js"),
        *("marks.js", "dialog.js", "live.js"),
    )


@cache
def _style() -> str:
    return _joined("page.css", "charts.css", "lists.css", "print.css")


@cache
def _template() -> Any:
    texts = _assets("page.html", "macros.html", "glance.html", "sections.html", "instructions.html")
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=DictLoader(texts)
    )
    environment.filters |= {"svg": Markup, "figure": _figure, "code": _code}
    return environment.get_template("page.html")


def _joined(*names: str) -> str:
    return "".join(_assets(*names).values())


def _assets(*names: str) -> dict[str, str]:
    folder = resources.files("lion.report").joinpath("assets")
    return {name: folder.joinpath(name).read_text(encoding="utf-8") for name in names}


def _code(text: str) -> Markup:
    """Return `text` as HTML, with the parts between backticks as code."""
    parts = (
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(text.split("`"))
    )
    return Markup("").join(parts)


def _figure(value: float | None, form: str = ".2f") -> str:
    return "–" if value is None else format(value, form)
