"""The differences between runs: quality, figures of each round, and parameters."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import polars as pl

from lion.params import Params
from lion.runs.figures import round_rows
from lion.runs.gain import Gain, paired_gain
from lion.runs.run import Tables
from lion.support.text import brief, visible

Row = dict[str, Any]
NEUTRAL = {"budget", "compute", "endpoints", "prices", "report"}  # sections that change no result
Mood = Literal["good", "bad", "plain"]
_VALUE = 60  # columns of a parameter's value
_COMPARED = ("mean_gap", "flip_share", "acceptance")


class Run(NamedTuple):
    """A run to compare."""

    label: str
    params: Params
    tables: Tables


@dataclass(frozen=True)
class Difference:
    """A run (`label`) minus the first run; `rounds` has a row for each round that both have.

    Both hard shares use `tau`, the first run's, since shares at different values of tau cannot be
    compared. `own_tau` is the later run's. Unknown figures are None.
    """

    label: str
    sentence: str
    mood: Mood
    tau: float
    own_tau: float
    rounds: list[Row]


def differences(runs: list[Run]) -> list[Difference]:
    """Return the difference between each later run and the first."""
    return [_difference(runs[0], run) for run in runs[1:]]


def _difference(first: Run, second: Run) -> Difference:
    sentence, mood = _quality(first, second)
    tau = first.params.tau
    before, after = (_rows(run.tables, tau) for run in (first, second))
    rows = []
    for name in [name for name in before if name in after]:
        gain, old, new = _paired(first, second, name), before[name], after[name]
        changes = {
            figure: None if None in (old[figure], new[figure]) else new[figure] - old[figure]
            for figure in old
        }
        rows.append({"round": name, "quality": gain and gain.gain} | changes)
    return Difference(second.label, sentence, mood, tau, second.params.tau, rows)


def _quality(first: Run, second: Run) -> tuple[str, Mood]:
    """Describe the difference in quality after the last round that both runs evaluated.

    Only questions that both students answered count.
    """
    later = second.tables.judged_rounds
    last = next((name for name in reversed(first.tables.judged_rounds) if name in later), None)
    if last is None:
        return "no round of both runs has been evaluated", "plain"
    gain = _paired(first, second, last)
    if gain is None:
        return f"the runs have no question in common after {last}: nothing can be paired", "plain"
    sentence = (
        f"{gain.gain:+.1f} points of quality after {last} (95%: {gain.low:+.1f} to "
        f"{gain.high:+.1f}), paired over {gain.pairs}"
    )
    if not gain.is_shown:
        return f"{sentence}: no difference is shown", "plain"
    return sentence, "good" if gain.is_up else "bad"


def _paired(first: Run, second: Run, round: str) -> Gain | None:
    """Return what `second` gains over `first` after `round`, on the questions judged in both."""
    before, after = (run.tables.evaluated.filter(round=round) for run in (first, second))
    return paired_gain(before, after, round)


def _rows(tables: Tables, tau: float) -> dict[str, Row]:
    """Return the compared figures by round, with the hard share at `tau`."""
    judged = tables.scores.drop_nulls("gap").group_by("round")
    shares = dict(judged.agg((pl.col("gap") >= tau).mean()).iter_rows())
    return {
        row["round"]: {name: row[name] for name in _COMPARED}
        | {"hard_share": shares.get(row["round"])}
        for row in round_rows(tables)
    }


def changed_params(runs: list[Run]) -> list[Row]:
    """Return the parameters that differ and can change a result: name, and a value per run.

    Values are shortened, unless this hides that they differ.
    """
    flat = [dict(_flat(run.params.model_dump(exclude=NEUTRAL))) for run in runs]
    rows = []
    for name in dict.fromkeys(name for values in flat for name in values):
        values = [params.get(name, "–") for params in flat]
        short = [brief(value, _VALUE) for value in values]
        if len(set(values)) > 1:
            shown = short if len(set(short)) == len(set(values)) else values
            rows.append({"name": name, "values": shown})
    return rows


def _flat(section: Row, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield parameters by their dotted names, values as text."""
    for name, value in section.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", visible(str(value))
