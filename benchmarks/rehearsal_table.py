"""A table of how stages grow with the number of seeds, for benchmarks.rehearsal."""

import math
from typing import Any

Lines = list[dict[str, Any]]
_SMALL = 1.0  # seconds or MB; a smaller figure says nothing about growth
_HEAD = ("stage", "seeds", "seconds", "cpu s", "dvc s", "peak MB", "requests", "cpu exponent")
_ROW = "{:<16}{:>8}{:>10}{:>10}{:>8}{:>9}{:>10}{:>14}{:>15}".format


def growth(sizes: dict[int, Lines]) -> str:
    """Return a table with one row for each stage (all rounds together) and number of seeds.

    An exponent says how a figure grew since the previous size: 1 is linear. Figures include the
    constant start-up of a stage, so small sizes understate its growth.
    """
    rows = [_ROW(*_HEAD, "peak exponent")]
    summed = {seeds: by_stage(lines) for seeds, lines in sizes.items()}
    for name in next(iter(summed.values()), {}):
        last: tuple[int, dict[str, float]] | None = None
        for seeds, stages in summed.items():
            figures = stages.get(name)
            if figures is None:
                continue
            exponents = [exponent(last, (seeds, figures), key) for key in ("cpu", "peak_mb")]
            rows.append(_ROW(name, seeds, *_shown(figures), *exponents))
            last = seeds, figures
    return "\n".join(rows)


def by_stage(lines: Lines) -> dict[str, dict[str, float]]:
    """Return figures by stage and in total, with all rounds and interrupted runs together."""
    stages: dict[str, dict[str, float]] = {}
    for line in lines:
        for name in (line["stage"].split("@")[0], "total"):
            stage = stages.setdefault(name, dict.fromkeys(_ADDED, 0.0) | {"peak_mb": 0.0})
            for key in _ADDED:
                stage[key] += line[key]
            stage["peak_mb"] = max(stage["peak_mb"], line["peak_mb"])
    return stages


_ADDED = ("seconds", "cpu", "dvc_seconds", "requests")


def exponent(
    before: tuple[int, dict[str, float]] | None, after: tuple[int, dict[str, float]], key: str
) -> str:
    """Return the log-log slope of a figure over the number of seeds; '-' if it is not known."""
    if before is None or min(before[1][key], after[1][key]) < _SMALL or before[0] == after[0]:
        return "-"
    return f"{math.log(after[1][key] / before[1][key]) / math.log(after[0] / before[0]):.2f}"


def _shown(figures: dict[str, float]) -> list[str]:
    seconds = [f"{figures[key]:,.1f}" for key in ("seconds", "cpu", "dvc_seconds")]
    return [*seconds, f"{figures['peak_mb']:,.0f}", f"{figures['requests']:,.0f}"]
