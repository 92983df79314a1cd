"""The judge's two settings in the paper's evaluation.

Setting 1 is Vicuna's protocol: scores first, one run, the reference shown first. Setting 2 asks
for evidence before the scores, several times, in both orders (arXiv 2305.17926).
"""

import polars as pl

from lion.chat import Asks
from lion.discriminate.referee import review
from lion.discriminate.scores import ORDERS, Order
from lion.params import Judge


def orders_of(judge: Judge) -> tuple[Order, ...]:
    """Return the orders in which the judge sees a pair."""
    return ORDERS if judge.setting == 2 else ("teacher_first",)


def judge_answers(pairs: pl.DataFrame, chat: Asks, judge: Judge, *, label: str) -> pl.DataFrame:
    """Return every reply of the judge (REVIEW) on `pairs`, as `review` does."""
    return review(
        pairs,
        chat,
        judge,
        label=label,
        protocol="referee.txt" if judge.setting == 2 else "judge.txt",
        orders=orders_of(judge),
        samples=judge.samples,
    )
