"""Read the two scores in a referee's reply: for certain, or not at all.

A reply consists of evidence and scores. Evidence may quote an answer, and the answer's author may
have put score lines, fences or closing marks in it. Two kinds of scores count:

- Marked scores carry the mark of this very request. No text under review contains it, so they
  cannot be a quotation, wherever they stand.
- Plain scores stand where a referee puts them: two numbers on the first line (Vicuna's protocol),
  two labelled ones, two numbers at the end, or one JSON object. They count only if nothing
  disagrees with them, every quotation is clear, no text under review offers the same numbers, and
  they can mean nothing else.

A reply that leaves any doubt is unreadable: a retry costs less than a wrong verdict.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from lion.discriminate.doubts import (
    LONGEST_HEADING,
    NO_SCORES,
    OTHER_SCALE,
    has_other_meaning,
    is_disputed,
    says,
)
from lion.discriminate.quotations import may_be_quoted, offered, unquoted
from lion.discriminate.score_lines import (
    ByAssistant,
    Line,
    amounts,
    lone_score,
    named,
    other_scores,
    place_of_key,
    read_line,
)
from lion.prompts.marks import has_marks, split_thoughts, without_end_marks

Scores = tuple[float, float]

END = 50_000  # characters read at either end of a reply; plain scores need a reply read in full
_ON_SCORES = re.compile(r"\b(?:scores?|ratings?)\b", re.IGNORECASE)
_HARMLESS = re.compile(r"\b(?:(?:assistant|answer|response)[ _-]?[12]|out of 10)\b", re.IGNORECASE)
_TAG = re.compile(r"^\[[0-9a-f]{6,8}\] ?", re.MULTILINE)  # a mark that the referee miscopied
_OBJECT = re.compile(r"(?:\A|\n)(?:```(?:json)?\n)?(\{[^{}]*\})(?:\n```)?\s*\Z")
_LONGEST_OBJECT = 20_000  # characters
_TEXT_SCORE = re.compile(r"((?:10|[1-9])(?:\.[0-9]+)?)(?: ?/ ?10)?")
_ESCAPED = re.compile(r"\\u[0-9a-fA-F]{4}")  # a character in JSON


class _Block(NamedTuple):
    """The lines from `first` to `last`, which give a score for each assistant."""

    first: int
    last: int
    scores: ByAssistant
    labelled: bool


def parse_scores(
    text: str, *, cut: bool = False, mark: str = "", texts: Iterable[str] = ()
) -> Scores | None:
    """Return the scores (1..10) of assistants 1 and 2, or None where the reply leaves any doubt.

    `mark` is the score mark of the request and `texts` are the texts shown to the referee; without
    them only plain scores can be read. If the token limit `cut` the reply, scores at its end do not
    count: a 1 may be half of a 10.
    """
    shown = tuple(texts)
    text = without_end_marks(text.strip().replace("\r\n", "\n"), quotes=True)
    parts = split_thoughts(text, quotes=any(map(has_marks, shown)))
    body, is_clear = parts.answer, parts.clear
    if cut and not is_clear:
        return None
    scores = _marked_scores(body, mark.lower(), shown, cut=cut) if mark else {}
    if scores is not None and len(scores) < 2:
        is_whole = is_clear and not (cut and parts.thoughts) and len(body) <= 2 * END
        scores = _plain_scores(body, mark, shown, cut=cut) if is_whole else {}
    return (scores[1], scores[2]) if scores and len(scores) == 2 else None


def _marked_scores(
    body: str, mark: str, shown: tuple[str, ...], *, cut: bool
) -> ByAssistant | None:
    """Return the scores after `mark`; None if they are unclear, or others follow them."""
    lines = [] if _fields(body) else _both_ends(body)[: -1 if cut else None]
    scores: ByAssistant = {}
    words: set[str] = set()
    own: dict[int, list[Line]] = {}
    for at, raw in enumerate(lines):
        if mark not in raw.lower():
            continue
        plain = read_line(raw).text
        parts = re.split(rf"\W{{0,20}}{mark}\W{{0,20}}", plain, flags=re.IGNORECASE)
        for line in (read_line(part, marked=True) for part in parts[1:]):
            unclear, pair = line.unclear and not line.of_answer, line.scores and not line.labelled
            if unclear or (pair and not _is_in_order(line.scores, lines, at, shown)):
                return None
            if line.scores:
                words = words | {line.word}
                own.setdefault(at, []).append(line)
            if len(words) > 1 or not _agree(line.scores, scores):
                return None
            scores |= line.scores
    if len(scores) < 2:
        return scores
    first, last = min(own), max(own)
    inner = [line for part in own.values() for line in part]
    before, after = (
        [read_line(raw) for raw in part if re.search(r"\w", raw)]
        for part in (lines[:first], lines[last + 1 :])
    )
    is_doubtful = is_disputed(before, inner, after, scores, shown) or has_other_meaning(
        before, inner, after, shown, marked=True
    )
    return None if is_doubtful else scores


def _is_in_order(pair: ByAssistant, lines: list[str], at: int, shown: tuple[str, ...]) -> bool:
    """Whether two numbers without labels in line `at` can only be the scores of 1 and 2.

    A table may have another order or meaning: its header names 2 first, or another row has other
    numbers. Lines that may be quotations do not matter.
    """
    before, behind = (
        [line for line in part if not may_be_quoted(line, shown)]
        for part in (lines[:at], lines[at + 1 :])
    )
    others = (line for line in map(read_line, before + behind) if not line.labelled)
    return not _may_be_reversed(before) and all(_agree(line.scores, pair) for line in others)


def _both_ends(body: str) -> list[str]:
    """Return the whole lines within END characters of the beginning and of the end."""
    if len(body) <= 2 * END:
        return body.split("\n")
    return body[:END].split("\n")[:-1] + body[-END:].split("\n")[1:]


def _plain_scores(body: str, mark: str, shown: tuple[str, ...], *, cut: bool) -> ByAssistant:
    """Return the scores that stand where a referee puts them, or none."""
    whole = re.fullmatch(r"```\w*\n([^`~]*)\n```", body)
    body = whole[1].strip() if whole else body
    if body.startswith("{"):
        return _json_scores(body, shown)
    if last := _OBJECT.search(body, max(0, len(body) - _LONGEST_OBJECT)):
        evidence, scores = body[: last.start()], _json_scores(last[1], shown)
        outside = None if "{" in evidence else unquoted(evidence)
        return scores if outside and _undisputed(_read(outside[0]), scores) else {}
    if mark:
        body = _TAG.sub("", re.sub(rf"[\[(]?{mark}[\])]? ?", "", body, flags=re.IGNORECASE))
    outside = unquoted(body)
    lines = _read(outside[0]) if outside else []
    block = _block(lines, cut=cut)
    if outside is None or block is None or 0 < block.first < outside[1]:
        return {}
    return {} if _is_doubtful(block, lines, shown) else block.scores


def _read(raws: list[str]) -> list[Line]:
    return [line for line in map(read_line, raws) if line.text]


def _block(lines: list[Line], *, cut: bool) -> _Block | None:
    """Return two scores on the first line, else the last labelled ones, else two at the end."""
    if lines and len(lines[0].scores) == 2 and not lines[0].labelled:
        return None if cut and len(lines) == 1 else _Block(0, 0, lines[0].scores, False)
    if cut:
        return None
    block = None
    for at, line in enumerate(lines):
        before = lines[at - 1] if at else line
        if len(line.scores) == 2 and (line.labelled or _ON_SCORES.search(line.text)):
            block = _Block(at, at, line.scores, line.labelled)
        elif len(line.scores) == len(before.scores) == 1 and not (block and block.last == at - 1):
            scores = before.scores | line.scores
            block = _Block(at - 1, at, scores, True) if len(scores) == 2 else block
    if block is None and len(lines) > 1:
        first, second = (lone_score(line.text) for line in lines[-2:])
        if first and second and not (len(lines) > 2 and lone_score(lines[-3].text)):
            block = _Block(len(lines) - 2, len(lines) - 1, {1: first, 2: second}, False)
    return block


def _is_doubtful(block: _Block, lines: list[Line], shown: tuple[str, ...]) -> bool:
    """Whether the scores in `block` are disputed or may be a quotation or something else."""
    first, last, scores, labelled = block
    own, before, after = lines[first : last + 1], lines[:first], lines[last + 1 :]
    if not _undisputed(lines, scores) or is_disputed(before, own, after, scores, ()):
        return True
    if offered([line.text for line in own], shown) or (labelled and any(x.labelled for x in after)):
        return True
    if has_other_meaning(before, own, after, shown, marked=False):
        return True
    if not labelled and _may_be_reversed([line.text for line in before]):
        return True
    announced = _ON_SCORES.search("\n".join(line.text for line in (*before[-1:], *own)))
    return not announced and _may_be_answers(block, own, after, shown)


def _may_be_answers(
    block: _Block, own: list[Line], after: list[Line], shown: tuple[str, ...]
) -> bool:
    """Whether "Assistant 1: 8", not announced as a score, could mean that it answered 8."""
    if _are_answers(block.scores, shown):
        return True
    is_scaled = all(line.is_scaled for line in own)
    if not block.labelled:
        return block.first > 0 and not is_scaled
    remark = _HARMLESS.sub("", " ".join(line.text for line in after))
    return (own[-1].of_answer and not is_scaled) or any(map(str.isdigit, remark))


def _are_answers(scores: ByAssistant, shown: tuple[str, ...]) -> bool:
    """Whether the texts under review are nothing but these numbers."""
    answers = {lone_score(text.strip(" .\n")) for text in shown}
    return bool(scores) and answers.issuperset(scores.values())


def _undisputed(lines: list[Line], scores: ByAssistant) -> bool:
    """Whether no line outside of a quotation gives other scores, even within a sentence."""
    return not any(line.unclear or other_scores(line, scores) for line in lines)


def _may_be_reversed(before: list[str]) -> bool:
    """Whether the lines before two scores without labels name 2 first or have a strange header."""
    orders = [order for order in map(named, before) if order]
    if orders[:1] == [[2]] or [2, 1] in orders:
        return True
    headers = [line for line in before if "|" in line and re.search(r"[^\W_]", line)]
    return bool(headers) and named(headers[-1]) != [1, 2]


def _json_scores(text: str, shown: tuple[str, ...]) -> ByAssistant:
    """Return the scores under the assistants' keys in a JSON object, in any language.

    None if one is not unique, or if the object may repeat a text under review: one that has such a
    key, plain or escaped, or the same numbers.
    """
    fields = [(place_of_key(name), name, value) for name, value in _fields(text)]
    given = {place: _number(value) for place, _, value in fields if place}
    keys = ["assistant_", *(name for place, name, _ in fields if place)]
    scores = {place: score for place in (1, 2) if (score := given.get(place))}
    lines = [f"{place} {score:g}" for place, score in scores.items()]
    by_text = any(_ESCAPED.search(text) or any(key in text for key in keys) for text in shown)
    by_text |= offered(lines, shown) or _are_answers(scores, shown)
    remarks = [read_line(f"{name}: {value}") for place, name, value in fields if not place]
    by_text |= any(_is_against(line, scores, shown) for line in remarks)
    return scores if len(keys) == 3 and len(scores) == 2 and not by_text else {}


def _is_against(remark: Line, scores: ByAssistant, shown: tuple[str, ...]) -> bool:
    """Whether another field of the object gives another score out of ten, or another meaning.

    What it says about an answer may quote that answer, so only "9/10" counts there.
    """
    others = [
        amount.text
        for amount in amounts(remark.text)
        if amount.of_ten and scores.get(amount.place, amount.score) != amount.score
    ]
    if any(not offered((text,), shown) for text in others):
        return True
    is_short = len(remark.text) <= LONGEST_HEADING
    return not named(remark.text[:20]) and (
        says(OTHER_SCALE, [remark], shown) or (is_short and says(NO_SCORES, [remark], shown))
    )


def _fields(text: str) -> list[tuple[str, Any]]:
    """Return the names and values of `text` if it is one JSON object, else nothing."""
    try:
        fields = json.loads(text, object_pairs_hook=list) if text.startswith("{") else []
    except (ValueError, RecursionError):
        return []
    return list(fields)


def _number(value: Any) -> float | None:
    """Return the score that a number, or a text such as "8" or "8/10", holds."""
    match = _TEXT_SCORE.fullmatch(value) if isinstance(value, str) else None
    number = float(match[1]) if match else value
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return float(number) if is_number and 1 <= number <= 10 else None


def _agree(some: ByAssistant, others: ByAssistant) -> bool:
    return all(others.get(assistant, score) == score for assistant, score in some.items())
