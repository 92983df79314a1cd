"""Tables as text: for a terminal, and as Markdown for a pull request."""

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def columns_of(rows: Sequence[Row]) -> list[str]:
    """Every key of `rows`, in the order of first appearance."""
    return list(dict.fromkeys(key for row in rows for key in row))


def table(
    rows: Sequence[Row], columns: Sequence[str], *, markdown: bool = False, missing: str = "-"
) -> str:
    """`rows` with a head; numbers stand right, `missing` where a row has none.

    On a terminal a name with a line break makes a head of two lines, so that columns stay narrow.
    """
    cells = [[_cell(row.get(name), missing) for name in columns] for row in rows]
    numeric = [all(_is_number(row.get(name)) for row in rows) for name in columns]
    if markdown:
        rule = ["---:" if right else "---" for right in numeric]
        lines = [[" ".join(name.split("\n")) for name in columns], rule, *cells]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
    heads = [name.split("\n") for name in columns]
    high = max(map(len, heads))
    raised = zip(*([""] * (high - len(head)) + head for head in heads), strict=True)
    lines = [*map(list, raised), *cells]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    )


def _cell(value: object, missing: str) -> str:
    if value is None:
        return missing
    return f"{value:,}" if isinstance(value, int) else str(value)


def _is_number(value: object) -> bool:
    """Whether it reads as a number, a percentage or nothing."""
    if value is None or isinstance(value, int | float):
        return True
    text = str(value).rstrip("%").replace(",", "").lstrip("+-≥≤~ ")
    return text.replace(".", "", 1).isdigit() or str(value) in {"-", "unknown"}
