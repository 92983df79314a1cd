"""The page: one self-contained HTML file whose policy allows only its own script."""

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from lion.report.contents import Contents, differences
from lion.report.drawing import palette_css
from lion.report.sample import KINDS
from lion.support.text import as_json

Row = dict[str, Any]


def render(runs: list[Contents], browse: list[Row], *, served: bool) -> str:
    """Return the page of one run, or of two side by side.

    `browse` holds for each run the options of its filters and, unless `served` answers queries,
    the sample of instructions itself.
    """
    script, style = _asset("page.js"), palette_css() + _asset("page.css")
    data = {
        "served": served,
        "runs": [
            {
                "label": run.label,
                "tau": run.tau,
                "gaps": {g["round"]: g["counts"] for g in run.gaps},
            }
            | about
            for run, about in zip(runs, browse, strict=True)
        ],
    }
    page: str = _template().render(
        runs=runs,
        browse=browse,
        served=served,
        kinds=KINDS,
        differences=differences(runs[0].rounds, runs[1].rounds) if len(runs) == 2 else [],
        policy=policy(script, style, served=served),
        script=Markup(script),
        style=Markup(style),
        data=Markup(as_json(data)),
    )
    return page


def policy(script: str, style: str, *, served: bool) -> str:
    """Return a Content-Security-Policy that allows the page's script and style by hash, no more."""
    connect = "; connect-src 'self'" if served else ""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'"
        f"{connect}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _asset(name: str) -> str:
    return resources.files("lion.report").joinpath("assets", name).read_text(encoding="utf-8")


def _template() -> Any:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"svg": Markup, "figure": _figure}
    return environment.from_string(_asset("page.html"))


def _figure(value: float | None, form: str = ".2f") -> str:
    return "–" if value is None else format(value, form)
