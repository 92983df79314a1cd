"""The choice that a reply to a multiple-choice question names."""

import re
from collections.abc import Sequence

from lion.evaluate.choices import LETTERS

# Markup around a lone choice. That of \boxed marks an answer; the others may mark a variable too,
# so what they hold counts only where a bare letter would.
_BOXED = r"\\boxed\{{\s*(?:\\\w+\{{)?\s*\(?({one_of})\)?\s*\}}+"
_SET = r"(?:\\\(|\$|`)+\s*(\(?(?:{one_of})\)?)\s*(?:\\\)|\$|`)+"
_REJECTED = (
    r"(?<!\w){choice}[)\]*]*:?\s+(?:(?:is|was|seems)\s+)?(?:wrong|incorrect|excluded|ruled out)\b"
)
_WIDE = str.maketrans("（）", "()")

# A negation reaches the first choice after it in its clause, and those joined to it by 'or'. 'No'
# before a subject is an interjection ('No it is false').
_NOT = r"(?<!\w)(?:not|never|cannot|neither)(?!\w)|n['’]t(?!\w)"
_NO = r"|(?<!\w)no(?!\w|\s+(?:it|he|she|they|this|that|the|there|i|we)\b)"
_CLAUSE = r"(?:(?!\b(?:but|so|and|because|since|therefore|thus|hence)\b)[^.,;:!?\n–—])*?"


def named_choice(reply: str, choices: Sequence[str], texts: Sequence[str] = ()) -> str | None:
    """Return the choice that `reply` names; None if it names none or several.

    `texts` are those of lettered choices, which may follow their letters in parentheses.
    """
    letters = all(choice in LETTERS for choice in choices)
    one_of = "|".join(map(re.escape, sorted(choices, key=len, reverse=True)))
    flags = re.NOFLAG if letters else re.IGNORECASE
    reply = _plain(reply, one_of, flags)
    for choice, text in zip(choices, texts, strict=False):
        reply = re.sub(rf"(?<!\w)({choice}[)\]*]*)\s*\({re.escape(text)}\)", r"\1", reply)
    reply = _without_negated(reply, choices, one_of, flags)
    for pattern in _patterns(one_of, letters=letters):
        named = {hit[1].lower() for hit in re.finditer(pattern, reply, flags)}
        if len(named) == 1:
            choice = next(choice for choice in choices if choice.lower() in named)
            rejected = letters and re.search(_REJECTED.format(choice=choice), reply)
            return None if rejected else choice
        if named:
            return None
    return None


def _patterns(one_of: str, *, letters: bool) -> tuple[str, str, str]:
    """Return what may name a choice, in the order tried; group 1 is the choice."""
    marked = rf"[(\[*]*({one_of})[)\]*]*+(?![\w'’])"
    ends = r"(?=\s*(?:\Z|\n|[.:,;!]|[-–—] ))"  # 'A man' does not choose A
    closes = r"(?<=[)\]*])(?!\s*(?:or|and)\b)"
    correct = r"(?=\s+is\s+(?:the\s+)?(?:correct|right)\b)"
    other = rf"[(\[*]*(?!\1(?!\w))(?:{one_of})[)\]*]*+(?![\w'’])"
    joined = r"(?:[^\S\n]|[.:,;!/&+–—-]|\b(?:and|or)\b)*"
    listed = rf"(?!{joined}{other}(?:{ends}|{closes}|\s*(?:[/&+]|and\b|or\b)))"
    either = rf"(?!,?\s+or\s+{other})"
    further = rf"(?!(?s:.*)\n\s*{other}(?:{ends}|{closes}))"
    return (
        rf"(?i:answer|choice|option)(?i:\s+is|\s*[:=])?(?i:\s+option)?\s*:?\s*{marked}{listed}{either}",
        rf"\A\s*{marked}(?:{ends}|{closes}|{correct}){listed}{further}",
        rf"\(({one_of})\)" if letters else rf"(?<!\w)({one_of})(?!\w)",
    )


def _plain(reply: str, one_of: str, flags: re.RegexFlag) -> str:
    """Return `reply` without the markup around a choice."""
    reply = re.sub(_BOXED.format(one_of=one_of), r"(\1)", reply.translate(_WIDE), flags=flags)
    return re.sub(_SET.format(one_of=one_of), r"\1", reply, flags=flags)


def _without_negated(reply: str, choices: Sequence[str], one_of: str, flags: re.RegexFlag) -> str:
    """Return `reply` without the choices that it rejects, so that what stays is named."""
    word = rf"(?<!\w)(?:{one_of})(?!\w)"
    negation = _NOT if "no" in map(str.lower, choices) else _NOT + _NO
    return re.sub(
        rf"(?:(?i:{negation}))(?i:{_CLAUSE}){word}(?:[\s)*]+n?or[\s(*]+{word})*",
        " ",
        reply,
        flags=flags,
    )
