"""What requests and tokens cost, and whether more may be spent."""

from collections.abc import Iterable
from typing import NamedTuple

from lion.params import BudgetLimits, Params, Prices, Role

_BATCH_SHARE = 0.5  # of the live price
FREE = "free"  # mode of usage by the in-process oracle


class Usage(NamedTuple):
    """Requests and tokens of one model: spent, saved, or claimed and not yet spent."""

    model: str
    mode: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0  # part of prompt_tokens


def mode_of(params: Params, role: Role) -> str:
    """Return the usage mode of a role (live, batch or free) as the parameters set it."""
    return FREE if params.is_in_process(role) else params.endpoint_of(role).mode


_NOTHING = Usage("", "", 0, 0, 0)


def merged(usages: Iterable[Usage]) -> list[Usage]:
    """Sum `usages` to one row for each model and mode."""
    sums: dict[tuple[str, str], Usage] = {}
    for usage in usages:
        kind = (usage.model, usage.mode)
        sums[kind] = Usage(
            *kind, *map(sum, zip(usage[2:], sums.get(kind, _NOTHING)[2:], strict=True))
        )
    return list(sums.values())


class Budget:
    """The prices and the budget of params.yaml."""

    def __init__(self, prices: Prices | None, limits: BudgetLimits) -> None:
        self._prices, self._limits = prices, limits
        self.currency = prices.currency if prices else ""
        self.is_bounded = limits != BudgetLimits()

    def cost(self, usage: Usage) -> float | None:
        """Return the cost of `usage` in the prices' currency, or None if its model has no price."""
        if usage.mode == FREE:
            return 0.0
        price = self._prices.models.get(usage.model) if self._prices else None
        if price is None:
            return None
        cached = price.input if price.cached is None else price.cached
        new_tokens = usage.prompt_tokens - usage.cached_tokens
        money = (
            new_tokens * price.input
            + usage.cached_tokens * cached
            + usage.completion_tokens * price.output
        ) / 1e6
        return money * _BATCH_SHARE if usage.mode == "batch" else money

    def unpriced(self, usages: Iterable[Usage]) -> str:
        """Return the first model without a price if the budget bounds money, else ""."""
        if self._limits.money is None:
            return ""
        return next((usage.model for usage in usages if self.cost(usage) is None), "")

    def left(self, usages: Iterable[Usage]) -> dict[str, float]:
        """Return what is left of each bound of the budget; negative if it is exceeded."""
        usages = list(usages)
        used = {
            "money": sum(self.cost(usage) or 0.0 for usage in usages),
            "tokens": sum(usage.prompt_tokens + usage.completion_tokens for usage in usages),
            "requests": sum(usage.requests for usage in usages),
        }
        bounds = self._limits.model_dump(exclude_none=True)
        return {name: bound - used[name] for name, bound in bounds.items()}

    def allows(self, usages: Iterable[Usage]) -> bool:
        """Return whether all `usages` together stay within the budget."""
        return all(left >= 0 for left in self.left(usages).values())

    def left_text(self, spent: Iterable[Usage]) -> str:
        """Describe to the user what is left of the budget."""
        units = {"money": self.currency, "tokens": "tokens", "requests": "requests"}
        return ", ".join(
            f"{left:,.{2 if name == 'money' else 0}f} {units[name]} left"
            for name, left in self.left(spent).items()
        )
