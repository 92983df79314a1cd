"""Whether a student got better: paired differences of relative quality, and the scale's floor."""

from typing import NamedTuple

import numpy as np
import polars as pl

from lion.evaluate.statistics import draws, interval, ratio
from lion.runs.run import Tables

_FEWEST = 6  # questions; that fewer all change in one direction may be chance (2 * 0.5**5 > 0.05)
_LOWEST = 1.0  # the lowest score, which a wholly wrong answer gets


class Gain(NamedTuple):
    """The points of relative quality that one student gained over another, with a 95% interval.

    Both answered the same `questions`. The bootstrap draws questions, not answers, so the
    difficulty that both students share cancels out.
    """

    since: str
    gain: float
    low: float
    high: float
    questions: int
    up: int = 0  # questions that the second student answered better
    down: int = 0

    @property
    def is_up(self) -> bool:
        """Whether a gain is shown: the interval lies above 0, and there are enough questions."""
        return self.low > 0 and self.questions >= _FEWEST

    @property
    def is_down(self) -> bool:
        """Whether a loss is shown."""
        return self.high < 0 and self.questions >= _FEWEST

    @property
    def is_shown(self) -> bool:
        """Whether a gain or a loss is shown."""
        return self.is_up or self.is_down

    @property
    def pairs(self) -> str:
        """Return the number of questions in words."""
        return f"{self.questions:,} question{'' if self.questions == 1 else 's'}"


def paired_gain(first: pl.DataFrame, second: pl.DataFrame, since: str) -> Gain | None:
    """Return what `second` gains over `first` (both SCORE) on the questions judged in both.

    None if there is no such question, or if the teacher's scores on them sum to 0.
    """
    both = first.drop_nulls("gap").join(
        second.drop_nulls("gap"), on="id", suffix="_second", maintain_order="left"
    )
    names = ("student", "teacher", "student_second", "teacher_second")
    student, teacher, student_second, teacher_second = (both[name].to_numpy() for name in names)
    if not (teacher.sum() and teacher_second.sum()):
        return None
    weights = draws(both.height)
    with np.errstate(invalid="ignore", divide="ignore"):
        before = (weights @ student) / (weights @ teacher)
        after = (weights @ student_second) / (weights @ teacher_second)
    gain = interval(after - before).scaled(100)
    up, down = ((way * (student_second - student) > 0).sum() for way in (1, -1))
    return Gain(since, *gain, both.height, int(up), int(down))


def gain_between(tables: Tables, before: str, after: str) -> Gain | None:
    """Return the gain of the student of round `after` over that of round `before`."""
    first, second = (tables.evaluated.filter(round=name) for name in (before, after))
    return paired_gain(first, second, before)


def gains_of(tables: Tables) -> list[Gain]:
    """Return the last judged student's gain since round 0 and, if it differs, the round before."""
    *earlier, last = tables.judged_rounds or [""]
    gains = [gain_between(tables, name, last) for name in dict.fromkeys(earlier[:1] + earlier[-1:])]
    return [gain for gain in gains if gain is not None]


def loss_change(tables: Tables) -> Gain | None:
    """Return the change of the loss per token on the teacher's answers since the first round."""
    losses = tables.question_losses.drop_nulls("loss")
    names = [name for name in tables.rounds if name in set(losses["round"])]
    if len(names) < 2 or not losses["loss"].is_finite().all():
        return None
    both = losses.filter(round=names[0]).join(
        losses.filter(round=names[-1]), on="id", suffix="_last", maintain_order="left"
    )
    if both.is_empty():
        return None
    weights, tokens = draws(both.height), both["tokens"].to_numpy()
    change = (both["loss_last"] - both["loss"]).to_numpy()
    return Gain(names[0], *ratio(weights, change * tokens, tokens).scaled(1, digits=4), both.height)


def floor_of(evaluated: pl.DataFrame) -> float | None:
    """Return the relative quality, in percent, of a student whose answers all get the lowest score.

    A run at its floor has taught nothing, however high the percentage looks.
    """
    judged = evaluated.drop_nulls("gap")
    total = float(judged["teacher"].sum())
    return round(100 * _LOWEST * judged.height / total, 1) if total else None
