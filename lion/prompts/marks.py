"""Marks of chat templates in a reply's text: where thoughts end, and where the reply ends.

Only this module knows the forms of thoughts. A reply whose thoughts cannot be separated for certain
is returned whole and marked as unclear; no student may learn from it.
"""

import itertools
import re
from bisect import bisect
from typing import NamedTuple

from lion.support.text import trimmed

UNCLEAR = "unclear thoughts"  # finish_reason if thoughts cannot be separated from the answer
# Opening and closing marks. Plain ones may also occur in an answer that explains them.
_PLAIN = (
    *(
        (rf"<{name}>", rf"</{name}>")
        for name in (
            *("think", "thinking", "thought", "thoughts", "reasoning", "reasoning_content"),
            *("seed:think", "mm:think", "longcat_think", "reflection", "scratchpad"),
        )
    ),
    (r"\[THINK\]", r"\[/THINK\]"),
    ("◁think▷", "◁/think▷"),
)
# Marks that no model writes in prose; the last closing one ends the thoughts.
_SPECIAL = (
    (
        r"<\|channel\|>(?:analysis|commentary)[^<]{0,80}<\|message\|>",
        r"<\|channel\|>final[^<]{0,40}(?:<\|constrain\|>[^<]{0,40})?<\|message\|>",
    ),
    (r"<\|channel>thought\b", r"<channel\|>"),
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
    *((rf"<\|{name}\|>", rf"<\|/{name}\|>") for name in ("think", "thinking")),
    ("<unused94>thought", "<unused95>"),
)
_FORMS = (*_PLAIN, *_SPECIAL)
# Forms whose marks are always the same text, so that a template can be searched for them.
LITERAL = tuple(
    pair
    for form in _FORMS
    if (pair := tuple(mark.removesuffix(r"\b").replace("\\", "") for mark in form))
    and all(re.fullmatch(mark, text) for mark, text in zip(form, pair, strict=True))
)
# All marks begin with one of a few characters, which makes the search fast.
_FIRST, _LATER = (
    r"[<\[◁](?=[/|trsculm])",
    [[mark.lstrip("\\")[1:] for mark in form] for form in _FORMS],
)
_MARKS = re.compile(
    f"{_FIRST}(?:"
    + "|".join(f"(?P<o{n}>{start})|(?P<c{n}>{end})" for n, (start, end) in enumerate(_LATER))
    + ")",
    re.IGNORECASE,
)
# The channel marks after a server has removed the special tokens: they stick to the words around.
_CHANNEL = re.compile(r"\s*analysis(?=(?:We|The|User|I|Let|Need|This|Just|Simple|Okay|So)\b)")
_FINAL = re.compile(r"(?<!\s)assistantfinal(?=\S)")
_MOST = 1_000  # marks that are read; a reply with more is unclear

_END = (
    r"(?:<(?:[|｜][A-Za-z_▁]{2,30}[|｜]|/s|end_of_turn|turn\||eos|end_of_utterance|seed:eos|EOT|eoa)>"
    r"|\[\|endofturn\|\]|\[EOS\])"
)
_ENDS = re.compile(rf"(?:\s*{_END})+\s*$")
_START = re.compile(
    r"<\|(?:im_start|start_header_id|start|user|assistant|system|start_of_role)\|>|<start_of_turn>"
    r"|<｜(?:User|Assistant)｜>|<\|START_OF_TURN_TOKEN\|>|<\|turn>|\[INST\]"
    r"|\[\|(?:user|assistant|system)\|\]",
    re.IGNORECASE,
)
_NEXT_TURN = re.compile(
    rf"{_END}\s*(?:<s>\s*)?(?:{_START.pattern}|(?:Human|User): )", re.IGNORECASE
)
# The header of a reply that a server left in front of it
_HEADER = re.compile(
    r"\s*(?:<\|im_start\|>assistant|<\|start_header_id\|>assistant<\|end_header_id\|>"
    r"|<start_of_turn>model)\s*\n\s*"
)
_WRAPPED = re.compile(
    r"<(answer|output|response)>((?:(?!</?(?:answer|output|response)>).)*)</\1>"
    r"|<\|(?:START_RESPONSE|begin_of_(?:solution|box))\|>(.*?)"
    r"(?:<\|(?:END_RESPONSE|end_of_(?:solution|box))\|>)?",
    re.DOTALL,
)
# The text between two blocks of thoughts that are turns of their own.
_TURN = re.compile(rf"(?:{_END})?\s*(?:<\|start\|>assistant)?\s*$")
_BESIDE = re.compile(r"<beside (\d{1,9})>\n")


class Parts(NamedTuple):
    """A reply's thoughts and answer; if not `clear`, the answer is the whole text."""

    thoughts: str
    answer: str
    clear: bool


class _Mark(NamedTuple):
    form: int
    opens: bool
    start: int
    end: int

    @property
    def is_special(self) -> bool:
        return self.form >= len(_PLAIN)


def pack_beside(beside: str, text: str) -> str:
    """Join `text` and what a server sent beside it, such as thoughts, into one text to store.

    The length in front separates the two, whatever marks they contain.
    """
    if not beside and not _BESIDE.match(text):
        return text
    return f"<beside {len(beside)}>\n{beside}\n{text}"


def unpack_beside(text: str) -> tuple[str, str]:
    """Undo `pack_beside`: return what the server sent beside the text, and the text."""
    head = _BESIDE.match(text)
    end = head.end() + int(head[1]) if head else 0
    if head is None or text[end : end + 1] != "\n":
        return "", text
    return text[head.end() : end], text[end + 1 :]


def has_marks(text: str) -> bool:
    """Whether `text` contains a mark of thoughts or of a turn's end, which a reply may quote."""
    return bool(_MARKS.search(text) or re.search(_END, text) or _FINAL.search(text))


def split_thoughts(text: str, *, thinks: bool = False, quotes: bool = False) -> Parts:
    """Separate thoughts from the answer.

    Some templates put the opening mark into the prompt; such a reply has only the closing mark.
    `thinks` says that the model is known to think. `quotes` says that the prompt contains such
    marks, so those of the reply may be quotations, and nothing is separated.
    """
    marks = _marks_in(text, skip_code=not quotes)
    final = max(_FINAL.finditer(text), key=re.Match.start, default=None)
    unclear = Parts("", text, False)
    if not marks and final is None:
        return Parts(text, "", True) if _CHANNEL.match(text) else Parts("", text, True)
    if final and not marks and not quotes:
        return _ended(text, final.end())
    if quotes or len(marks) == _MOST:
        return unclear
    closings = [mark for mark in marks if not mark.opens]
    special = [mark for mark in closings if mark.is_special]
    if special:
        return _ended(text, special[-1].end) if special[-1] is marks[-1] else unclear
    if marks == closings:
        is_clear = len(marks) == 1 and (thinks or not _is_in_prose(text, marks[0]))
        return _ended(text, marks[0].end) if is_clear else unclear
    end = 0
    for opening, closing in itertools.zip_longest(marks[::2], marks[1::2]):
        if not opening.opens or text[end : opening.start].strip():
            return unclear
        if closing is None:
            return Parts(text, "", True)
        if closing.opens or closing.form != opening.form:
            return unclear
        end = closing.end
    return _ended(text, end)


def answer_alone(text: str, *, asked: str) -> str:
    """Return the answer to `asked` without its thoughts; empty if they cannot be separated."""
    quotes = has_marks(asked)
    parts = split_thoughts(text, quotes=quotes)
    is_clear = parts.clear or not has_marks(text)
    return without_end_marks(parts.answer, quotes=quotes) if is_clear else ""


def thoughts_alone(thoughts: str) -> str:
    """Return the text of `thoughts`, as returned by `split_thoughts`, without their marks."""
    marks = _marks_in(thoughts, skip_code=True)
    if not marks:
        return _CHANNEL.sub("", thoughts, count=1).removesuffix("assistantfinal").strip()
    ends = [0, *(mark.end for mark in marks)]
    starts = [*(mark.start for mark in marks), len(thoughts)]
    blocks = [thoughts[end:start] for end, start in zip(ends, starts, strict=True)]
    return "\n\n".join(filter(None, (_TURN.sub("", block).strip() for block in blocks)))


def without_end_marks(text: str, *, quotes: bool = False) -> str:
    """Cut off end marks that a server left in, and turns that a model invents after one.

    An answer about such marks stays whole: one that shows a turn's beginning before its end, has
    the mark in code, or ends a sentence with it.
    """
    if not quotes and (header := _HEADER.match(text)):
        text = text[header.end() :]
    turn = None if quotes else _NEXT_TURN.search(text)
    is_shown = turn and (
        _START.search(text, 0, turn.start())
        or _is_code(text, turn)
        or _is_fenced(_fences(text), turn.start())
    )
    if turn and not is_shown:
        text = text[: turn.start()].rstrip()
    tail = text[-200:]
    ends = _ENDS.search(tail)
    if ends is None or (ends[0].strip() == "</s>" and text.count("<s>") >= text.count("</s>")):
        return text
    end = len(text) - len(tail) + ends.start()
    return text if re.search(r"\w$", text[:end]) and ends[0].startswith(" ") else text[:end]


def _marks_in(text: str, *, skip_code: bool) -> list[_Mark]:
    hits = itertools.islice(_MARKS.finditer(text), _MOST)
    # Thoughts that have begun may leave a block open.
    fences = [] if _MARKS.match(text.lstrip()) else _fences(text)
    return [
        _Mark(int(str(hit.lastgroup)[1:]), str(hit.lastgroup)[0] == "o", *hit.span())
        for hit in hits
        if not (skip_code and (_is_code(text, hit) or _is_fenced(fences, hit.start())))
    ]


def _fences(text: str) -> list[int]:
    return [fence.start() for fence in re.finditer("```", text)]


def _is_fenced(fences: list[int], place: int) -> bool:
    """Whether `place` is in a code block that is closed."""
    before = bisect(fences, place)
    return before % 2 == 1 and before < len(fences)


def _is_code(text: str, hit: re.Match[str]) -> bool:
    """Whether the mark is in backticks or quotation marks within its line."""
    before = text[max(0, hit.start() - 200) : hit.start()].rpartition("\n")[2]
    around = before[-1:] + text[hit.end() : hit.end() + 1]
    return before.count("`") % 2 == 1 or around in {'""', "''", "“”", "«»", "„“", "「」"}


def _is_in_prose(text: str, mark: _Mark) -> bool:
    """Whether the words around the mark suggest a sentence about it."""
    before = text[max(0, mark.start - 200) : mark.start].rpartition("\n")[2]
    after = text[mark.end : mark.end + 2]
    return bool(before.strip()) and before.endswith((" ", "\t")) and after != "\n\n"


def _ended(text: str, end: int) -> Parts:
    answer = trimmed(text[end:])
    if wrapped := _WRAPPED.fullmatch(answer.strip()):
        answer = trimmed(wrapped[2] or wrapped[3] or "")
    return Parts(text[:end], answer, True)
