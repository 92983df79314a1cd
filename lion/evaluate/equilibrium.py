"""Whether the referee can still tell the student from the teacher: the end of the min-max game."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from lion.discriminate.scores import ORDERS
from lion.evaluate.quality import flip_rate, leads_by_order
from lion.evaluate.statistics import Array

SURE = 1.96  # standard deviations: one chance in twenty of being wrong


@dataclass(frozen=True)
class Equilibrium:
    """One examination of a student. Shares and rates are percent, the gap points of 1..10.

    `agreement` is how far the two orders agree on the winner beyond chance (Cohen's kappa, 1 is
    always); `noise` how far from 0 it comes by chance alone. `even` is the band around a win rate
    of 50 that the referee's own noise explains. All are None without a decided pair.
    """

    pairs: int
    hard_share: float | None
    mean_gap: float | None
    win_rate: float | None
    flip_rate: float | None
    agreement: float | None
    noise: float | None
    even: float | None

    @property
    def reached(self) -> bool:
        """Neither the win rate nor the agreement of the orders is more than noise."""
        if self.win_rate is None or self.even is None:
            return False
        agrees = self.agreement is not None and self.agreement > (self.noise or 0)
        return abs(self.win_rate - 50) <= self.even and not agrees

    def told(self) -> str:
        """The finding as a plain sentence."""
        if self.win_rate is None:
            return "The referee judged no pair in both orders, so nothing can be said."
        flips = f"{self.flip_rate:.0f}% of its winners change when the answers change places"
        rate = f"the student's win rate is {self.win_rate:.1f}%"
        if self.reached:
            return (
                f"The referee can no longer tell the student from the teacher: {rate}, within its "
                f"own noise of 50% ({self.even:.1f} points), and {flips}."
            )
        who = "teacher" if self.win_rate < 50 else "student"
        if abs(self.win_rate - 50) <= (self.even or 0):
            return (
                f"The student wins as often as the teacher ({rate}), but the referee still tells "
                f"their answers apart: {flips}."
            )
        return f"The referee prefers the {who}: {rate}, and {flips}."


def equilibrium(reviews: pl.DataFrame, verdicts: pl.DataFrame | None = None) -> Equilibrium:
    """What `reviews` (REVIEW, both orders) say; the hard share needs `verdicts` (VERDICT).

    The noise is estimated from the flips. If the referee saw no difference, each pair that it
    decides alike in both orders would fall to either side by chance alone (a sign test), and the
    two orders would agree no more often than two referees who never saw the answers.
    """
    leads = leads_by_order(reviews)
    hard = None
    if verdicts is not None and (judged := verdicts.drop_nulls("gap")).height:
        hard = round(100 * float((judged["verdict"] == "hard").sum()) / judged.height, 2)
    if not leads.height:
        return Equilibrium(0, hard, None, None, None, None, None, None)
    one, other = (leads[order].to_numpy() for order in ORDERS)
    signs = np.sign(one) + np.sign(other)  # 2: the student wins in both orders; -2: the teacher
    agreement, noise = _agreement(np.sign(one), np.sign(other))
    return Equilibrium(
        pairs=leads.height,
        hard_share=hard,
        mean_gap=round(-float((one + other).sum()) / 2 / leads.height, 4),
        win_rate=round(50 + 25 * float(signs.sum()) / leads.height, 2),
        flip_rate=flip_rate(leads),
        agreement=agreement,
        noise=noise,
        even=round(25 * SURE * float((signs**2).sum()) ** 0.5 / leads.height, 2),
    )


def _agreement(one: Array, other: Array) -> tuple[float | None, float | None]:
    """Cohen's kappa between the orders, where both name a winner, and its noise at no agreement."""
    decided = (one != 0) & (other != 0)
    if not decided.any():
        return None, None
    wins, wins_other = one[decided] > 0, other[decided] > 0
    chance = wins.mean() * wins_other.mean() + (~wins).mean() * (~wins_other).mean()
    if chance == 1:
        return 1.0, 0.0  # one side always wins: nothing is left to chance
    agreement = ((wins == wins_other).mean() - chance) / (1 - chance)
    noise = SURE * (chance / (1 - chance) / decided.sum()) ** 0.5
    return round(float(agreement), 3), round(float(noise), 3)
