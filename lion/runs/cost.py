"""What a run cost: requests and tokens by round and role as the tables tell, money by the prices.

The tables do not hold the generator's tokens, nor what was asked in vain: the response store's
ledger does (`lion ledger`).
"""

from dataclasses import dataclass

import polars as pl

from lion.chat.money import Purse, Usage
from lion.params import Params, Role
from lion.runs.run import Tables


@dataclass(frozen=True)
class Cost:
    """One role in one round. `tokens` is None where the tables do not tell, `money` also where no
    price is given; `round` 'eval' is the teacher's answers to the questions."""

    round: str
    role: Role
    requests: int
    tokens: int | None
    money: float | None


def costs(tables: Tables, params: Params) -> list[Cost]:
    """Every role that was asked in a round, round by round."""
    asked: list[tuple[Role, pl.DataFrame]] = [
        ("teacher", tables.answers),
        ("referee", tables.reviews),
        ("judge", tables.judged),
    ]
    rows = []
    for name in tables.rounds:
        rows += [_cost(params, name, role, frame.filter(round=name)) for role, frame in asked]
        drawn = tables.draws.filter(round=name).height
        rows.append(Cost(name, "generator", drawn, None, _free(params, "generator")))
    rows.append(_cost(params, "eval", "teacher", tables.question_answers))
    return [row for row in rows if row.requests]


def _cost(params: Params, name: str, role: Role, replies: pl.DataFrame) -> Cost:
    prompt, completion = (int(replies[f"{side}_tokens"].sum()) for side in ("prompt", "completion"))
    mode = params.endpoint_of(role).mode
    usage = Usage(params.model_of(role), mode, replies.height, prompt, completion)
    return Cost(
        name,
        role,
        replies.height,
        prompt + completion,
        Purse(params.prices, params.budget).cost(usage),
    )


def _free(params: Params, role: Role) -> float | None:
    """Nothing, where the model is known to cost nothing; else nobody knows."""
    usage = Usage(params.model_of(role), "live", 0, 1_000_000, 1_000_000)
    return 0.0 if Purse(params.prices, params.budget).cost(usage) == 0 else None


def total_money(rows: list[Cost]) -> tuple[float, list[Role]]:
    """The sum of what is known, and the roles whose money is not."""
    known = sum(row.money for row in rows if row.money is not None)
    return known, sorted({row.role for row in rows if row.money is None})
