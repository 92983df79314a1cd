"""Equilibrium of the min-max game: the referee can no longer tell the student from the teacher."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from lion.discriminate.scores import ORDERS, unselected
from lion.evaluate.quality import flip_rate, leads_by_order
from lion.evaluate.statistics import DEVIATIONS, Array

_FEW = 20  # pairs; fewer cannot show that the referee sees no difference


@dataclass(frozen=True)
class Equilibrium:
    """How well the referee tells a student from the teacher. Rates are in percent.

    `mean_gap` is in points. `agreement` is Cohen's kappa of the winners in the two orders, and
    `noise` is the kappa that chance alone can reach. `even` is half the band around a win rate of
    50 that the referee's own noise explains. All but `pairs` are None without a judged pair.
    """

    pairs: int
    mean_gap: float | None = None
    win_rate: float | None = None
    flip_rate: float | None = None
    agreement: float | None = None
    noise: float | None = None
    even: float | None = None

    @property
    def reached(self) -> bool:
        """Whether win rate and agreement of the orders are within the noise, on enough pairs."""
        if self.win_rate is None or self.even is None or self.pairs < _FEW:
            return False
        agrees = self.agreement is not None and self.agreement > (self.noise or 0)
        return abs(self.win_rate - 50) <= self.even and not agrees

    def finding(self) -> str:
        """Return the result as a sentence."""
        if self.win_rate is None:
            return "The referee judged no pair in both orders, so nothing can be said."
        flips = f"{self.flip_rate:.0f}% of its winners change when the answers change places"
        rate = f"the student's win rate is {self.win_rate:.1f}%"
        noise = f"noise of 50% ({self.even:.1f} points)"
        if self.reached:
            result = "The referee can no longer tell the student from the teacher"
            return f"{result}: {rate}, within its own {noise}, and {flips}."
        if abs(self.win_rate - 50) <= (self.even or 0):
            result = f"{self.pairs:,} pairs do not show who is better"
            return f"{result}: {rate}, within their {noise}, and {flips}."
        who = "teacher" if self.win_rate < 50 else "student"
        return f"The referee prefers the {who}: {rate}, and {flips}."


def equilibrium(reviews: pl.DataFrame) -> Equilibrium:
    """Measure the equilibrium on `reviews` (REVIEW, both orders).

    If the referee saw no difference, each pair with the same winner in both orders would go to
    either side by chance (a sign test), and the orders would agree no more often than chance.
    """
    leads = leads_by_order(unselected(reviews))
    if not leads.height:
        return Equilibrium(pairs=0)
    first, second = (leads[order].to_numpy() for order in ORDERS)
    signs = np.sign(first) + np.sign(second)  # 2: the student wins in both orders; -2: the teacher
    agreement, noise = kappa_of(np.sign(first), np.sign(second))
    return Equilibrium(
        pairs=leads.height,
        mean_gap=round(-float((first + second).sum()) / 2 / leads.height, 4),
        win_rate=round(50 + 25 * float(signs.sum()) / leads.height, 2),
        flip_rate=flip_rate(leads),
        agreement=agreement,
        noise=noise,
        even=round(25 * DEVIATIONS * float((signs**2).sum()) ** 0.5 / leads.height, 2),
    )


def kappa_of(first: Array, second: Array) -> tuple[float | None, float | None]:
    """Return Cohen's kappa of two series of signs, without zeros, and what chance alone reaches."""
    decided = (first != 0) & (second != 0)
    if not decided.any():
        return None, None
    wins, wins_other = first[decided] > 0, second[decided] > 0
    chance = wins.mean() * wins_other.mean() + (~wins).mean() * (~wins_other).mean()
    if chance == 1:
        return 1.0, 0.0  # one side always wins: nothing is left to chance
    agreement = ((wins == wins_other).mean() - chance) / (1 - chance)
    noise = DEVIATIONS * (chance / (1 - chance) / decided.sum()) ** 0.5
    return round(float(agreement), 3), round(float(noise), 3)
