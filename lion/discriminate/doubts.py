"""Remarks around scores that cast doubt on them: corrections, other scales, other headings.

The words are patterns in several languages. What may be a quotation of a text under review does not
count.
"""

import re

from lion.discriminate.quotations import offered
from lion.discriminate.score_lines import LONGEST, ByAssistant, Line, named, other_scores

# A scale other than 1 to 10, or a remark on one.
_RANGE = (
    r"(?<![0-9.])[01] ?(?:to|[-–—~～]|bis|à|a|до|到|至|から) ?(?:[2-9]|five)(?![a-z0-9]|\.[0-9])"
)
OTHER_SCALE = re.compile(
    rf"(?:scale|rat(?:e|ed|ings?)\b|scor|grade|skala|bewert|note|échelle|escala|оцен|шкал"
    rf"|分|評|评).*{_RANGE}"
    rf"|{_RANGE}.*(?:scale|skala|échelle|escala|шкал|分|points|stars)"
    r"|\bscale\W{1,4}(?:of )?(?!10|1\b)[0-9]"
    r"|\b(?:out of|von) (?:[2-9]|five|20|100|a hundred)\b(?! [^\W_]|\.[0-9])"
    r"|out of (?:[2-9]|five|20|100) (?:points|stars)|满分(?:为|是)? ?(?!10分?(?![0-9]))[0-9]"
    r"|(?:^|[(:：,;.] ?)1(?:st)? ?(?:=|is|means|ist|为|是|est) ?(?:the |der |die |das |le |la )?"
    r"[^\W\d]*(?:best|better|good|gut|meilleur|mejor|最|top|excellent|first|winner)"
    r"|\b(?:lower|smaller|fewer)\b[^.;]{0,30} (?:is|are|means?) (?:the )?better"
    r"|\brank(?:ed)? [12]\b",
    re.IGNORECASE,
)
# What the line above numbers may say that they are, other than scores.
NO_SCORES = re.compile(
    r"\brank|\bplace|position|preference|\berrors?|mistakes?\b|worst|is better|deduct|penalt"
    r"|out of (?!ten)[a-z]"
    r"|排名|名次|順位|순위|错误|الترتيب|\brang\b|platz|classement|posici|puesto|место|fehler|schulnote",
    re.IGNORECASE,
)
_SCORES = re.compile(
    r"scor|rating|scale|compar|grade|verdict|evaluat|évaluation|assess|judg|result|final|overall|conclusion"
    r"|分|评|評|结|スコア|点|점수|평가|оцен|балл|итог|wertung|punkte|note|urteil|fazit|puntu|puntaj|calific"
    r"|valora|avalia|nota|pontua|valuta|punteg|điểm|đánh giá|คะแนน|ציון|نقاط|تقييم|درج|نتيج|अंक|puan"
    r"|değerlend|امتیاز",
    re.IGNORECASE,
)
_EXAMPLE = re.compile(
    r"example|format\b|e\.g\.|beispiel|ejemplo|exemple|例如|пример", re.IGNORECASE
)
LONGEST_HEADING = 60  # characters
_TAKEN_BACK = re.compile(
    r"swap|mixed up|mix-up|confused the|wrong (?:way|order)|other way (?:a?round)|revers(?:e|ed)\b"
    r"|(?:disregard|ignore|forget)\b.*(?:scores?|ratings?|numbers?|above)|placeholder"
    r"|not my (?:real|final|actual)|take (?:that|it|them|this) back|chang(?:e|ed|ing) my mind"
    r"|\bcorrect(?:ion|ing)\b|\bwait\b[,.!:—–-]"
    r"|scratch that|second thought|(?:cannot|can't|unable to) (?:score|rate)"
    r"|vertauscht|verwechselt|korrektur"
    r"|inversé|échangé|correcci[oó]n|intercambi|исправл|перепута|更正|訂正|搞反|颠倒|顛倒|수정",
    re.IGNORECASE,
)


def is_disputed(
    before: list[Line],
    own: list[Line],
    after: list[Line],
    scores: ByAssistant,
    shown: tuple[str, ...],
) -> bool:
    """Whether the lines around the scores `own` give others, or take them back.

    Quotations of the texts in `shown` do not matter.
    """
    is_form = all(line.labelled for line in own)
    # Unmarked score lines before marked ones are quotations or drafts.
    pairs = [(line, False) for line in before if not line.scores]
    pairs += [(line, is_form) for line in after]
    return says(_TAKEN_BACK, after, shown) or any(
        not _is_quoted(line.text, shown) and not all(_is_quoted(part, shown) for part in others)
        for line, behind in pairs
        if (others := other_scores(line, scores, behind=behind))
    )


def _is_quoted(part: str, shown: tuple[str, ...]) -> bool:
    """Whether a text has the numbers of `part`; word for word, if it is only one."""
    if len(re.findall("[0-9]+", part)) > 1:
        return offered((part,), shown)
    return any(part.lower() in text.lower() for text in shown)


def says(pattern: re.Pattern[str], lines: list[Line], shown: tuple[str, ...]) -> bool:
    """Whether a line has such words, and no text under review has the same."""
    hits = (pattern.search(line.text[:LONGEST]) for line in lines)
    return any(hit and not any(hit[0] in text for text in shown) for hit in hits)


def has_other_meaning(
    before: list[Line], own: list[Line], after: list[Line], shown: tuple[str, ...], *, marked: bool
) -> bool:
    """Whether a remark, or the line above the scores, says that they are no scores out of ten."""
    above = [line for line in before if re.search(r"[^\W_]", line.text)][-1:]
    text = above[0].text if above else ""
    is_table = "|" in text
    heading = (
        above if is_table or text.endswith((":", "：")) or (above and above[0].is_title) else []
    )
    if says(_EXAMPLE, heading, shown):
        return True
    if heading and not (marked or is_table) and (len(named(text)) == 1 or not _SCORES.search(text)):
        return True
    if all(line.is_scaled for line in own):
        return False
    scale = set(
        re.findall(
            r"[0-9]+", re.sub(r"^(?:step )?[0-9]+ ?[-–.):] ?", "", text, flags=re.IGNORECASE)
        )
    ) - {*"012", "10"}
    is_short = len(text) <= LONGEST_HEADING and not re.search("[.!?。！？]$", text)
    return (
        bool(heading and scale and not offered((text,), shown))
        or says(NO_SCORES, above if is_short else heading, shown)
        or says(OTHER_SCALE, before + own + after, shown)
    )
