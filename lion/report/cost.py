"""The cost of a run by round and role: requests and tokens from its tables, money by the prices.

No table holds the generator's tokens or requests that got no reply; `lion ledger` has both.
"""

from dataclasses import dataclass
from typing import Any

import polars as pl

from lion.chat.budget import Budget, Usage, mode_of
from lion.params import Params, Role
from lion.runs.run import Tables

Row = dict[str, Any]


@dataclass(frozen=True)
class RoleCost:
    """The cost of one role in one round; None is unknown."""

    round: str  # or 'questions', for the teacher's answers to them
    role: Role
    requests: int
    tokens: int | None
    money: float | None


def role_costs(tables: Tables, params: Params) -> list[RoleCost]:
    """Return the cost of every role with requests, round by round."""
    asked: list[tuple[Role, pl.DataFrame]] = [
        ("teacher", pl.concat([tables.taught, tables.rewrites])),
        ("referee", tables.reviews),
        ("judge", tables.judged),
    ]
    free = _money(params, "generator", 0, 1_000_000, 1_000_000) == 0
    costs = []
    for name in tables.rounds:
        costs += [_cost(params, name, role, frame.filter(round=name)) for role, frame in asked]
        drawn = tables.draws.filter(round=name).height
        costs.append(RoleCost(name, "generator", drawn, None, 0.0 if free else None))
    costs.append(_cost(params, "questions", "teacher", tables.question_answers))
    return [cost for cost in costs if cost.requests]


def _cost(params: Params, name: str, role: Role, replies: pl.DataFrame) -> RoleCost:
    prompt, completion = (int(replies[f"{side}_tokens"].sum()) for side in ("prompt", "completion"))
    money = _money(params, role, replies.height, prompt, completion)
    return RoleCost(name, role, replies.height, prompt + completion, money)


def _money(params: Params, role: Role, *counts: int) -> float | None:
    """Return the price of `counts`: requests, prompt tokens and completion tokens."""
    usage = Usage(params.model_of(role), mode_of(params, role), *counts)
    return Budget(params.prices, params.budget).cost(usage)


def money_of(costs: list[RoleCost], params: Params) -> tuple[str, str]:
    """Return the money spent, empty if none or unknown, and a note on what the figure covers."""
    known = sum(cost.money for cost in costs if cost.money is not None)
    unknown = ", ".join(sorted({cost.role for cost in costs if cost.money is None}))
    if not known:
        return "", f"money unknown: no price for {unknown}" if unknown else "no model costs money"
    amount = _amount(known, params)
    return (f"≥ {amount}", f"without {unknown}") if unknown else (amount, "all roles")


def tokens_of(costs: list[RoleCost]) -> str:
    """Return the tokens used, as '12.3K'."""
    number = sum(cost.tokens for cost in costs if cost.tokens is not None)
    for size, mark in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if number >= size:
            return f"{number / size:.3g}{mark}"
    return str(number)


def cost_rows(costs: list[RoleCost], params: Params) -> list[Row]:
    """Return the page's cost table."""
    return [
        {
            "round": cost.round,
            "role": cost.role,
            "replies": f"{cost.requests:,}",
            "tokens": "unknown" if cost.tokens is None else f"{cost.tokens:,}",
            "money": "unknown" if cost.money is None else _amount(cost.money, params),
        }
        for cost in costs
    ]


def _amount(money: float, params: Params) -> str:
    return f"{money:,.2f} {params.prices.currency if params.prices else ''}".strip()
