"""The forms in which a referee writes scores on a line, such as `Assistant 1: 8` or `9 8.5`."""

import re
import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

LONGEST = 2_000  # characters of a line; a longer one holds no score line, only mentions

_POINTS = (
    r"(?:points?|分|点|點|점|балл?[а-я]{0,2}|punkten?|puntos?|pontos?|punti|puan|điểm|คะแนน|punten"
    r"|punkt(?:ów|y)?|bod[ůy]|poin|अंक|נקודות|نقاط|درجات)"
)
_OF = r"(?:(?:out )?of|von|sur|de|su|van|av|из|із|z|trên|dari|จาก|מתוך|من|از)"
_SCORE = (
    rf"(10(?:\.0+)?|[1-9](?:\.[0-9]+)?)(?: ?{_POINTS})?(?: ?/ ?10(?:\.0)?| {_OF} 10)?"
    rf"(?: ?{_POINTS})?(?: ?\((?:[满滿]分 ?10 ?分?|10 ?点満点|10 ?점 ?만점|(?:out )?of 10)\))?"
)
_WORD = r"(?:(?:final|overall) )?(?:score|rating)"
_LABEL = rf"(?:the )?(?:{_WORD} (?:of|for) )?\[?assistant[ _-]?([12])\]?(?:['’]s)?(?: {_WORD})?"
_COLON = r"(?: ?[:：=|] ?| [-–—] )"
# A remark on the same line holds no digit: 7-8, 8/5, 8.5.1 and 8 (was 7) are no scores.
_REMARK = r"(?: ?[(\[,;|]\D*| [-–—] \D*|\.(?: \D*)?)?"

_LABELLED = re.compile(
    _LABEL + _COLON + r"(?:(?:the )?(?:score|rating)(?: is|:) )?(.*)", re.IGNORECASE
)
_BOTH_LABELLED = re.compile(
    rf"{_LABEL}{_COLON}{_SCORE}(?: ?[,;|.] ?| [-–—] | )(?:and )?{_LABEL}{_COLON}{_SCORE}\.?",
    re.IGNORECASE,
)
_ASSISTANT = (
    r"(?:assistant|助手|助理|アシスタント|어시스턴트|ассистент|помощник|асистент|помічник|asistente|assistente"
    r"|assistent|asistan|yardımcı|trợ lý|ผู้ช่วย|עוזר|asystent|asisten|asistent|βοηθός|সহকারী|دستیار"
    r"|المساعد|सहायक)"
)
_ITS_SCORE = r"(?:(?:的|の|의)? ?(?:评分|評分|得分|分数|分數|スコア|評価|点数|점수))?"
_ANSWER = (
    r"(?:answer|response|回答|答案|답변|ответ|antwort|réponse|respuesta|resposta|risposta|الإجابة"
    r"|उत्तर)"
)
_PLACE = r"[ _-]?[№#]?(1|2|A|B|one|two|一|二)"
# Labels in other words and languages. One in the second group may also quote what a text answered.
_OTHER_LABEL = re.compile(
    rf"(?:({_ASSISTANT})|({_ANSWER})){_PLACE}{_ITS_SCORE}{_COLON}(?:10점 만점에 )?(.*)",
    re.IGNORECASE,
)
_NAME = re.compile(
    rf"(?:{_ASSISTANT}|{_ANSWER})[ _-]?[№#]?(1|2|(?-i:A|B)|one|two|一|二)(?![^\W_])"
    rf"|\b(first|second) (?:{_ASSISTANT}|{_ANSWER})|第(一|二)[个個]?(?:{_ASSISTANT}|{_ANSWER})",
    re.IGNORECASE,
)
# Model 2 | Model 1: in any words, 2 before 1.
_REVERSED = re.compile(r"\b([^\W\d]{1,30})[ _-]?[№#]?2\b.{1,60}\b\1[ _-]?[№#]?1\b")
# A key of a JSON object, in words other than the prompt's.
ASSISTANT_KEY = re.compile(
    rf"{_ASSISTANT}[ _-]?([12])(?:[ _-]?(?:score|rating))?{_ITS_SCORE}", re.IGNORECASE
)
# A label in any language, which a score mark must precede: `Avustaja 1: 8/10`, `1. hely: 8/10`.
_ANY_LABEL = re.compile(
    r"(?:([^\s\d:：]{1,30}) ?([12])|([12])\. ?([^\s\d:：]{1,30})) ?[:：] ?"
    r"(10(?:\.0+)?|[1-9](?:\.[0-9]+)?) ?/ ?10\.?"
)
# Behind a score mark, a score out of ten may be wrapped by itself and have any remark.
_OUT_OF_TEN = re.compile(
    rf"{_LABEL}{_COLON}[\[<($]*(?:\\boxed\{{)?(10(?:\.0+)?|[1-9](?:\.[0-9]+)?)[\])>}}$]*"
    r" ?/ ?10(?:\.0)?[\])>}$]*"
    r"(?:(?: ?[(\[,;]|: |\. | [-–—] | (?=because\b))(.*)| ?[^\w\s!-~‐-―～〜](.*))?",
    re.IGNORECASE,
)
# Numbers of a remark that could be another score: 8/10 (was 7), 8/10, or 7 points.
_ANOTHER_SCORE = re.compile(
    r"[0-9] ?/ ?10|[0-9](?:\.[0-9]+)?(?! ?[^\W_]|[.]?[0-9])"
    r"|\b(?:or|was|to|than|auf|statt|oder|à|ou|до|или|вместо) [0-9]"
    rf"|[0-9] ?(?:{_POINTS}|for\b)",
    re.IGNORECASE,
)
_PLACES = {"1": 1, "2": 2, "a": 1, "b": 2, "one": 1, "two": 2, "一": 1, "二": 2}
_PLACES |= {"first": 1, "second": 2}
_SCORED = re.compile(_SCORE + _REMARK, re.IGNORECASE)
_UNCLEAR = re.compile(r"[-+~<>≤≥]?[0-9]|<|n/?a\b|none\b", re.IGNORECASE)
_ALONE = re.compile(_SCORE)
_TWO = re.compile(rf"{_SCORE}(?:, | ?[;|&] ?| and | ){_SCORE}")
_WRAPPED = re.compile(r"\[\[(.+)\]\]|\[(.+)\]|\((.+)\)|[\"“](.+)[\"”]|\$?\\boxed\{(.+)\}\$?")
_IN_BRACKETS = re.compile(r"\((.*)\)|\[(.*)\]")
_HEADING = re.compile(rf"{_WORD}s? ?[:：] ?", re.IGNORECASE)
# Scores within a sentence or a JSON text: `Assistant 1: 10 / Assistant 2: 10`, `"assistant_1": 10`.
# `Assistant 1: 3 tips` is no score.
_MENTION = re.compile(
    _ASSISTANT + r"[ _-]?([12])(?:['’]s)?[\"'`*_)\]]{0,3}(?: score| rating)?"
    r" ?(?:[:：=|]|[-–—] ) ?[\"'`*_(\[]{0,3}(10|[1-9])(\.[0-9]+)?"
    r"(?:(?=[分点點점](?! ?만점))|(?![\w%]|\.[0-9])(?! (?!and\b|or\b|out\b)[a-z]))",
    re.IGNORECASE,
)
# A score that a remark gives: `only 3/10`, `deserves a 3`, `lower it to 3`, `应得3分`.
_LATER = re.compile(
    rf"(?<![\w.,])((?:10|[1-9])(?:\.[0-9]+)?)(?: ?/ ?10\b| {_OF} 10\b(?! [a-z]))"
    r"|\b(?:deserves?|gets?|merits?|(?:lower|raise|reduce|change)[^.;:]{1,40} to|should (?:be|get)"
    r"|(?:scores?|ratings?) (?:is|are|of|would be))"
    r" (?:only )?(?:an? )?((?:10|[1-9])(?:\.[0-9]+)?)(?![\w%/]|\.[0-9])(?! (?!and\b|or\b)[a-z])"
    r"|(?<=[得给給为為])((?:10|[1-9])(?:\.[0-9]+)?) ?分",
    re.IGNORECASE,
)
# Full-width marks, the Arabic comma and decimal point. Text-direction marks are dropped.
_MARKS = str.maketrans(
    dict(zip("（）／⁄∕％－～٫", "()///%-~.", strict=True))
    | dict.fromkeys("，、،", ", ")
    | dict.fromkeys("。।", ". ")
    | {"；": "; "}
    | dict.fromkeys("\u200e\u200f\u061c\u2066\u2067\u2068\u2069", "")
)
# 8,5/10; any other comma may stand between two numbers.
_DECIMAL_COMMA = re.compile(rf"(?<![0-9])([1-9]),([0-9]{{1,2}})(?= ?/ ?10\b| {_OF} 10\b)")
_FENCE = re.compile(r"```[\w+#.-]*")

ByAssistant = dict[int, float]


@dataclass(frozen=True)
class Line:
    """A line without Markdown, and what it says about assistants 1 and 2."""

    text: str
    scores: ByAssistant
    labelled: bool = False  # speaks as "Assistant 1: ..."
    doubtful: bool = False  # ... but "Answer 1: 8" may mean that it answered 8
    unclear: bool = False  # ... and gives something like a score that cannot be read
    mentions: frozenset[tuple[int, float]] = frozenset()


class Unquoted(NamedTuple):
    """The lines outside of quotations, and how many of them precede the last fence."""

    lines: list[Line]
    before_fence: int


def read_unquoted(text: str) -> Unquoted | None:
    """Return the lines of `text` outside of quotations (fenced, or marked with `>`).

    None if an odd, nested, longer or inline fence leaves unclear what is quoted: the fence may
    belong to the quoted answer.
    """
    lines: list[Line] = []
    fenced = False
    before_fence = 0
    for raw in text.split("\n"):
        stripped = raw.strip()
        if "```" in stripped or "~~~" in stripped:
            if not _FENCE.fullmatch(stripped) or (fenced and stripped != "```"):
                return None
            fenced = not fenced
            before_fence = len(lines)
        elif not fenced and not stripped.startswith(">") and (plain := without_markdown(raw)):
            lines.append(read_line(plain))
    return None if fenced else Unquoted(lines, before_fence)


def without_markdown(line: str) -> str:
    """Return `line` without bullets, table bars, emphasis and repeated spaces."""
    line = " ".join(_in_ascii(line).strip("| \t").split())
    line = _DECIMAL_COMMA.sub(r"\1.\2", line)
    if len(line) > LONGEST:
        return line
    line = re.sub(r"^(?:#+|[-+*•]) ", "", line)
    for mark in ("**", "__", "*", "`"):
        mark = re.escape(mark)
        line = re.sub(rf"(?<!\w){mark}(.+?){mark}", r"\1", line)
    return line.strip()


def _in_ascii(line: str) -> str:
    """Return `line` with digits of any script, and the marks around them, in their ASCII form."""
    if line.isascii():
        return line
    digits = (f"{unicodedata.decimal(char)}" if char.isdecimal() else char for char in line)
    return "".join(digits).translate(_MARKS)


def read_line(text: str) -> Line:
    """Return what a line, already without Markdown, says about the two assistants."""
    mentions = frozenset(
        (int(hit[1]), float(hit[2] + (hit[3] or ""))) for hit in _MENTION.finditer(text)
    )
    if len(text) > LONGEST:
        return Line(text, {}, mentions=mentions)
    heading = _HEADING.match(text)
    body = text[heading.end() :] if heading else text
    if both := _BOTH_LABELLED.fullmatch(body):
        first, first_score, second, second_score = both.groups()
        scores = {int(first): float(first_score), int(second): float(second_score)}
        return Line(text, scores if len(scores) == 2 else {}, labelled=True, mentions=mentions)
    if label := _LABELLED.fullmatch(body):
        assistant, rest = label.groups()
        if wrapped := _WRAPPED.fullmatch(rest):
            rest = next(filter(None, wrapped.groups()))
        if score := _SCORED.fullmatch(rest):
            scores = {int(assistant): float(score[1])}
            return Line(text, scores, labelled=True, mentions=mentions)
        unclear = bool(_UNCLEAR.match(rest))
        return Line(text, {}, labelled=True, unclear=unclear, mentions=mentions)
    others = [_OTHER_LABEL.fullmatch(part) for part in re.split(r" ?[,;|] ", body, maxsplit=1)]
    if len(others) == 2 and others[0] and others[1]:
        pair = [_other_line(text, other, mentions) for other in others if other]
        return _joined(text, *pair)
    if other := _OTHER_LABEL.fullmatch(body):
        return _other_line(text, other, mentions)
    return Line(text, two_scores(body) if heading else {}, mentions=mentions)


def _other_line(text: str, label: re.Match[str], mentions: frozenset[tuple[int, float]]) -> Line:
    """Read a line whose label is not the prompt's own; without a number it is prose."""
    _, answer, place, rest = label.groups()
    if wrapped := _WRAPPED.fullmatch(rest):
        rest = next(filter(None, wrapped.groups()))
    if score := _SCORED.fullmatch(rest):
        scores = {_PLACES[place.lower()]: float(score[1])}
        doubtful = answer is not None and "10" not in rest.partition("/")[2]
        return Line(text, scores, labelled=True, doubtful=doubtful, mentions=mentions)
    unclear = bool(_UNCLEAR.match(rest))
    doubtful = answer is not None
    return Line(text, {}, labelled=unclear, doubtful=doubtful, unclear=unclear, mentions=mentions)


def _joined(text: str, first: Line, second: Line) -> Line:
    """Return the line `text`, which has two labelled scores side by side."""
    scores = {**first.scores, **second.scores}
    return Line(
        text,
        scores if len(scores) == 2 else {},
        labelled=first.labelled or second.labelled,
        doubtful=first.doubtful or second.doubtful,
        unclear=first.unclear or second.unclear or len(scores) == 1,
        mentions=first.mentions,
    )


def two_scores(text: str) -> ByAssistant:
    """Return two scores side by side, such as `9 8.5`, `8/10, 7/10` or `(8, 7)`, or nothing."""
    if len(text) > LONGEST:
        return {}
    if inner := _IN_BRACKETS.fullmatch(text):
        text = re.sub(", ?", ", ", inner[1] or inner[2] or "")
    pair = _TWO.fullmatch(text)
    return {1: float(pair[1]), 2: float(pair[2])} if pair else {}


def score_behind_mark(text: str) -> ByAssistant:
    """Return the score of a line behind a score mark, in the forms that only such a line may have.

    These are a label of one word in any language, and a score out of ten with a remark that has
    numbers.
    """
    if len(text) > LONGEST:
        return {}
    if score := _ANY_LABEL.fullmatch(text):
        return {int(score[2] or score[3]): float(score[5])}
    score = _OUT_OF_TEN.fullmatch(text)
    if score is None or _ANOTHER_SCORE.search(score[3] or score[4] or ""):
        return {}
    return {int(score[1]): float(score[2])}


def label_word(text: str) -> str:
    """Return the word of a label in any language, which is the same for both assistants."""
    label = _ANY_LABEL.fullmatch(text) if len(text) <= LONGEST else None
    return (label[1] or label[4]).casefold() if label else ""


def named(text: str) -> list[int]:
    """Return the assistants or answers in the order in which `text` names them."""
    text = text[:LONGEST]
    places = [_PLACES[next(filter(None, name.groups())).lower()] for name in _NAME.finditer(text)]
    return [2, 1] if _REVERSED.search(text) else list(dict.fromkeys(places))


def other_scores(line: Line, scores: ByAssistant) -> list[str]:
    """Return the parts of `line` that give other scores than `scores`."""
    given = {**line.scores, **two_scores(line.text)}.items()
    texts = [line.text for place, score in given if scores.get(place) != score]
    texts += [f"{at} {score:g}" for at, score in line.mentions if scores.get(at) != score]
    hits = _LATER.finditer(line.text) if len(line.text) <= LONGEST else ()
    amounts = [(hit[0], float(next(filter(None, hit.groups())))) for hit in hits]
    return texts + [text for text, score in amounts if score not in scores.values()]


def lone_score(text: str) -> float | None:
    """Return the score if `text` is nothing else, or None."""
    score = _ALONE.fullmatch(text) if len(text) <= LONGEST else None
    return float(score[1]) if score else None
