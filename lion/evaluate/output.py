"""Evaluations as text for a terminal and as JSON for a program."""

import math
from dataclasses import asdict
from typing import Any

from lion.evaluate.comparison import Comparison
from lion.evaluate.quality import Quality
from lion.evaluate.statistics import Interval
from lion.support.text import visible

_HEAD = ("candidate", "quality", "95%", "win/tie/lose", "win rate", "at equal length")
_WIDTHS = (34, 8, 17, 16, 23, 23)
_SHOWN = 10  # missing questions named


def as_text(comparison: Comparison) -> str:
    """Return a candidate's figures: the total, each category, and the counts behind them."""
    summary = comparison.summary
    lines = [
        _row(_HEAD),
        _row(
            (
                visible(comparison.name),
                *_quality(summary.total),
                str(summary.win_rate),
                str(summary.length_controlled or "-"),
            )
        ),
        *(
            _row(
                (
                    f"  {visible(part.category)}",
                    *_quality(part),
                    f"{part.judged} of {part.asked}",
                    "",
                )
            )
            for part in summary.categories
            if len(summary.categories) > 1
        ),
        "scores: {:g} of the reference's {:g}".format(*summary.total.scores),
        f"judged: {summary.total.judged} of {summary.total.asked}"
        f" (unanswered: {len(comparison.missing)},"
        f" unreadable: {summary.total.asked - summary.total.judged - len(comparison.missing)})",
    ]
    if comparison.missing:
        more = "" if len(comparison.missing) <= _SHOWN else ", ..."
        shown = visible(", ".join(comparison.missing[:_SHOWN]))
        lines.append(f"unanswered questions: {shown}{more}")
    if summary.flip_rate is not None:
        lines.append(
            f"orders: {summary.flip_rate:.1f}% of winners change with the places; the answer shown "
            f"first gains {summary.position_bias:+.2f} points"
        )
    if summary.length:
        candidate, reference = summary.length
        lines.append(f"mean length: {candidate:,.0f} characters, the reference's {reference:,.0f}")
    return "\n".join(lines)


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """Return all figures for JSON: intervals are {value, low, high}, a missing figure is None.

    So is a bound without end.
    """
    figures = {
        "candidate": comparison.name,
        **asdict(comparison.summary),
        "missing": comparison.missing,
    }
    return {name: _plain(figure) for name, figure in figures.items()}


def _quality(part: Quality) -> tuple[str, str, str]:
    value, low, high = part.quality
    shares = f"{part.win:.0f}/{part.tie:.0f}/{part.lose:.0f}%"
    if math.isnan(value):
        return "-", "-", "-"
    return f"{value:.2f}", f"{low:.2f} to {high:.2f}", shares


def _row(cells: tuple[str, ...]) -> str:
    first, *rest = cells
    padded = [cell.rjust(width) for cell, width in zip(rest, _WIDTHS[1:], strict=True)]
    return (first.ljust(_WIDTHS[0]) + "".join(padded)).rstrip()


def _plain(value: Any) -> Any:
    """Replace NaN and infinity, which JSON lacks, with None, and intervals with dictionaries."""
    if isinstance(value, Interval):
        return _plain(value._asdict())
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
