"""The forms in which a referee writes scores on a line, such as `Assistant 1: 8` or `9 8.5`."""

import re
import unicodedata
from dataclasses import dataclass, field, replace

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
# Numbers of a remark that could be another score: 8/10 (was 7), 8/10, or 7 points.
_ANOTHER_SCORE = re.compile(
    r"[0-9] ?/ ?10|[0-9](?:\.[0-9]+)?(?! ?[^\W_]|[.]?[0-9])"
    r"|\b(?:or|was|no,|to|than|auf|statt|oder|à|ou|до|или|вместо) [0-9]"
    rf"|[0-9] ?(?:{_POINTS}|for\b)",
    re.IGNORECASE,
)
_UNCLEAR = re.compile(r"[-+~<>≤≥]?[0-9]|<|n/?a\b|none\b", re.IGNORECASE)
_ALONE = re.compile(_SCORE)
_TWO = re.compile(rf"{_SCORE}(?:, | ?[;|&] ?| and | ){_SCORE}")
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
    mentions: frozenset[tuple[int, float]] = frozenset()  # scores within a sentence

    @property
    def is_scaled(self) -> bool:
        """Whether it says that the scores are out of ten."""
        return _SCALED.search(self.text) is not None


def read_line(raw: str, *, marked: bool = False) -> Line:
    """Return what a line says about the two assistants; `marked` if it stands behind a score mark.

    Behind a mark the label may be in any language.
    """
    text = _without_markdown(raw)
    hits = _MENTION.finditer(text)
    mentions = frozenset((int(hit[1]), float(hit[2] + (hit[3] or ""))) for hit in hits)
    said = Line(text, mentions=mentions)
    if len(text) > LONGEST:
        return said
    heading = _HEADING.match(text)
    body = text[heading.end() :] if heading else text
    labels = [*_LABELLED.finditer(body)]
    if not labels or labels[0].start():
        label = _ANY_LABEL.match(body) if marked else None
        score = _score(body[label.end() :]) if label and _SCALED.search(body) else None
        if label and score:
            word, scores = (label[1] or label[4]).casefold(), {int(label[2] or label[3]): score}
            return replace(said, scores=scores, labelled=True, word=word)
        return replace(said, scores=two_scores(body))
    said = replace(said, labelled=True, of_answer=labels[0]["answer"] is not None)
    if len(labels) == 2 and (both := _side_by_side(body, labels)):
        return replace(said, scores=both)
    rest = body[labels[0].end() :]
    if score := _score(rest):
        return replace(said, scores={_place(labels[0]): score})
    unclear = _UNCLEAR.match(rest) is not None and any(map(str.isdigit, rest))
    # "Answer 1: clear" is prose.
    return replace(said, labelled=unclear or not said.of_answer, unclear=unclear)


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
        if not is_scaled or (has_numbers and _ANOTHER_SCORE.search(remark)):
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


def other_scores(line: Line, scores: ByAssistant) -> list[str]:
    """Return the parts of `line` that give other scores than `scores`."""
    texts = [line.text for place, score in line.scores.items() if scores.get(place) != score]
    texts += [f"{at} {score:g}" for at, score in line.mentions if scores.get(at) != score]
    hits = _LATER.finditer(line.text) if len(line.text) <= LONGEST else ()
    amounts = [(hit[0], float(next(filter(None, hit.groups())))) for hit in hits]
    return texts + [text for text, score in amounts if score not in scores.values()]


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
