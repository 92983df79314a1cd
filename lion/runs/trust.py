"""How far to trust a referee: the effect of swapping the two answers on its scores."""

from typing import Any

import numpy as np
import polars as pl

from lion.discriminate.scores import ORDERS, unselected
from lion.evaluate.equilibrium import Equilibrium, equilibrium, kappa_of
from lion.evaluate.quality import leads_by_order, position_bias
from lion.runs.run import Tables

Row = dict[str, Any]
_FLIPS = 0.05  # share of hard verdicts that the order may flip; above it, there is a doubt
_UNREADABLE = 0.1  # share of a referee's replies; above it, there is a doubt
AGREEMENT = 0.4  # kappa of the two orders on hard or easy; below it, they hardly agree
# Share of pairs that are hard in only one order. Below it, a low kappa only reflects how rare the
# other verdict is.
_SPLITS = 0.1
_FEW = 20  # verdicts; a kappa of fewer says little
_OFFLINE = "oracle"  # it judges by the truth, not by taste


def trust_rows(tables: Tables, tau: float | None) -> list[Row]:
    """Return the figures of the referee and of the judge for each round with replies.

    The judge scores the questions; its pairs have no verdict, so none of them is hard or easy.
    """
    unjudged = tables.evaluated.with_columns(verdict=pl.lit(None, pl.String))
    both = [("referee", tables.reviews, tables.scores), ("judge", tables.judged, unjudged)]
    rows = [
        {"role": role, "round": name}
        | trust_of(
            reviews.filter(round=name),
            scores.filter(round=name),
            tau if role == "referee" else None,
        )
        for role, reviews, scores in both
        for name in tables.rounds
    ]
    return [row for row in rows if row["replies"]]


def trust_of(reviews: pl.DataFrame, scores: pl.DataFrame, tau: float | None = None) -> Row:
    """Return the figures of one referee in one round, from its replies and their verdicts.

    `asked` and `judged` count pairs, `replies` and `unreadable` count replies. `hard` and `easy`
    count pairs judged in both orders, by verdict; `hard_flips` and `easy_flips` are those whose
    winner changes with the order. `flip_share` (0 to 1) is over all pairs, `kappa` is the agreement
    of the two orders beyond chance, and `position_bias` the points that an answer gains by being
    shown first; these three are None if no pair was judged in both orders.

    `verdict_kappa` is the agreement of the two orders, each taken alone, on which instructions are
    hard, and `verdict_splits` counts those that are hard in only one order; None without `tau`.
    Winners change between near-equal answers, so a low kappa of winners need not matter.
    """
    leads, balance = leads_by_order(unselected(reviews)), equilibrium(reviews)
    return {
        "asked": scores.height,
        "judged": scores["gap"].count(),
        "replies": reviews.height,
        "unreadable": reviews["student"].null_count(),
        "flip_share": flip_share(balance),
        "kappa": balance.agreement,
        "position_bias": position_bias(leads),
        **_flips_by_verdict(leads, scores),
        **_on_hard(leads, tau),
    }


def flip_share(balance: Equilibrium) -> float | None:
    """Return the share of winners that change with the order; None without a pair read in both."""
    return None if balance.flip_rate is None else round(balance.flip_rate / 100, 4)


def _on_hard(leads: pl.DataFrame, tau: float | None) -> Row:
    """Return how well the two orders agree on hard and easy; None without a pair read in both."""
    if tau is None or not leads.height:
        return {"verdict_kappa": None, "verdict_splits": None}
    first, second = (np.where(leads[order].to_numpy() <= -tau, -1.0, 1.0) for order in ORDERS)
    splits = int((first != second).sum())
    return {"verdict_kappa": kappa_of(first, second)[0], "verdict_splits": splits}


def _flips_by_verdict(leads: pl.DataFrame, scores: pl.DataFrame) -> Row:
    product = pl.col("teacher_first").sign() * pl.col("student_first").sign()
    pairs = leads.join(scores.select("id", "verdict"), on="id").with_columns(flips=product < 0)
    counts: Row = {}
    for verdict in ("hard", "easy"):
        own = pairs.filter(verdict=verdict)
        counts |= {verdict: own.height, f"{verdict}_flips": int(own["flips"].sum())}
    return counts


def doubts(row: Row) -> list[str]:
    """Return the reasons to doubt a referee or judge (a row of `trust_rows`), the worst first."""
    name, replies, unreadable = row["round"], row["replies"], row["unreadable"]
    hard, flips, kappa = row["hard"], row["hard_flips"], row["verdict_kappa"]
    reasons = []
    if unreadable > _UNREADABLE * replies:
        reasons.append(
            f"{unreadable:,} of its {replies:,} replies in {name} have no readable scores"
        )
    if flips > max(1, _FLIPS * hard):  # a single flip says nothing about the share
        reasons.append(f"the answers' order decides {flips:,} of {hard:,} hard verdicts in {name}")
    pairs, splits = hard + row["easy"], row["verdict_splits"]
    if pairs >= _FEW and kappa is not None and kappa < AGREEMENT and splits > _SPLITS * pairs:
        reasons.append(
            f"{splits:,} of {pairs:,} instructions in {name} are hard in one order of the answers "
            f"and easy in the other (kappa {kappa:.2f}; chance is 0)"
        )
    return reasons


def shared_model(tables: Tables) -> str | None:
    """Return the model that is teacher, referee and judge at once, if there is one.

    A model prefers its own answers. The offline oracle is exempt, since it judges by the truth.
    """
    models = {
        *tables.taught["model"].unique(),
        *tables.question_answers["model"].unique(),
        *tables.reviews["model"].unique(),
        *tables.judged["model"].unique(),
    }
    if len(models) != 1 or not (tables.reviews.height and tables.judged.height):
        return None
    [model] = models
    return None if model == _OFFLINE else str(model)


def score_matrix(reviews: pl.DataFrame) -> pl.DataFrame:
    """Count answers by their points when shown `first` and when shown `second`: column `rows`.

    Points are rounded to whole ones. A referee without position bias fills only the diagonal.
    """
    readable = reviews.drop_nulls(["teacher", "student"]).group_by("round", "id", "order")
    sides = readable.agg(pl.col("teacher", "student").mean()).unpivot(
        on=["teacher", "student"], index=["round", "id", "order"], variable_name="side"
    )
    is_first = pl.col("order").str.starts_with(pl.col("side"))
    points = pl.col("value").round().cast(pl.Int64)
    places = sides.group_by("round", "id", "side").agg(
        first=points.filter(is_first).first(), second=points.filter(~is_first).first()
    )
    counts = places.drop_nulls().group_by("first", "second").agg(pl.len().alias("rows"))
    return counts.sort("first", "second")
