"""Bootstrap intervals, and the win rate at equal length.

All functions take weights (1 + B, n): how often each of n items occurs in the sample itself (first
row) and in each of B draws. The draws are seeded, so they are the same in every run.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

DRAWS = 2000
LEVEL = 0.95
DEVIATIONS = 1.96  # standard deviations on either side of a normal mean that hold LEVEL

# Ridge of the logistic regression: too weak to move a fit, but it bounds one where a side wins all.
RIDGE = 0.01
STEPS = 30


class Interval(NamedTuple):
    """A figure with its 95% confidence interval."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float, digits: int = 2) -> "Interval":
        """Return the interval in another unit, rounded."""
        return Interval(*(round(factor * number, digits) for number in self))

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def draws(count: int) -> Array:
    """Return weights (1 + B, count): every item once, then B draws with replacement."""
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=DRAWS)
    return np.concatenate([np.ones((1, count)), drawn])


def interval(values: Array) -> Interval:
    """Return the first of `values` (1 + B,) with the middle 95% of the others, inf for n / 0."""
    tail = 50 * (1 - LEVEL)
    with np.errstate(invalid="ignore"):  # numpy takes the difference of two infinite neighbours
        bounds = np.nanpercentile(values[1:], [tail, 100 - tail])
    low, high = np.nan_to_num(bounds, nan=np.inf, posinf=np.inf)
    return Interval(float(values[0]), float(low), float(high))


def ratio(weights: Array, above: Array, below: Array) -> Interval:
    """Return the weighted sum of `above` divided by that of `below`, both (n,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return interval((weights @ above) / (weights @ below))


def mean(weights: Array, values: Array) -> Interval:
    """Return the weighted mean of `values`, (n,)."""
    return ratio(weights, values, np.ones_like(values))


def length_controlled(weights: Array, wins: Array, longer: Array) -> Interval:
    """Return the win rate at equal length, 0 to 1, by AlpacaEval 2's logistic regression.

    `wins` (n,) is 1, 0.5 or 0; `longer` (n,) is the difference in length. The model is logit
    P(win) = a + b tanh(longer / its standard deviation), and the figure is P(win) at longer = 0.
    AlpacaEval's term for the difficulty of a question is left out: it needs a fit on many models.
    """
    spread = float(longer.std()) or 1.0
    columns = np.stack([np.ones_like(longer), np.tanh(longer / spread)])  # (2, n)
    squares = (columns[:, None] * columns[None]).reshape(4, -1)
    coefficients = np.zeros((len(weights), 2))
    for _ in range(STEPS):  # of Newton's method
        chance = 1 / (1 + np.exp(-coefficients @ columns))  # (1 + B, n)
        slope = (weights * (wins - chance)) @ columns.T - RIDGE * coefficients
        curve = ((weights * chance * (1 - chance)) @ squares.T).reshape(-1, 2, 2)
        step: Any = np.linalg.solve(curve + RIDGE * np.eye(2), slope[:, :, None])[:, :, 0]
        coefficients += np.clip(step, -2, 2)  # a longer step could overshoot
        if np.abs(step).max() < 1e-6:
            break
    return interval(1 / (1 + np.exp(-coefficients[:, 0])))
