"""Charts whose cells are coloured by value."""

import altair as alt
import polars as pl

from lion.report.drawing import LEVELS, WIDTH, Chart, ink, styled
from lion.runs.run import round_number

_STEPS = list(range(LEVELS))
_COLOURS = alt.Scale(domain=_STEPS, range=[ink(f"heat-{step}") for step in _STEPS])
_TEXTS = alt.Scale(
    domain=_STEPS, range=[ink("heat-high" if step >= 4 else "heat-low") for step in _STEPS]
)


def heat_chart(
    cells: pl.DataFrame, value: str, form: str, *, low: float, high: float
) -> Chart | None:
    """Draw a heat map of column `value` by round and category; colours span `low` to `high`.

    `form` is the number format. The tooltip of a cell has all columns. The marks are named `cells`
    and `values`, in the order of `cells`, so that tau.js can recolour them.
    """
    cells = cells.drop_nulls(value)
    if not cells.height:
        return None
    level = ((pl.col(value) - low) / (high - low) * LEVELS).floor().clip(0, LEVELS - 1)
    cells = cells.with_columns(level=level.fill_nan(0).cast(pl.Int64))
    columns = sorted(cells["round"].unique(), key=round_number)
    base = alt.Chart(cells).encode(
        x=alt.X("round:N", axis=alt.Axis(orient="top", title=None), sort=columns),
        y=alt.Y("category:N", axis=alt.Axis(title=None), sort=None),
        tooltip=[name for name in cells.columns if name != "level"],
    )
    layers = [
        base.mark_rect(stroke=ink("paper"), strokeWidth=2)
        .properties(name="cells")
        .encode(color=alt.Color("level:O", scale=_COLOURS, legend=None)),
        base.mark_text()
        .properties(name="values")
        .encode(
            text=alt.Text(f"{value}:Q", format=form),
            color=alt.Color("level:O", scale=_TEXTS, legend=None),
        ),
    ]
    chart = alt.layer(*layers).resolve_scale(color="independent")
    return styled(chart, width=WIDTH, height=34 + 26 * cells["category"].n_unique())


def matrix_chart(matrix: pl.DataFrame) -> Chart | None:
    """Draw points of an answer shown first against shown second: columns first, second, rows."""
    if not matrix.height:
        return None
    share = (pl.col("rows").sqrt() / pl.col("rows").max().sqrt() * LEVELS).floor()
    cells = matrix.with_columns(level=share.clip(1, LEVELS - 1).cast(pl.Int64))
    points = alt.Scale(domain=list(range(1, 11)))
    upwards = alt.Scale(domain=list(range(10, 0, -1)))
    base = alt.Chart(cells).encode(
        x=alt.X("second:O", title="points when shown second", scale=points),
        y=alt.Y("first:O", title="points when shown first", scale=upwards),
        tooltip=["first", "second", "rows"],
    )
    diagonal = alt.Chart(pl.DataFrame({"first": range(1, 11), "second": range(1, 11)}))
    layers = [
        base.mark_rect().encode(color=alt.Color("level:O", scale=_COLOURS, legend=None)),
        diagonal.mark_rect(filled=False, stroke=ink("muted"), strokeWidth=1).encode(
            x=alt.X("second:O", scale=points),
            y=alt.Y("first:O", scale=upwards),
        ),
    ]
    return styled(alt.layer(*layers), width=WIDTH, height=300)
