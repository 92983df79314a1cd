"""An examination: which pairs the referee judges, and which of them in both orders.

By default it judges every pair in both orders. With `examine.second_order` it judges every pair
with the teacher's answer first, and again with the places changed only where that may change the
verdict. With `examine.hard` it judges rows in waves until enough are hard. The next requests depend
only on earlier replies, which the store keeps, so a killed run continues where it stopped.
"""

import itertools
from dataclasses import dataclass, field
from math import ceil

import click
import polars as pl

from lion.chat import Asks
from lion.discriminate.referee import Part, ask_orders, check_judged, check_pairs
from lion.discriminate.scores import ORDERS, PositionBias, bias_of, gaps_by_order, score
from lion.params import Examine, Referee
from lion.pools.cache import in_exam_order
from lion.pools.instructions import stable_seed
from lion.pools.tables import REVIEW

MEASURED = 300  # pairs judged in both orders to measure the position bias
_SURE = 2.0  # standard deviations of the position bias between a clear gap and the threshold
CHECKED = 10  # one in this many clear pairs is judged in both orders anyway, to check the rule
_LEAST = 0.05  # smallest wave, as a share of the wanted hard rows


@dataclass
class Exam:
    """The examination of one round: its referee, its options, and the replies so far."""

    chat: Asks
    settings: Referee
    options: Examine
    label: str
    round: str
    newest: str  # the round whose rows are judged first
    seed: int
    reviews: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REVIEW))

    def examine(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return the referee's replies (REVIEW), on the pairs and orders that the options ask for.

        `pairs` has the columns of `review`'s, and `round`. EmptyError if no pair was judged.
        """
        check_pairs(pairs, label=self.label)
        if self.options.hard is None:
            self._judge(pairs, self.label)
        else:
            self._judge_until(self.options.hard, pairs)
        check_judged(self.reviews, ORDERS, label=self.label)
        if self.options.second_order is not None:
            self._say_orders()
        return _in_order(self.reviews, pairs)

    def _judge_until(self, wanted: int, pairs: pl.DataFrame) -> None:
        """Judge the newest rows, then others at random, until `wanted` are hard or all judged.

        The first wave has `wanted` rows; each further one is sized by the hard share so far.
        """
        ordered = in_exam_order(pairs, newest=self.newest, round=self.round, seed=self.seed)
        done, hard, size = 0, 0, wanted
        for wave in itertools.count(1):
            self._judge(ordered[done : done + size], f"{self.label}, wave {wave}")
            done = min(done + size, ordered.height)
            hard = score(self.reviews).filter(pl.col("gap") >= self.options.hard_gap).height
            if hard >= wanted or done == ordered.height:
                break
            size = max(ceil((wanted - hard) * done / hard) if hard else done, ceil(_LEAST * wanted))
        click.echo(f"{done:,} of {ordered.height:,} rows are judged, {hard:,} of them are hard.")
        if hard < wanted:
            click.echo(
                f"The pool has fewer than {wanted:,} hard rows (examine.hard). None at all is the "
                "paper's equilibrium: the referee cannot tell the student from the teacher."
            )

    def _judge(self, pairs: pl.DataFrame, label: str) -> None:
        """Judge pairs in both orders, or in the second order only where it matters."""
        first, second = ORDERS
        if self.options.second_order is None:
            self._ask([Part(order, pairs) for order in ORDERS], label)
            return
        left = MEASURED - self.reviews.filter(purpose="measure")["id"].n_unique()
        measured = self._drawn(pairs, max(0, left))
        self._ask([Part(first, pairs), Part(second, measured, "measure")], label)
        bias = bias_of(self.reviews)
        gaps = gaps_by_order(self.reviews).select("id", gap=first).drop_nulls()
        rest = pairs.join(measured, on="id", how="anti", maintain_order="left").join(
            gaps, on="id", maintain_order="left"
        )
        # The second order of identical answers is the same request, which costs nothing more.
        same = pl.col("answer") == pl.col("response")
        close = rest.filter(is_close(bias, self.options.second_order) | same)
        clear = rest.join(close, on="id", how="anti", maintain_order="left")
        keys = [stable_seed("check", self.round, id) % CHECKED == 0 for id in clear["id"]]
        checked = clear.filter(pl.Series(keys, dtype=pl.Boolean))
        if close.height or checked.height:
            self._ask([Part(second, close, "close"), Part(second, checked, "check")], label)

    def _drawn(self, pairs: pl.DataFrame, count: int) -> pl.DataFrame:
        """Draw pairs to measure the position bias on, in the order of `pairs`."""
        drawn = sorted(pairs["id"], key=lambda id: (stable_seed("measure", self.round, id), id))
        return pairs.filter(pl.col("id").is_in(drawn[:count]))

    def _ask(self, parts: list[Part], label: str) -> None:
        reviews = ask_orders(parts, self.chat, self.settings, label=label)
        self.reviews = pl.concat([self.reviews, reviews])
        check_judged(self.reviews, ORDERS[:1], label=label)

    def _say_orders(self) -> None:
        bias, rows = bias_of(self.reviews), self.reviews["id"].n_unique()
        asked = self.reviews.drop_nulls("purpose")["id"].n_unique()
        known = "unknown" if bias is None else f"{bias.points:.2f} ± {bias.spread:.2f} points"
        click.echo(
            f"{asked:,} of {rows:,} pairs are judged in both orders; the position bias is {known}."
        )


def is_close(bias: PositionBias | None, threshold: float) -> pl.Expr:
    """Whether a second order may change the verdict of column `gap`; true if no bias is known."""
    if bias is None:
        return pl.lit(True)
    distance = (pl.col("gap") - bias.points - threshold).abs()
    return distance.round(6) <= round(_SURE * bias.spread, 6)


def _in_order(reviews: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Sort replies as `review` returns them: by order, then as `pairs`."""
    places = pairs.select("id").with_row_index("place")
    numbers = {order: number for number, order in enumerate(ORDERS)}
    placed = reviews.join(places, on="id", maintain_order="left").with_columns(
        number=pl.col("order").replace_strict(numbers)
    )
    return placed.sort("number", "place", "attempt", maintain_order=True).select(*REVIEW)
