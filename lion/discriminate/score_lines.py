"""The forms in which a referee writes scores on a line, such as `Assistant 1: 8` or `9 8.5`."""

import re
import unicodedata
from dataclasses import dataclass, field, replace
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
_ITS_SCORE = r"(?:(?:的|の|의)? ?(?:评分|評分|得分|分数|分數|スコア|評価|点数|점수))"
_COLON = r"(?: ?[:：=|] ?| [-–—] )"
_ASSISTANT = (
    r"(?:assistant|助手|助理|アシスタント|어시스턴트|ассистент|помощник|асистент|помічник|asistente|assistente"
    r"|assistent|asistan|yardımcı|trợ lý|ผู้ช่วย|עוזר|asystent|asisten|asistent|βοηθός|সহকারী|دستیار"
    r"|المساعد|सहायक)"
)
_ANSWER = (
    r"(?:answer|response|回答|答案|답변|ответ|antwort|réponse|respuesta|resposta|risposta|الإجابة"
    r"|उत्तर)"
)
_PLACE = r"[ _-]?[№#]?(1|2|(?-i:A|B)|one|two|一|二)"
# Whom a score is for. "Answer 1: 8" may also quote what a text answered.
_LABEL = (
    rf"(?:the )?(?:{_WORD} (?:of|for) )?\[?(?:{_ASSISTANT}|(?P<answer>{_ANSWER})){_PLACE}\]?"
    rf"(?:['’]s)?(?:[ _-]?{_WORD}|{_ITS_SCORE})?"
)
_KEY = re.compile(_LABEL, re.IGNORECASE)
_LABELLED = re.compile(
    rf"(?<!\w){_LABEL}{_COLON}(?:(?:the )?(?:score|rating)(?: is|:) |10점 만점에 )?", re.IGNORECASE
)
# A label in any language, which a score mark must precede: `Avustaja 1: 8/10`, `1. hely: 8/10`.
_ANY_LABEL = re.compile(r"(?:([^\s\d:：]{1,30}) ?([12])|([12])\. ?([^\s\d:：]{1,30})) ?[:：] ?")
_NAME = re.compile(
    rf"(?:{_ASSISTANT}|{_ANSWER}){_PLACE}(?![^\W_])"
    rf"|\b(first|second) (?:{_ASSISTANT}|{_ANSWER})|第(一|二)[个個]?(?:{_ASSISTANT}|{_ANSWER})",
    re.IGNORECASE,
)
_PLACES = {"1": 1, "2": 2, "a": 1, "b": 2, "one": 1, "two": 2, "一": 1, "二": 2}
_PLACES |= {"first": 1, "second": 2}
# Model 2 | Model 1: in any words, 2 before 1.
_REVERSED = re.compile(r"\b([^\W\d]{1,30})[ _-]?[№#]?2\b.{1,60}\b\1[ _-]?[№#]?1\b")
# A score may be wrapped and have a remark. 7-8, 8/5 and 8.5.1 are no scores. Only out of ten may it
# have a sign behind it, which could be a unit, or stand between < and > or $ and $.
_WRAPPED = re.compile(r"^(?:[\[(<\"“$]|\\boxed\{)+([0-9][^][(){}<>\"“”$]*)[])>\"”}$]+(?!\w)")
_SCORED = re.compile(
    rf"{_SCORE}(?:(?: ?[(\[,;|]|[:.](?: |$)| [-–—] | (?=because\b)"
    r"|(?P<sign> ?[^\w\s!-~‐-―～〜←-⇿]))(?P<remark>.*))?",
    re.IGNORECASE,
)
_SCALED = re.compile(rf"(?:/| {_OF}) ?10\b", re.IGNORECASE)
_UNCLEAR = re.compile(r"[-+~<>≤≥]?[0-9]|<|n/?a\b|none\b", re.IGNORECASE)
_ALONE = re.compile(_SCORE)
_TWO = re.compile(rf"{_SCORE}(?:, | ?[;|&] ?| and | ){_SCORE}")
_TITLE = re.compile(r"#+ .*|(\*\*|__)[^*_]+\1")
_IN_BRACKETS = re.compile(r"\((.*)\)|\[(.*)\]")
_HEADING = re.compile(rf"{_WORD}s? ?[:：] ?", re.IGNORECASE)
# What a remark or a sentence says, from left to right: whom it names, where a sentence ends, and
# numbers that could be scores. Numbers of other things (3 tips, step 4, 1995) are none.
_GIVES = (
    r"deserves?|gets?|got|merits?|earns?|receives?|(?:is|are) (?:worth|rated)|mérite|verdient"
    r"|merece|заслуживает|(?:lower|raise|reduce|change)[^.;:]{1,40} to|should (?:get|have)"
    r"|scores?|scored|(?:scores?|ratings?) (?:is|are|of|would be)"
)
_JOINS = "and|or|because|as|since|und|et|y|gesenkt"
_IN_WORDS = {"three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9}
_TOKEN = re.compile(
    rf"(?P<name>{_NAME.pattern})|(?P<end>[.;!?] |^[0-9]+[.)] )|(?:\b[01] ?(?:to|-|–) ?|{_OF} )10\b"
    rf"|(?:(?P<given>\b(?:{_GIVES}) |(?<=[得给給为為]))(?:only )?)?(?:(?:an?|un|eine?|uma?) )?"
    r"(?<![a-z0-9_/#])(?<![a-z][-(])(?<![0-9]\.)"
    rf"(?P<score>(?:10|[0-9])(?:\.[0-9]+)?|\b(?:{'|'.join(_IN_WORDS)}))"
    r"(?![0-9%]|[.]?[0-9]|,[0-9]{3})"
    rf"(?:(?P<of_ten> ?/ ?10\b| {_OF} (?:10|ten)\b(?! [a-z]))"
    rf"|(?P<alone> ?{_POINTS}(?![a-z])| for\b|(?! ?(?!(?:{_JOINS})\b)[^\W_]|/[0-9]| ?=)))?",
    re.IGNORECASE,
)
_IS = re.compile(r"[\"'`*_)\]’s]{0,4}(?: score| rating)? ?(?:[:：=|]|[-–—] ) ?[\"'`*_(\[]{0,3}")
_FOR = re.compile(rf" ?(?:points )?(?:for|to) (?:the )?(?:{_NAME.pattern})", re.IGNORECASE)
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

ByAssistant = dict[int, float]


@dataclass(frozen=True)
class Line:
    """A line without Markdown, and what it says about assistants 1 and 2."""

    text: str
    scores: ByAssistant = field(default_factory=dict)
    labelled: bool = False  # speaks as "Assistant 1: ..."
    of_answer: bool = False  # ... or as "Answer 1: 8", which may mean that it answered 8
    unclear: bool = False  # ... and gives numbers that cannot be read as a score
    word: str = ""  # of a label in any language, the same for both assistants
    is_title: bool = False

    @property
    def is_scaled(self) -> bool:
        """Whether it says that the scores are out of ten."""
        return _SCALED.search(self.text) is not None


def read_line(raw: str, *, marked: bool = False) -> Line:
    """Return what a line says about the two assistants; `marked` if it stands behind a score mark.

    Behind a mark the label may be in any language.
    """
    text = _without_markdown(raw)
    line = Line(text, is_title=_TITLE.fullmatch(raw.strip()) is not None)
    if len(text) > LONGEST:
        return line
    heading = _HEADING.match(text)
    body = text[heading.end() :] if heading else text
    labels = [*_LABELLED.finditer(body)]
    if not labels or labels[0].start():
        label = _ANY_LABEL.match(body) if marked else None
        score = _score(body[label.end() :]) if label and _SCALED.search(body) else None
        if label and score:
            word, scores = (label[1] or label[4]).casefold(), {int(label[2] or label[3]): score}
            return replace(line, scores=scores, labelled=True, word=word)
        return replace(line, scores=two_scores(body))
    line = replace(line, labelled=True, of_answer=labels[0]["answer"] is not None)
    if len(labels) == 2 and (both := _side_by_side(body, labels)):
        return replace(line, scores=both)
    rest = body[labels[0].end() :]
    if score := _score(rest):
        return replace(line, scores={_place(labels[0]): score})
    unclear = _UNCLEAR.match(rest) is not None and any(map(str.isdigit, rest))
    # "Answer 1: clear" is prose.
    return replace(line, labelled=unclear or not line.of_answer, unclear=unclear)


def _side_by_side(body: str, labels: list[re.Match[str]]) -> ByAssistant:
    """Return the scores of `Assistant 1: 8, Assistant 2: 7`, or nothing."""
    first, second = labels
    between = body[first.end() : second.start()].removesuffix("and ").rstrip(" ,;|.-–—")
    pair = {_place(first): _score(between), _place(second): _score(body[second.end() :])}
    scores = {place: score for place, score in pair.items() if score}
    return scores if len(scores) == 2 else {}


def _score(text: str) -> float | None:
    """Return the score that `text` begins with, if nothing behind it may be another one."""
    match = _SCORED.fullmatch(_WRAPPED.sub(r"\1", text))
    if match is None:
        return None
    remark = match["remark"] or ""
    has_numbers = any(map(str.isdigit, remark))
    if has_numbers or match["sign"] or re.match("[$<][0-9]", text):
        is_scaled = _SCALED.search(match[0].removesuffix(remark))
        if not is_scaled or (has_numbers and amounts(remark)):
            return None
    return float(match[1])


def two_scores(text: str) -> ByAssistant:
    """Return two scores side by side, such as `9 8.5`, `8/10, 7/10` or `(8, 7)`, or nothing."""
    if inner := _IN_BRACKETS.fullmatch(text):
        text = re.sub(", ?", ", ", inner[1] or inner[2] or "")
    pair = _TWO.fullmatch(text)
    return {1: float(pair[1]), 2: float(pair[2])} if pair else {}


def lone_score(text: str) -> float | None:
    """Return the score if `text` is nothing else, or None."""
    score = _ALONE.fullmatch(text) if len(text) <= LONGEST else None
    return float(score[1]) if score else None


def place_of_key(name: str) -> int | None:
    """Return the assistant that a key of a JSON object names, in any language."""
    key = _KEY.fullmatch(re.sub(r"^\[[0-9a-f]{6,}\] ?", "", name))
    return None if key is None or key["answer"] else _place(key)


def _place(name: re.Match[str]) -> int:
    """Return the place that the last group of a label or a name spells out."""
    return _PLACES[name[name.lastindex or 0].lower()]


def named(text: str) -> list[int]:
    """Return the assistants or answers in the order in which `text` names them."""
    text = text[:LONGEST]
    places = map(_place, _NAME.finditer(text))
    return [2, 1] if _REVERSED.search(text) else list(dict.fromkeys(places))


class Amount(NamedTuple):
    """A number in a sentence that could be a score."""

    text: str  # with the words before it that say whose score it is
    place: int  # the assistant that it is for, or 0 if the sentence does not tell
    score: float
    of_ten: bool
    given: bool  # the sentence says that it is a score


def amounts(text: str) -> list[Amount]:
    """Return the numbers in `text` that could be scores."""
    scores: list[Amount] = []
    named_at: dict[int, int] = {}  # since the last number, or else since the last sentence
    ended, name_end, sentence = False, -1, 0
    for hit in _TOKEN.finditer(text):
        if hit["name"]:
            named_at, ended, name_end = {} if ended else named_at, False, hit.end()
            named_at[named(hit[0])[0]] = hit.start()
        elif hit["end"]:
            ended, sentence = True, hit.end()
        elif hit["of_ten"] or hit["alone"] is not None:
            for_whom = _FOR.match(text, hit.end())
            place = next(iter(named_at)) if len(named_at) == 1 else 0
            place = named(for_whom[0])[0] if for_whom else place
            of_ten, is_given = bool(hit["of_ten"]), bool(hit["of_ten"] or hit["given"] is not None)
            start = hit.start() if is_given else sentence
            start = start if of_ten else named_at.get(place, start)
            is_equal = _IS.fullmatch(text, max(name_end, 0), hit.start("score")) is not None
            score = float(_IN_WORDS.get(hit["score"].lower()) or hit["score"])
            words = text[start : hit.end()]
            scores.append(Amount(words, place, score, of_ten, is_given or is_equal))
            named_at = {}
    return scores


def other_scores(line: Line, scores: ByAssistant, *, behind: bool = False) -> list[str]:
    """Return the parts of `line` that give other scores than `scores`.

    A line `behind` the scores may correct them: there any number that could be a score counts.
    """
    texts = [line.text for place, score in line.scores.items() if scores.get(place) != score]
    return texts + [
        amount.text
        for amount in (() if line.scores else amounts(line.text))
        if (behind or (amount.given and amount.place))
        and amount.score not in ([scores.get(amount.place)] if amount.place else scores.values())
    ]


def _without_markdown(line: str) -> str:
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
