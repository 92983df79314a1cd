"""What was spent and saved, as rows for a person or a program."""

from collections.abc import Sequence
from typing import Any

from lion.chat.budget import Budget
from lion.chat.types import Entry

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
    """Entries, their total, and what is left of the budget; money is null without a price."""
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
    """A sum; unknown if a part is, since money without a price is not nothing."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def table_of(ledger: Row) -> str:
    """`ledger` as text; a dash stands for money without a price."""
    heads = [name.replace("_", " ") for name in (*_NAMES, *_SUMS)]
    total = {"stage": "total", **ledger["total"]}
    cells = [heads] + [
        [_cell(row.get(name, ""), name) for name in (*_NAMES, *_SUMS)]
        for row in (*ledger["entries"], total)
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if place < len(_NAMES) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


def _row(entry: Entry, budget: Budget) -> Row:
    return {
        **{name: getattr(entry, name) for name in _NAMES},
        "requests": entry.requests,
        "prompt_tokens": entry.prompt_tokens,
        "completion_tokens": entry.completion_tokens,
        "money": budget.cost(entry.spent()) if entry.requests else 0.0,
        "retries": entry.retries,
        "saved_requests": entry.saved_requests,
        "saved_money": budget.cost(entry.saved()) if entry.saved_requests else 0.0,
    }


def _cell(value: object, name: str) -> str:
    if name.endswith("money"):
        return "-" if value is None else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
