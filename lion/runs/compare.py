"""The differences between runs: quality, figures of each round, and parameters."""

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
    rows = [_rows(run.tables, tau) for run in (first, second)]
    shared = [name for name in rows[0] if name in rows[1]]
    compared = [
        {"round": name, "quality": gain and gain.gain} | _minus(rows[1][name], rows[0][name])
        for name in shared
        for gain in [_paired(first, second, name)]
    ]
    return Difference(second.label, sentence, mood, tau, second.params.tau, compared)


def _quality(first: Run, second: Run) -> tuple[str, Mood]:
    """Describe the difference in quality after the last round that both runs evaluated.

    Only questions that both students answered count.
    """
    judged = [set(run.tables.evaluated.drop_nulls("gap")["round"]) for run in (first, second)]
    common = [name for name in first.tables.rounds if name in judged[0] & judged[1]]
    if not common:
        return "no round of both runs has been evaluated", "plain"
    last = common[-1]
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


def _minus(second: Row, first: Row) -> Row:
    return {
        name: None if None in (value, first[name]) else value - first[name]
        for name, value in second.items()
    }


def changed_params(runs: list[Run]) -> list[Row]:
    """Return the parameters that differ and can change a result: name, and a value per run."""
    flat = [dict(_flat(run.params.model_dump())) for run in runs]
    names = dict.fromkeys(name for values in flat for name in values)
    rows = {name: [values.get(name, "–") for values in flat] for name in names}
    return [
        {"name": name, "values": _short(values)}
        for name, values in rows.items()
        if len(set(values)) > 1
    ]


def _short(values: list[str]) -> list[str]:
    """Shorten values, unless this hides that they differ."""
    short = [brief(value, _VALUE) for value in values]
    return short if len(set(short)) == len(set(values)) else values


def _flat(section: Row, before: str = "") -> list[tuple[str, str]]:
    """Return parameters by their dotted names, values as text."""
    pairs: list[tuple[str, str]] = []
    for name, value in section.items():
        if not before and name in NEUTRAL:
            continue
        if isinstance(value, dict) and value:
            pairs += _flat(value, f"{before}{name}.")
        else:
            pairs.append((f"{before}{name}", visible(str(value))))
    return pairs
