"""Chart style, and SVG for the page (its colours) or for a file (fixed colours).

Vega-Lite draws when the page is built, so the page needs no chart library.
"""

import re
from functools import cache
from html import escape
from typing import Any

import altair as alt
import vl_convert

from lion.support.text import visible

Chart = alt.TopLevelMixin
WIDTH, HEIGHT = 360, 200  # pixels, axes included; the page scales down from here
FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"

# Colour on light and on dark paper, by name. The hues are Okabe and Ito's; their lightness differs
# too, so that colour-blind readers can distinguish them (a test simulates this).
PALETTE = {
    "paper": ("#ffffff", "#15171b"),
    "card": ("#f6f7f9", "#1d2026"),
    "ink": ("#1b1d22", "#e9eaee"),
    "muted": ("#5a606b", "#a6acb8"),
    "line": ("#d5d9e0", "#363b45"),
    "accent": ("#00493a", "#8ff0d3"),
    "hard": ("#c04a00", "#f28b4b"),
    "easy": ("#0067a5", "#69b4ea"),
    "seed": ("#8f949d", "#a6adb9"),
    "other": ("#8a3f6d", "#b04a86"),
    "new": ("#d8f0e6", "#17483b"),
    "heat-0": ("#f3f5f8", "#20242b"),
    "heat-1": ("#d9e6f2", "#1f3346"),
    "heat-2": ("#b3cfe6", "#1f4868"),
    "heat-3": ("#82b1d6", "#266390"),
    "heat-4": ("#3874a6", "#3f86b8"),
    "heat-5": ("#1c5a8c", "#77b0d8"),
    "heat-6": ("#0b4272", "#bcdcf2"),
    "heat-low": ("#1b1d22", "#e9eaee"),  # text on heat-0 to heat-3
    "heat-high": ("#ffffff", "#101215"),  # text on heat-4 to heat-6
}
LEVELS = 7
_COLUMN = 84.0  # millimetres: the width of a column in a two-column paper
_SIZE = re.compile(r'width="(\d+)" height="(\d+)"')
_VEGA_LITE = "5.21"  # the major version that DVC's chart templates are written for


def ink(name: str) -> str:
    """Return colour `name` of the palette as a CSS variable."""
    return f"var(--{name})"


def styled(chart: Any, *, width: int, height: int) -> Chart:
    """Return an Altair chart in the common style, `width` x `height` pixels including axes."""
    labels = {"labelColor": ink("muted"), "labelFontSize": 12}
    titles = {"titleColor": ink("muted"), "titleFontSize": 12, "titleFontWeight": "normal"}
    made: Chart = (
        chart.properties(
            width=width, height=height, autosize={"type": "fit", "contains": "padding"}
        )
        .configure(font=FONT, background="transparent", padding=2)
        .configure_view(stroke=None)
        .configure_axis(
            **labels,
            **titles,
            gridColor=ink("line"),
            domain=False,
            ticks=False,
            labelPadding=6,
            labelAngle=0,
            labelLimit=0,  # Vega would cut an emoji in half, and fail
        )
        .configure_legend(
            **labels, title=None, orient="top", symbolType="square", symbolStrokeWidth=0, offset=4
        )
        .configure_text(font=FONT, fontSize=12, color=ink("ink"))
    )
    return made


def page_svg(chart: Chart, title: str) -> str:
    """Return the chart as SVG in the page's colours; `title` names it for screen readers."""
    drawn = chart.to_dict()
    for rows in drawn["datasets"].values():
        for row in rows:  # a control character in a text would crash the process
            row |= {key: visible(value) for key, value in row.items() if isinstance(value, str)}
    svg: str = vl_convert.vegalite_to_svg(drawn)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)


def file_svg(svg: str) -> str:
    """Return the SVG for a file: light colours on white, as wide as a column of a paper."""
    ground = f'<rect width="100%" height="100%" fill="{PALETTE["paper"][0]}"/>'
    plain = re.sub(r"var\(--([a-z0-9-]+)\)", lambda match: PALETTE[match[1]][0], svg)
    plain = _SIZE.sub(_in_millimetres, plain, count=1)
    return re.sub("<svg [^>]*>", lambda match: match[0] + ground, plain, count=1)


def _in_millimetres(size: re.Match[str]) -> str:
    """Return the size in a paper, where text of 12 pixels is 8 points high."""
    return f'width="{_COLUMN:g}mm" height="{int(size[2]) * _COLUMN / int(size[1]):.1f}mm"'


@cache
def plots_page() -> str:
    """Return the template of `dvc plots` with Vega inside: no {scripts}, so no links of DVC's."""
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", _VEGA_LITE)
    script = bundle.replace("</script", "<\\/script")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>DVC plots</title>\n'
        f"<script>\n{script}\n</script>\n</head><body>\n{{plot_divs}}\n</body></html>\n"
    )


def palette_css() -> str:
    """Return the palette as CSS: light, and dark if the reader's system prefers that."""

    def colours(which: int) -> str:
        return "".join(f"--{name}:{pair[which]};" for name, pair in PALETTE.items())

    return (
        f":root{{color-scheme:light dark;{colours(0)}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{colours(1)}}}}}"
    )
