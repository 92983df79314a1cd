"""The first screen's figures, and the table of what they cost."""

from collections.abc import Callable
from typing import Any

from lion.params import Params
from lion.runs.cost import Cost, total_money

Row = dict[str, Any]


def tiles(rows: list[Row], trust: list[Row], spent: list[Cost], params: Params) -> list[Row]:
    """Label, value and note of each figure."""
    referees = [row for row in trust if row["role"] == "referee"]
    return [
        _tile("relative quality", rows, "quality", "{:.1f}%", _interval),
        _tile("hard share", rows, "hard_share", "{:.1%}", f"{{round}}, tau {params.tau:g}"),
        _tile("mean gap", rows, "mean_gap", "{:.2f}", "points, teacher minus student"),
        _tile("order flips", referees, "flip_share", "{:.1%}", "{round}, {judged:,} judged pairs"),
        {"label": "money", **_money(spent, params)},
        {"label": "tokens", **_tokens(spent)},
    ]


def _tile(
    label: str, rows: list[Row], column: str, form: str, note: str | Callable[[Row], str]
) -> Row:
    """The last known value of `column`; `note` is a form for its row's values, or makes one."""
    known = [row for row in rows if row[column] is not None]
    if not known:
        return {"label": label, "value": "unknown", "note": "nothing judged yet"}
    last = known[-1]
    told = note.format(**last) if isinstance(note, str) else note(last)
    return {"label": label, "value": form.format(last[column]), "note": told}


def _interval(row: Row) -> str:
    judged = f"{row['judged']:,} of {row['asked']:,} judged"
    return f"95%: {row['quality_low']:.1f} to {row['quality_high']:.1f}; {judged}"


def _money(spent: list[Cost], params: Params) -> Row:
    money, unknown = total_money(spent)
    currency = params.prices.currency if params.prices else ""
    roles = ", ".join(unknown)
    if unknown and not money:
        return {"value": "unknown", "note": f"no price known for {roles}"}
    told = f"{money:,.2f} {currency}".strip()
    if unknown:
        return {"value": f"≥ {told}", "note": f"without {roles}"}
    return {"value": told if money else "0", "note": "all roles" if money else "the oracle is free"}


def _tokens(spent: list[Cost]) -> Row:
    known = sum(row.tokens for row in spent if row.tokens is not None)
    asked = sum(row.requests for row in spent)
    if not asked:
        return {"value": "unknown", "note": "nothing asked yet"}
    return {"value": _short(known), "note": f"{asked:,} replies; generator's tokens not counted"}


def cost_rows(spent: list[Cost], params: Params) -> list[Row]:
    """The table behind money and tokens."""
    currency = params.prices.currency if params.prices else ""
    return [
        {
            "round": "questions" if row.round == "eval" else row.round,
            "role": row.role,
            "replies": f"{row.requests:,}",
            "tokens": "unknown" if row.tokens is None else f"{row.tokens:,}",
            "money": "unknown" if row.money is None else f"{row.money:,.2f} {currency}".strip(),
        }
        for row in spent
    ]


def _short(number: float) -> str:
    """12345 as '12.3K': three figures are enough at a glance."""
    for size, mark in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if number >= size:
            return f"{number / size:.3g}{mark}"
    return f"{number:.3g}"
