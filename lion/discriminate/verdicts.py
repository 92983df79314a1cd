"""Read the two scores in a referee's reply: for certain, or not at all.

A reply consists of evidence and scores. Evidence may quote an answer, and the answer's author may
have put score lines, fences or closing marks in it. Two kinds of scores count:

- Marked scores carry the mark of this very request. No text under review contains it, so they
  cannot be a quotation, wherever they stand.
- Plain scores stand where a referee puts them: on the first line (Vicuna's protocol), in labelled
  lines at the end or before a last remark, or in one JSON object. They count only if nothing
  disagrees with them, every quotation is clear, and no text under review offers the same numbers.

A reply that leaves any doubt is unreadable: a retry costs less than a wrong verdict.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from lion.discriminate.context import contradicts, has_other_meaning, may_be_reversed
from lion.discriminate.quotations import may_be_quoted, offered
from lion.discriminate.score_json import (
    canonical_key,
    has_mark,
    json_behind,
    json_fields,
    json_scores,
    value_of,
)
from lion.discriminate.score_lines import (
    ByAssistant,
    Line,
    label_word,
    lone_score,
    other_scores,
    read_line,
    read_unquoted,
    score_behind_mark,
    two_scores,
    without_markdown,
)
from lion.prompts.marks import has_marks, split_thoughts, without_end_marks

Scores = tuple[float, float]

END = 50_000  # characters read at either end of a reply; plain scores need a reply read in full
_ON_SCORES = re.compile(r"\b(?:scores?|ratings?)\b", re.IGNORECASE)
_HARMLESS = re.compile(r"\b(?:(?:assistant|answer|response)[ _-]?[12]|out of 10)\b", re.IGNORECASE)
_ESCAPED = re.compile(r"\\u[0-9a-fA-F]{4}")  # a character in JSON
_TAG = re.compile(r"^\[[0-9a-f]{6,8}\] ?", re.MULTILINE)  # a mark that the referee miscopied


class _Plain(NamedTuple):
    """Scores, and the lines that give them."""

    scores: ByAssistant
    lines: tuple[str, ...] = ()


class _Pair(NamedTuple):
    """Both scores, on one line or on two adjacent ones."""

    first: int
    last: int
    scores: ByAssistant


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
    body, separable = parts.answer, parts.clear
    if cut and not separable:
        return None
    if mark:
        marked = _marked_scores(body, mark.lower(), shown, cut=cut)
        if marked is None or len(marked) == 2:
            return _ordered(marked or {})
    if not separable or (cut and parts.thoughts) or len(body) > 2 * END:
        return None
    plain = _plain_scores(body, mark, shown, cut=cut)
    answers = {lone_score(text.strip(" .\n")) for text in shown}
    is_answer = bool(plain.lines) and answers.issuperset(plain.scores.values())
    return None if is_answer or offered(plain.lines, shown) else _ordered(plain.scores)


def _marked_scores(
    body: str, mark: str, shown: tuple[str, ...], *, cut: bool
) -> ByAssistant | None:
    """Return the scores after `mark`; None if they are unclear, or the reply has others."""
    evidence, last = json_behind(body)
    if last and (fields := json_fields(last)):
        if mark in str(value_of(fields, "mark")).lower():
            return json_scores(fields)
        if not evidence:
            return {}
    lines = _both_ends(body)
    scores: ByAssistant = {}
    words: set[str] = set()
    last_marked = -1
    for at, raw in enumerate(lines[:-1] if cut else lines):
        if mark not in raw.lower():
            continue
        last_marked = at
        parts = re.split(rf"\W{{0,20}}{mark}\W{{0,20}}", without_markdown(raw), flags=re.IGNORECASE)
        for part in parts[1:]:
            given = _behind_mark(part, lines, at, shown)
            words |= {label_word(part)} if given and not read_line(part).scores else set()
            if given is None or len(words) > 1 or not _agree(given, scores):
                return None
            scores |= given
    rest = "\n".join(lines[last_marked + 1 : -1 if cut else None])
    if len(scores) == 2 and any(contradicts(raw, scores, shown) for raw in rest.split("\n")):
        return None
    closing = _closing_scores(rest.strip())
    return scores if _agree(closing.scores, scores) or offered(closing.lines, shown) else None


def _behind_mark(
    part: str, lines: list[str], at: int, shown: tuple[str, ...]
) -> ByAssistant | None:
    """Return the scores in `part`, the text behind a mark in line `at`; None if it is unclear."""
    line = read_line(part)
    if given := line.scores or score_behind_mark(part):
        return given
    if line.unclear and not line.doubtful and any(char.isdigit() for char in part):
        return None
    pair = two_scores(part)
    return pair if not pair or _is_in_order(pair, lines, at, shown) else None


def _is_in_order(pair: ByAssistant, lines: list[str], at: int, shown: tuple[str, ...]) -> bool:
    """Whether two numbers without labels in line `at` can only be the scores of 1 and 2.

    A table may have another order or meaning: its header names 2 first, or another row has other
    numbers. Lines that may be quotations do not matter.
    """
    before = [line for line in lines[:at] if not may_be_quoted(line, shown)]
    if may_be_reversed(before):
        return False
    return all(
        _agree(two_scores(without_markdown(line)), pair) or may_be_quoted(line, shown)
        for line in before + lines[at + 1 :]
    )


def _closing_scores(text: str) -> _Plain:
    """Return the scores that `text` ends with, without a mark; none if there are none."""
    _, last = json_behind(text)
    if last:
        return _Plain(json_scores(json_fields(last)), (last,))
    unquoted = read_unquoted(text)
    pairs = _pairs(unquoted.lines) if unquoted else []
    if not unquoted or not pairs:
        return _Plain({})
    source = unquoted.lines[pairs[-1].first : pairs[-1].last + 1]
    return _Plain(pairs[-1].scores, tuple(line.text for line in source))


def _both_ends(body: str) -> list[str]:
    """Return the whole lines within END characters of the beginning and of the end."""
    if len(body) <= 2 * END:
        return body.split("\n")
    return body[:END].split("\n")[:-1] + body[-END:].split("\n")[1:]


def _plain_scores(body: str, mark: str, shown: Iterable[str], *, cut: bool) -> _Plain:
    """Return the scores that stand where a referee puts them, or none."""
    whole = re.fullmatch(r"```\w*\n([^`~]*)\n```", body)
    body = whole[1].strip() if whole else body
    evidence, last = json_behind(body)
    if last:
        # The reply may repeat a text under review that has such a key, plain or escaped.
        keys = {
            "assistant_",
            *(name for name, _ in json_fields(last) if canonical_key(name) != name),
        }
        by_text = any(_ESCAPED.search(text) or any(key in text for key in keys) for text in shown)
        doubtful = by_text or bool(mark and has_mark(last))
        doubtful |= bool(evidence) and not _is_silent(evidence)
        scores = json_scores(json_fields(last))
        numbers = tuple(f"{place} {score:g}" for place, score in scores.items())
        return _Plain({} if doubtful else scores, numbers)
    if mark:
        body = _TAG.sub("", re.sub(rf"[\[(]?{mark}[\])]? ?", "", body, flags=re.IGNORECASE))
    unquoted = read_unquoted(body)
    if not unquoted or not unquoted.lines:
        return _Plain({})
    lines, before_fence = unquoted
    if first := two_scores(lines[0].text) or (not lines[0].labelled and lines[0].scores):
        clear = len(lines) > 1 or not cut
        return _Plain(first if clear and _undisputed(lines, first) else {}, (lines[0].text,))
    if cut:
        return _Plain({})
    if pairs := _pairs(lines):
        return _last_pair(lines, pairs, before_fence)
    return _unlabelled_at_end(lines, before_fence)


def _last_pair(lines: list[Line], pairs: list[_Pair], before_fence: int) -> _Plain:
    """Return the last pair if all others agree, and at most a harmless remark follows it."""
    pair = pairs[-1]
    after = lines[pair.last + 1 :]
    doubtful = not _undisputed(lines, pair.scores) or before_fence > pair.first
    announced = pair.first and _ON_SCORES.search(lines[pair.first - 1].text)
    doubtful |= lines[pair.last].doubtful and not announced
    doubtful |= any(other_scores(line, pair.scores) for line in after)
    doubtful |= has_other_meaning(lines, pair.first, pair.last)
    if not lines[pair.last].labelled:
        doubtful |= may_be_reversed([line.text for line in lines[: pair.first]])
    if after:
        doubtful |= any(line.labelled for line in after) or _may_be_answers(lines, pair)
    source = tuple(line.text for line in lines[pair.first : pair.last + 1])
    return _Plain({} if doubtful else pair.scores, source)


def _is_silent(evidence: str) -> bool:
    """Whether the evidence before a JSON object gives no scores of its own, in any form."""
    unquoted = read_unquoted(evidence)
    if unquoted is None or "{" in evidence or "assistant_" in evidence:
        return False
    spoken = (two_scores(line.text) or line.labelled or line.mentions for line in unquoted.lines)
    return not any(spoken)


def _undisputed(lines: list[Line], scores: ByAssistant) -> bool:
    """Whether no line outside of a quotation gives other scores, even within a sentence."""
    return all(
        _agree(line.scores or two_scores(line.text), scores)
        and all(scores.get(assistant) == score for assistant, score in line.mentions)
        and not (line.unclear and any(char.isdigit() for char in line.text.partition(":")[2]))
        for line in lines
    )


def _may_be_answers(lines: list[Line], pair: _Pair) -> bool:
    """Whether "Assistant 1: 8" could mean that it answered 8, since the remark mentions numbers.

    It cannot where the pair is announced as scores.
    """
    announced = "".join(line.text for line in lines[max(0, pair.first - 1) : pair.last + 1])
    remark = " ".join(line.text for line in lines[pair.last + 1 :])
    about_numbers = any(char.isdigit() for char in _HARMLESS.sub("", remark))
    return about_numbers and not _ON_SCORES.search(announced)


def _unlabelled_at_end(lines: list[Line], before_fence: int) -> _Plain:
    """Return the scores in the last two lines, a number each, if they can mean nothing else."""
    nothing = _Plain({})
    last = [line.text for line in lines[-2:]]
    scores = [lone_score(text) for text in last]
    if len(lines) < 2 or any(line.labelled or line.mentions for line in lines):
        return nothing
    if may_be_reversed([line.text for line in lines[:-2]]):
        return nothing
    before = lines[-3].text if len(lines) > 2 else "scores"
    scaled = all("10" in text.partition("/")[2] for text in last)
    announced = scaled or _ON_SCORES.search(before)
    if None in scores or not announced or lone_score(before) or before_fence > len(lines) - 2:
        return nothing
    if any(two_scores(line.text) for line in lines):
        return nothing
    return _Plain(
        {place: score for place, score in enumerate(scores, start=1) if score}, tuple(last)
    )


def _pairs(lines: list[Line]) -> list[_Pair]:
    pairs: list[_Pair] = []
    for at, line in enumerate(lines):
        if len(line.scores) == 2:
            pairs.append(_Pair(at, at, line.scores))
        elif at and len(line.scores) == len(lines[at - 1].scores) == 1:
            scores = {**lines[at - 1].scores, **line.scores}
            if len(scores) == 2 and not (pairs and pairs[-1].last == at - 1):
                pairs.append(_Pair(at - 1, at, scores))
    return pairs


def _agree(some: ByAssistant, others: ByAssistant) -> bool:
    return all(others.get(assistant, score) == score for assistant, score in some.items())


def _ordered(scores: ByAssistant) -> Scores | None:
    return (scores[1], scores[2]) if len(scores) == 2 else None
