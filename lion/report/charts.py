"""The page's charts: functions from a table with rows to a chart."""

from typing import Any

import altair as alt
import polars as pl

from lion.report.drawing import HEIGHT, LEVELS, WIDTH, Chart, ink, styled
from lion.runs.run import round_number

GAPS = (-9, 9)  # points: the range of the gap; charts.js moves tau over it
_ORIGINS = alt.Scale(domain=["seed", "hard", "easy"], range=[ink("seed"), ink("hard"), ink("easy")])
_STEPS = list(range(LEVELS))
_HEAT = alt.Scale(domain=_STEPS, range=[ink(f"heat-{step}") for step in _STEPS])
_ON_HEAT = alt.Scale(
    domain=_STEPS, range=[ink("heat-high" if step >= 4 else "heat-low") for step in _STEPS]
)


def quality_chart(
    rounds: pl.DataFrame, control: pl.DataFrame | None = None, floor: float | None = None
) -> Chart:
    """Draw relative quality by round with its interval, the teacher's 100, and any control.

    Columns are those of `quality_table` and `control_of`; `floor` is the score of wrong answers.
    The scale starts at 0, so that charts can be compared.
    """
    most: Any = rounds["quality_high"].max()
    beside: Any = 0 if control is None else control["quality"].max()
    scale = alt.Scale(domain=[0, max(105, most, beside)], nice=False)
    x = _rounds(rounds, padding=22)
    y = alt.Y("quality:Q", title=None, scale=scale, axis=alt.Axis(tickCount=6))
    high = alt.Y("quality_high:Q", scale=scale)
    base = alt.Chart(rounds).encode(x=x)
    layers = [
        *_level(y, 100, "teacher"),
        *(_level(y, floor, "wrong answers", below=True) if floor else ()),
        *(_control(control, x, y) if control is not None else ()),
        *_whiskers(base, scale),
        base.mark_line(color=ink("accent"), strokeWidth=1.5).encode(y=y),
        base.mark_circle(color=ink("accent"), size=36, opacity=1).encode(y=y),
        alt.Chart(_labelled(rounds, 8))
        .mark_text(dy=-10, fontWeight="bold")
        .encode(x=x, y=high, text=alt.Text("quality:Q", format=".1f")),
    ]
    return styled(alt.layer(*layers), width=WIDTH, height=HEIGHT)


def _rounds(known: pl.DataFrame, *, padding: int) -> alt.X:
    """Return an axis of rounds from left to right, `padding` pixels from the edges."""
    axis = alt.Axis(values=known["round"].to_list(), format="d", grid=False, labelOverlap=True)
    return alt.X("round:Q", title="round", axis=axis, scale=alt.Scale(padding=padding, nice=False))


def _labelled(points: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return the points to label: all if there are at most `most`, else the first and the last."""
    return points if points.height <= most else pl.concat([points.head(1), points.tail(1)])


def _level(y: alt.Y, quality: float, label: str, *, below: bool = False) -> list[alt.Chart]:
    """Draw a dotted line with its name above its left end, or `below` its right end."""
    line = alt.Chart(pl.DataFrame({"quality": [quality], "label": [label]})).encode(y=y)
    align, baseline, dy, x = ("right", "top", 3, "width") if below else ("left", "bottom", -3, 4)
    text: Any = {"align": align, "baseline": baseline, "dy": dy, "color": ink("muted")}
    return [
        line.mark_rule(strokeDash=[2, 3], color=ink("muted")),
        line.mark_text(**text).encode(x=alt.value(x), text="label"),
    ]


def _whiskers(base: alt.Chart, scale: alt.Scale) -> list[alt.Chart]:
    """Draw the interval as a line with a short bar at each end."""
    low, high = (alt.Y(f"quality_{end}:Q", scale=scale) for end in ("low", "high"))
    cap: Any = {"color": ink("accent"), "size": 10, "thickness": 1.5, "orient": "horizontal"}
    return [
        base.mark_rule(color=ink("accent"), strokeWidth=1.5).encode(y=low, y2="quality_high:Q"),
        *(base.mark_tick(**cap).encode(y=y) for y in (low, high)),
    ]


_DASHES = {"dashed": [5, 4], "dotted": [1, 4], "dash-dotted": [8, 3, 1, 3]}


def _control(control: pl.DataFrame, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Draw other runs as lines with different dashes, and their names at the bottom."""
    labels = control["label"].unique(maintain_order=True).to_list()
    names = "; ".join(f"{name}: {label}" for name, label in zip(_DASHES, labels, strict=False))
    scale = alt.Scale(domain=labels, range=list(_DASHES.values()))
    base = alt.Chart(control).encode(x=x, y=y, detail="label:N")
    text = alt.Chart(pl.DataFrame({"quality": [0], "label": [names]}))
    return [
        base.mark_line(color=ink("seed")).encode(
            strokeDash=alt.StrokeDash("label:N", scale=scale, legend=None)
        ),
        base.mark_circle(color=ink("seed"), opacity=1),
        text.mark_text(align="left", baseline="bottom", dy=-4, color=ink("muted")).encode(
            x=alt.value(4), y=y, text="label"
        ),
    ]


def trend_chart(
    rounds: pl.DataFrame, column: str, form: str, *, most: float | None = None
) -> Chart:
    """Draw `column` by round (a number) from 0 to `most`; `form` is the format of the labels."""
    x = _rounds(rounds, padding=26)
    scale = alt.Scale(domain=[0, most]) if most else alt.Undefined
    axis = alt.Axis(format="~%" if form.endswith("%") else "~f", tickCount=4)
    y = alt.Y(f"{column}:Q", title=None, axis=axis, scale=scale)
    base = alt.Chart(rounds).encode(x=x, y=y)
    layers = [
        base.mark_line(color=ink("hard"), strokeWidth=2),
        base.mark_circle(color=ink("hard"), size=60, opacity=1),
    ]
    labels = _labelled(rounds, 4)
    falls = rounds[column].diff()[-1] or 0
    for some, dy in ((labels.head(-1), -11), (labels.tail(1), 18 if falls < 0 else -11)):
        text = alt.Text(f"{column}:Q", format=form)
        chart = alt.Chart(some).mark_text(dy=dy, fontWeight="bold")  # off the line
        layers.append(chart.encode(x=x, y=y, text=text))
    return styled(alt.layer(*layers), width=WIDTH, height=HEIGHT)


def _by_round(table: pl.DataFrame) -> alt.Y:
    """Return an axis of rounds from top to bottom, r10 after r9."""
    return alt.Y("round:N", title=None, sort=sorted(table["round"].unique(), key=round_number))


def _stacked(table: pl.DataFrame, title: str, colour: alt.Color, height: int) -> Chart:
    """Draw one bar per round: columns round, rows and place (the order within the bar)."""
    axis = alt.Axis(format=",d", tickCount=4, tickMinStep=1)
    chart = alt.Chart(table).mark_bar(stroke=ink("paper"), strokeWidth=1)
    chart = chart.encode(
        x=alt.X("rows:Q", title=title, axis=axis),
        y=_by_round(table),
        color=colour,
        order=alt.Order("place:Q"),
    )
    return styled(chart, width=WIDTH, height=height + 28 * table["round"].n_unique())


def origin_chart(origins: pl.DataFrame) -> Chart:
    """Draw the cache pool after each round by origin: columns round, origin, rows, place."""
    return _stacked(origins, "instructions", alt.Color("origin:N", scale=_ORIGINS), 60)


def length_chart(lengths: pl.DataFrame) -> Chart:
    """Draw words per instruction by round, as quantiles: low, lower, middle, upper, high."""
    base = alt.Chart(lengths).encode(y=_by_round(lengths))
    span = alt.X("low:Q", title="words", scale=alt.Scale(zero=True))
    layers = [
        base.mark_rule(color=ink("seed"), strokeWidth=2).encode(x=span, x2="high:Q"),
        base.mark_bar(color=ink("seed"), height=12).encode(x="lower:Q", x2="upper:Q"),
        base.mark_tick(color=ink("ink"), thickness=2, height=18).encode(x="middle:Q"),
    ]
    return styled(alt.layer(*layers), width=WIDTH, height=48 + 28 * lengths.height)


def outcome_chart(outcomes: pl.DataFrame) -> Chart:
    """Draw the outcomes of drafts: columns round, verdict, rows, place; accepted is first."""
    names = outcomes["verdict"].unique(maintain_order=True).to_list()
    colours = [ink(name) for name in ("accent", "hard", "easy", "seed", "other", "muted", "line")]
    scale = alt.Scale(domain=names, range=colours[: len(names)])
    colour = alt.Color("verdict:N", scale=scale, legend=alt.Legend(columns=2))
    return _stacked(outcomes, "drafts", colour, 44 + 18 * ((len(names) + 1) // 2))


def gap_chart(gaps: pl.DataFrame, tau: float) -> Chart:
    """Draw a histogram of one round's gap: columns gap (lower edge of a half point) and rows.

    For charts.js, which moves tau, marks have names, and GAPS span the whole width of the plot.
    """
    axis = alt.Axis(values=[-9, -6, -3, 0, 3, 6, 9], grid=False)
    x = alt.X("gap:Q", title=None, scale=alt.Scale(domain=list(GAPS), nice=False), axis=axis)
    hard, easy = (alt.value(ink(verdict)) for verdict in ("hard", "easy"))
    bars = alt.Chart(gaps.with_columns(end=pl.col("gap") + 0.46), name="bars").mark_bar()
    bars = bars.encode(
        x=x,
        x2="end:Q",
        y=alt.Y("rows:Q", axis=None),
        y2=alt.datum(0),
        color=alt.when(alt.datum.gap >= tau).then(hard).otherwise(easy),
    )
    line = alt.Chart(pl.DataFrame({"tau": [tau]}), name="tau").encode(x="tau:Q")
    line = line.mark_rule(color=ink("ink"), strokeWidth=1.5, strokeDash=[4, 3])
    chart = styled(alt.layer(bars, line), width=WIDTH - 16, height=90)
    return chart.properties(
        autosize="none", padding={"left": 8, "right": 8, "top": 4, "bottom": 24}
    )


def loss_chart(losses: pl.DataFrame) -> Chart:
    """Draw the training loss of consecutive rounds: columns round, step (overall), loss."""
    rounds = losses["round"].unique(maintain_order=True).to_list()
    colours = alt.Scale(domain=rounds, range=[ink("accent"), ink("other")])
    colour = alt.Color("round:N", scale=colours, legend=None)
    axis = alt.Axis(grid=False, format=",d", tickCount=4)
    x = alt.X("step:Q", title="step, all rounds", axis=axis)
    y = alt.Y("loss:Q", title="loss, nats a token")
    lines = alt.Chart(losses).mark_line(strokeWidth=1.4).encode(x=x, y=y, color=colour)
    marks = losses.group_by("round", maintain_order=True).agg(pl.col("step").min())
    names = (
        alt.Chart(marks)
        .mark_text(align="left", baseline="top", dx=2, fontWeight="bold")
        .encode(x="step:Q", y=alt.value(0), text="round:N", color=colour)
    )
    return styled(alt.layer(lines, names), width=WIDTH, height=HEIGHT)


def heat_chart(cells: pl.DataFrame, value: str, form: str, *, low: float, high: float) -> Chart:
    """Draw a heat map of column `value` by round and category; colours span `low` to `high`.

    `form` is the number format. Marks have names and the order of `cells`, so that charts.js can
    recolour them.
    """
    rounds = sorted(cells["round"].unique(), key=round_number)
    level = ((pl.col(value) - low) / (high - low) * LEVELS).floor().clip(0, LEVELS - 1)
    base = alt.Chart(cells.with_columns(level=level.fill_nan(0).cast(pl.Int64))).encode(
        x=alt.X("round:N", axis=alt.Axis(orient="top", title=None), sort=rounds),
        y=alt.Y("category:N", axis=alt.Axis(title=None), sort=None),
        tooltip=cells.columns,
    )
    rectangles = base.mark_rect(stroke=ink("paper"), strokeWidth=2).properties(name="cells")
    texts = base.mark_text().properties(name="values")
    chart = alt.layer(
        rectangles.encode(color=alt.Color("level:O", scale=_HEAT, legend=None)),
        texts.encode(
            text=alt.Text(f"{value}:Q", format=form),
            color=alt.Color("level:O", scale=_ON_HEAT, legend=None),
        ),
    ).resolve_scale(color="independent")
    return styled(chart, width=WIDTH, height=34 + 26 * cells["category"].n_unique())


def matrix_chart(matrix: pl.DataFrame) -> Chart:
    """Draw points of an answer shown first against shown second: columns first, second, rows."""
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
        base.mark_rect().encode(color=alt.Color("level:O", scale=_HEAT, legend=None)),
        diagonal.mark_rect(filled=False, stroke=ink("muted"), strokeWidth=1).encode(
            x=alt.X("second:O", scale=points), y=alt.Y("first:O", scale=upwards)
        ),
    ]
    return styled(alt.layer(*layers), width=WIDTH, height=300)
