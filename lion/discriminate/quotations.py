"""Quotations of the texts under review in a referee's reply."""

import html
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_FENCE = re.compile(r"```[\w+#.-]*")
_MARKUP = re.compile(r"<[^<>\n]{0,200}>|[*_`~\\]")  # may separate the digits of a number
_COMMA = re.compile(r"(?<=\d)[,٫](?=\d)")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def unquoted(text: str) -> tuple[list[str], int] | None:
    """Return the lines outside of quotations (fenced, or marked with `>`).

    Also return how many of them precede the last fence. None if an odd, nested, longer or inline
    fence leaves unclear what is quoted: the fence may belong to the quoted answer.
    """
    lines: list[str] = []
    fenced, before_fence = False, 0
    for line in text.split("\n"):
        stripped = line.strip()
        if "```" in stripped or "~~~" in stripped:
            if not _FENCE.fullmatch(stripped) or (fenced and stripped != "```"):
                return None
            fenced, before_fence = not fenced, len(lines)
        elif stripped.strip("| \t") and not fenced and not stripped.startswith(">"):
            lines.append(line)
            continue
        if stripped and lines:
            lines[-1] = lines[-1].rstrip(":：* ")  # it announced the quotation, and nothing else
    return None if fenced else (lines, before_fence)


def offered(lines: Iterable[str], shown: Iterable[str]) -> bool:
    """Whether one text under review has the numbers of all `lines`, which may then be a quotation.

    Only numbers are compared: quotation marks, markup and look-alike characters change nothing.
    The lines may be apart in the text: a quotation can omit what stood between them.
    """
    wanted = [_numbers(line) for line in lines]
    return bool(wanted) and any(
        all(any(numbers in form for form in forms) for numbers in wanted)
        for forms in map(_forms_of, shown)
    )


def may_be_quoted(line: str, shown: tuple[str, ...]) -> bool:
    """Whether `line` may come from a text under review; without numbers, only word for word."""
    if any(char.isdigit() for char in line):
        return offered((line,), shown)
    return any(line.strip() in text for text in shown)


@lru_cache(maxsize=8)  # the texts of one request
def _forms_of(text: str) -> tuple[str, str, str]:
    """Return the numbers in a text: as it stands, without markup, with commas as points."""
    plain = unicodedata.normalize("NFKC", _MARKUP.sub("", html.unescape(text)))
    return _numbers(text), _numbers(plain), _numbers(_COMMA.sub(".", plain))


def _numbers(text: str) -> str:
    """Return the numbers in `text`, in digits of any script, with a space on either side of each.

    Invisible characters and combining marks do not separate the digits of a number.
    """
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(
        f"{unicodedata.decimal(char)}" if char.isdecimal() else char
        for char in plain
        if unicodedata.category(char) not in {"Cf", "Mn", "Me"}
    )
    return " " + "".join(f"{float(number):g} " for number in _NUMBER.findall(plain))
