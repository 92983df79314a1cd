"""Reading the two scores in a referee's reply: for certain, or not at all.

A reply is evidence and scores. Evidence may quote an answer, and an answer may hold numbers or
even lines that look like scores. So scores count only where a referee puts them: two numbers on
the first line (Vicuna's protocol), labelled lines at the end (ours) or before a last remark, or a
JSON object. A reply that contradicts itself, or could be read in two ways, is not read.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

Scores = tuple[float, float]

_SCORE = r"(10(?:\.0+)?|[1-9](?:\.[0-9]+)?)(?: ?/ ?10(?:\.0)?| out of 10)?(?: points)?"
_WORD = r"(?:(?:final|overall) )?(?:score|rating)"
_LABEL = rf"(?:the )?(?:{_WORD} (?:of|for) )?assistant[ _-]?([12])(?:['’]s)?(?: {_WORD})?"
_COLON = r"(?: ?[:：=|] ?| [-–—] )"
# What may follow on the same line holds no digit: 7-8, 8/5, 8.5.1 and 8 (was 7) are no scores.
_REMARK = r"(?: ?[(\[,;]\D*| [-–—] \D*|\.(?: \D*)?)?"

_LABELLED = re.compile(_LABEL + _COLON + "(.*)", re.IGNORECASE)
_BOTH_LABELLED = re.compile(
    rf"{_LABEL}{_COLON}{_SCORE}(?: ?[,;|.] ?| [-–—] | )(?:and )?{_LABEL}{_COLON}{_SCORE}\.?",
    re.IGNORECASE,
)
_SCORED = re.compile(_SCORE + _REMARK, re.IGNORECASE)
_UNCLEAR = re.compile(r"[-+~<>≤≥]?[0-9]|<|n/?a\b|none\b", re.IGNORECASE)
_ALONE = re.compile(_SCORE)
_TWO = re.compile(rf"{_SCORE}(?:, | ?[;|&] ?| and | ){_SCORE}")
_IN_BRACKETS = re.compile(r"\((.*)\)|\[(.*)\]")
_HEADING = re.compile(rf"{_WORD}s? ?[:：] ?", re.IGNORECASE)
_ON_SCORES = re.compile(r"\b(?:scores?|ratings?)\b", re.IGNORECASE)
_HARMLESS = re.compile(r"\b(?:(?:assistant|answer|response)[ _-]?[12]|out of 10)\b", re.IGNORECASE)

_KEYS = ("assistant_1", "assistant_2")


@dataclass(frozen=True)
class _Line:
    """A line without markdown, and what it says of the assistants 1 and 2."""

    text: str
    scores: dict[int, float]
    labelled: bool = False  # speaks as "Assistant 1: ..."
    unclear: bool = False  # ... and gives something like a score that cannot be read


@dataclass(frozen=True)
class _Pair:
    """Both scores, on one line or on two adjacent ones."""

    first: int
    last: int
    scores: dict[int, float]


def parse_scores(text: str, *, cut: bool = False) -> Scores | None:
    """The scores (1..10) of assistants 1 and 2, or None where the reply leaves any doubt.

    The end of a reply that was `cut` by the token limit is not believed: its 1 may be half a 10.
    """
    text = text.strip()
    if text.startswith("<think>"):
        text = text.partition("</think>")[2].strip()
    whole = re.fullmatch(r"```\w*\n(.*)\n```", text, re.DOTALL)
    text = whole[1].strip() if whole else text
    if text.startswith("{"):
        return _from_json(text)
    lines = _lines(text)
    if first := _two(lines[0].text if lines else ""):
        agreeing = all(not line.unclear and _agree(line.scores, first) for line in lines)
        return _ordered(first) if agreeing and (len(lines) > 1 or not cut) else None
    if cut:
        return None
    if pairs := _pairs(lines):
        return _from_pairs(lines, pairs)
    return _ordered(_unlabelled_at_end(lines))


def _from_pairs(lines: list[_Line], pairs: list[_Pair]) -> Scores | None:
    """The last pair, if it ends the reply or only a remark follows that casts no doubt on it."""
    pair = pairs[-1]
    after = lines[pair.last + 1 :]
    if after:
        doubtful = any(line.labelled for line in after) or _may_be_answers(lines, pair)
        doubtful |= not all(_agree(line.scores, pair.scores) for line in lines)
    else:  # earlier pairs are quotes, unless they stand where scores are expected, too
        before = lines[pair.first - 1].scores if pair.first else {}
        opening = pairs[0].scores if pairs[0].first == 0 else {}
        doubtful = not (_agree(before, pair.scores) and _agree(opening, pair.scores))
    return None if doubtful else _ordered(pair.scores)


def _may_be_answers(lines: list[_Line], pair: _Pair) -> bool:
    """Whether "Assistant 1: 8" could mean that it answered 8: the remark goes on about numbers.

    Not where the pair is announced as scores.
    """
    announced = "".join(line.text for line in lines[max(0, pair.first - 1) : pair.last + 1])
    remark = " ".join(line.text for line in lines[pair.last + 1 :])
    about_numbers = any(char.isdigit() for char in _HARMLESS.sub("", remark))
    return about_numbers and not _ON_SCORES.search(announced)


def _unlabelled_at_end(lines: list[_Line]) -> dict[int, float]:
    """Two last lines with a number each, where nothing else but scores can be meant."""
    if len(lines) < 2 or any(line.labelled for line in lines):
        return {}
    scores = [_ALONE.fullmatch(line.text) for line in lines[-2:]]
    before = lines[-3].text if len(lines) > 2 else "scores"
    scaled = all("10" in line.text.partition("/")[2] for line in lines[-2:])
    if not (all(scores) and (scaled or _ON_SCORES.search(before))) or _ALONE.fullmatch(before):
        return {}
    return {place: float(found[1]) for place, found in enumerate(scores, start=1) if found}


def _pairs(lines: list[_Line]) -> list[_Pair]:
    pairs: list[_Pair] = []
    for at, line in enumerate(lines):
        if len(line.scores) == 2:
            pairs.append(_Pair(at, at, line.scores))
        elif at and len(line.scores) == len(lines[at - 1].scores) == 1:
            scores = {**lines[at - 1].scores, **line.scores}
            if len(scores) == 2 and not (pairs and pairs[-1].last == at - 1):
                pairs.append(_Pair(at - 1, at, scores))
    return pairs


def _lines(text: str) -> list[_Line]:
    """The lines that say something; quotes (fenced, or marked with >) are left out."""
    lines = []
    fenced = False
    for raw in text.splitlines():
        if raw.strip().startswith("```"):
            fenced = not fenced
        elif not fenced and not raw.strip().startswith(">") and (plain := _plain(raw)):
            lines.append(_line(plain))
    return lines


def _plain(line: str) -> str:
    """`line` without bullets, table bars, emphasis and runs of spaces."""
    line = " ".join(line.strip("| \t").split())
    line = re.sub(r"^(?:#+|[-+*•]) ", "", line)
    for mark in ("**", "__", "*", "`"):
        mark = re.escape(mark)
        line = re.sub(rf"(?<!\w){mark}(.+?){mark}", r"\1", line)
    return line.strip()


def _line(text: str) -> _Line:
    heading = _HEADING.match(text)
    body = text[heading.end() :] if heading else text
    if both := _BOTH_LABELLED.fullmatch(body):
        one, score, other, score_of_other = both.groups()
        scores = {int(one): float(score), int(other): float(score_of_other)}
        return _Line(text, scores if len(scores) == 2 else {}, labelled=True)
    if found := _LABELLED.fullmatch(body):
        assistant, rest = found.groups()
        if score := _SCORED.fullmatch(rest):
            return _Line(text, {int(assistant): float(score[1])}, labelled=True)
        return _Line(text, {}, labelled=True, unclear=bool(_UNCLEAR.match(rest)))
    return _Line(text, _two(body) if heading else {})


def _two(text: str) -> dict[int, float]:
    """Two scores side by side, such as `9 8.5`, `8/10, 7/10` or `(8, 7)`."""
    if inner := _IN_BRACKETS.fullmatch(text):
        text = re.sub(", ?", ", ", inner[1] or inner[2] or "")
    found = _TWO.fullmatch(text)
    return {1: float(found[1]), 2: float(found[2])} if found else {}


def _from_json(text: str) -> Scores | None:
    """The values of `assistant_1` and `assistant_2` in a JSON object, each there once."""
    try:
        found: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return None
    one, two = ([value for name, value in found if name == key] for key in _KEYS)
    if len(one) != 1 or len(two) != 1:
        return None
    return _ordered({n: float(v) for n, v in ((1, one[0]), (2, two[0])) if _is_score(v)})


def _is_score(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 10


def _agree(some: dict[int, float], others: dict[int, float]) -> bool:
    return all(others.get(assistant, score) == score for assistant, score in some.items())


def _ordered(scores: dict[int, float]) -> Scores | None:
    return (scores[1], scores[2]) if len(scores) == 2 else None
