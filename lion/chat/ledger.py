"""Spending and savings: as rows, as a table, and beside the progress bar."""

from collections.abc import Callable, Sequence
from typing import Any

from lion.chat.budget import Budget, Usage
from lion.chat.types import Caller, Entry, Reply
from lion.support.progress import Progress
from lion.support.text import table

Row = dict[str, Any]
_NAMES = ("stage", "role", "round", "model", "mode")
_SUMS = (
    "requests",
    "prompt_tokens",
    "completion_tokens",
    "money",
    "retries",
    "saved_requests",
    "saved_money",
)


def ledger_of(entries: Sequence[Entry], budget: Budget) -> Row:
    """Return the entries, their total and what is left of the budget; unknown money is None."""
    rows = [_row(entry, budget) for entry in entries]
    spent = [entry.spent() for entry in entries]
    left: dict[str, float | None] = {**budget.left(spent)}
    if budget.unpriced(spent):
        left["money"] = None
    total = {name: _sum([row[name] for row in rows]) for name in _SUMS}
    return {
        "currency": budget.currency or None,
        "entries": rows,
        "total": total,
        "left": left,
    }


def _sum(values: Sequence[float | None]) -> float | None:
    """Return the sum; None if any part is None, since money without a price is not 0."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def table_of(ledger: Row) -> str:
    """Format `ledger` as a table; a dash stands for money without a price."""
    columns = {name: name.replace("_", " ") for name in (*_NAMES, *_SUMS)}
    total = {**dict.fromkeys(_NAMES, ""), "stage": "total", **ledger["total"]}
    rows = [
        {head: _cell(row[name], name) for name, head in columns.items()}
        for row in (*ledger["entries"], total)
    ]
    return table(rows, list(columns.values()))


def _row(entry: Entry, budget: Budget) -> Row:
    money = {
        "money": budget.cost(entry.spent()) if entry.requests else 0.0,
        "saved_money": budget.cost(entry.saved()) if entry.saved_requests else 0.0,
    }
    names = (*_NAMES, *_SUMS)
    return {name: money[name] if name in money else getattr(entry, name) for name in names}


def _cell(value: object, name: str) -> object:
    return f"{value:,.2f}" if name.endswith("money") and value is not None else value


class UsageMeter:
    """Tokens, cost, retries and cache hits beside the progress bar."""

    def __init__(
        self, bar: Progress, budget: Budget, spent: Callable[[], list[Usage]], *, stored: float
    ) -> None:
        """`stored` is the share of replies that the store already had."""
        self._bar, self._budget, self._spent, self._stored = bar, budget, spent, stored
        self._here = Usage("", "", 0, 0, 0)

    def arrived(self, caller: Caller, reply: Reply) -> None:
        """Count one reply that was paid for."""
        _, _, requests, prompt, completion, cached = self._here
        self._here = caller.usage(
            requests + 1,
            prompt + reply.prompt_tokens,
            completion + reply.completion_tokens,
            cached + reply.cached_tokens,
        )
        self._bar.advance()

    def show(self, status: list[str]) -> None:
        """Show the figures so far, and the sender's status."""
        tokens = self._here.prompt_tokens + self._here.completion_tokens
        parts = [f"{tokens:,} tokens"]
        if money := self._budget.cost(self._here):
            parts.append(f"{money:,.2f} {self._budget.currency}")
        if self._budget.is_bounded:
            parts.append(self._budget.left_text(self._spent()))
        if self._stored:
            parts.append(f"{self._stored:.0%} from the store")
        self._bar.note(", ".join(parts + status))
