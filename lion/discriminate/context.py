"""What the lines around scores say of them: that they are reversed, quoted, ranks or corrected."""

import re

from lion.discriminate.quotations import offered
from lion.discriminate.score_lines import (
    ByAssistant,
    Line,
    named,
    other_scores,
    read_line,
    without_markdown,
)

# What the line above labelled numbers may say that they are, other than scores out of ten.
_NO_SCORES = re.compile(
    r"\brank|\bplace|position|preference|\berrors?|mistakes?\b|worst|is better|out of (?!ten)[a-z]"
    r"|排名|名次|順位|순위|错误|الترتيب|\brang\b|platz|classement|posici|puesto|место|fehler|schulnote",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(
    r"example|format\b|e\.g\.|beispiel|ejemplo|exemple|例如|пример", re.IGNORECASE
)


def contradicts(raw: str, scores: ByAssistant, shown: tuple[str, ...]) -> bool:
    """Whether a line behind the scores gives another one that is no quotation."""
    line = read_line(without_markdown(raw))
    others = other_scores(line, scores)
    return not offered((line.text,), shown) and any(not offered((part,), shown) for part in others)


def may_be_reversed(before: list[str]) -> bool:
    """Whether the lines before two scores without labels name 2 first or have a strange header."""
    orders = [order for order in map(named, before) if order]
    if orders[:1] == [[2]] or [2, 1] in orders:
        return True
    headers = [line for line in before if "|" in line and re.search(r"[^\W_]", line)]
    return bool(headers) and named(headers[-1]) != [1, 2]


def has_other_meaning(lines: list[Line], first: int, last: int) -> bool:
    """Whether the line above two scores says that they are quoted, or no scores out of ten.

    `first` and `last` are their places in `lines`.
    """
    above = [line.text for line in lines[:first] if re.search(r"[^\W_]", line.text)]
    heading = above[-1] if above and re.search(r"[:：]$|\|", above[-1]) else ""
    if (len(named(heading)) == 1 and "|" not in heading) or _EXAMPLE.search(heading):
        return True
    scaled = all("10" in line.text.partition("/")[2] for line in lines[first : last + 1])
    scale = set(re.findall(r"[0-9]+", re.sub(r"^[0-9]+[.)] ", "", heading))) - {*"012", "10"}
    return not scaled and bool(scale or _NO_SCORES.search(heading))
