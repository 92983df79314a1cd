"""Failures that are stored as replies: a refused prompt, or an answer that the server withholds.

Refusals are stored with the reason, unless the first requests are all refused.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable

from lion.chat.reading import Failure
from lion.chat.types import REFUSED, Reply
from lion.chat.wire import Body, most_tokens
from lion.prompts.marks import pack_beside, unpack_beside
from lion.support.errors import ChatError

_FEW = 8  # refusals without any answer, after which the model or the endpoint must be wrong
_STATUSES = {400, 403, 413, 422, 451}
# What providers say, in code or message, of a prompt that they do not accept.
_WORDS = {
    "content_filter": re.compile(
        r"content.?(filter|polic|management|moderation|exists risk|safety)|responsible.?ai"
        r"|data.?inspection|(usage|safety|acceptable.use) polic|safety (system|setting|check)"
        r"|invalid_prompt|prohibited.?content|inappropriate|moderation|sensitive|unsafe|harmful"
        r"|(prompt|input|content|text|message)s?\b.{0,60}\b(flagged|blocked|violat\w+)"
        r"|(flagged|blocked)\b.{0,60}\b(prompt|input|content|polic\w+)"
        r"|guardrail|high risk|(blocked|rejected)\b.{0,60}\bsafety|敏感|违规|不安全|内容安全|审核"
        r"|запрещ[её]нн|不適切",
        re.IGNORECASE | re.DOTALL,
    ),
    "context_length": re.compile(
        r"context.{0,3}(length|window|size|limit)|(exceed|beyond|longer).{0,40}context"
        r"|(prompt|input|messages?|request|text|sequence)\b.{0,60}"
        r"\b(too (long|large|many)|exceeds?\b)"
        r"|too many (input |prompt )?tokens|range of input length|reduce the length"
        r"|(longer|larger|more) than the (model'?s? )?max|above_max_length|max(imum)?.model.len"
        r"|(max(imum)?|limit)\b.{0,20}\b(prompt|input|sequence).{0,10}\b(length|tokens)"
        r"|\b(prompt|inputs?)\b.{0,60}\bmust (have|be) (less|fewer|at most|<)"
        r"|token.?limit|(payload|entity) too large|(输入|上下文).{0,12}(过长|超)|最大.{0,8}长度"
        r"|超长|expected maxLength|(プロンプト|入力).{0,12}長すぎ",
        re.IGNORECASE | re.DOTALL,
    ),
}
# The model answered, but the server withholds the answer: it was cut, or had the wrong form.
_WITHHELD = re.compile(
    r"json_validate_failed|tool_use_failed|output_parse_failed|could not finish the message",
    re.IGNORECASE,
)
# What they say about the account: no request can succeed until that is settled.
_NOT_A_ROW = re.compile(
    r"\b(account|organi[sz]ation|workspace|project|api.?key)\b.{0,60}"
    r"(\b(is|are|was|has been|have been) (temporarily |permanently )?(block|suspend|disabl|bann"
    r"|deactivat|flagg|terminat|restrict)|\bnot have|\bno access|\bexpired)"
    r"|\b(country|region|territory|location)\b.{0,40}\b(not |un)(support|avail)"
    r"|\byour (current )?plan\b|\b(quota|billing|budget|spend(ing)?|credits?)\b"
    r"|\b(hourly|daily|weekly|monthly)\b|\bper (minute|hour|day|month)\b|rate.?limit"
    r"|please wait|must (first )?accept",
    re.IGNORECASE | re.DOTALL,
)


def reply_for(failure: Failure, body: Body, safe: Callable[[str], str]) -> Reply | None:
    """Return the reply that records `failure`; None if the request deserves a retry or an error.

    The tokens of a withheld answer count at their upper bounds. `safe` removes the API key.
    """
    reason = reason_of(failure)
    if not reason and not _withholds(failure):
        return None
    prompt, completion = (0, 0) if reason else most_tokens(body)
    return Reply(
        text=pack_beside(f"{safe(str(failure)):.500}" or reason, "") if reason else "",
        finish_reason=reason or "length",
        model=body["model"],
        prompt_tokens=prompt,
        completion_tokens=completion,
    )


def reason_of(failure: Failure) -> str | None:
    """Return why the provider refused this very prompt, one of REFUSED; None for other errors."""
    status, words = failure.status, f"{failure.code or ''} {failure}"
    if status not in _STATUSES or (status in {400, 403, 413} and _NOT_A_ROW.search(words)):
        return None
    hits = (name for name, pattern in _WORDS.items() if pattern.search(words))
    return next(hits, "context_length" if status == 413 else None)


def _withholds(failure: Failure) -> bool:
    return failure.status == 400 and bool(_WITHHELD.search(f"{failure.code or ''} {failure}"))


def summary_of(rows: Iterable[tuple[str, Reply]]) -> str:
    """Summarise the refusals among `rows` (name, reply) in a line; empty if there are none."""
    hits = [(row, reply) for row, reply in rows if reply.is_refused]
    if not hits:
        return ""
    counts = Counter(reply.finish_reason for _, reply in hits)
    kinds = ", ".join(f"{counts[name]:,} {name}" for name in REFUSED if counts[name])
    row, first = hits[0]
    return (
        f"the provider refused {len(hits):,} requests ({kinds}), which are stored as refused; the"
        f" first is {row}: {unpack_beside(first.text)[0]:.300}"
    )


class Refusals:
    """Holds refusals back until any request is answered.

    From then on, refusals are stored like other replies. Until then, many of them mean that the
    model or the endpoint is wrong: none is stored, so a rerun sends them again.
    """

    def __init__(self) -> None:
        self._answered = False
        self._held: list[tuple[bytes, Callable[[], None]]] = []
        self._first = ""

    @property
    def are_all(self) -> bool:
        """Whether many requests were refused and none was answered."""
        return len(self._held) >= _FEW

    def add(self, key: bytes, reply: Reply, keep: Callable[[], None], row: str = "") -> None:
        """Call `keep` to store `reply`, now or as soon as any request is answered."""
        self.note_answers([reply])
        if self._answered:
            keep()
        else:
            self._first = self._first or f"{row}: {unpack_beside(reply.text)[0]}"
            self._held.append((key, keep))

    def note_answers(self, replies: Iterable[Reply]) -> None:
        """Store all refusals held back if any of `replies` is an answer."""
        if not self._answered and not all(reply.is_refused for reply in replies):
            self._answered = True
            self.keep()

    def keep(self) -> None:
        """Store the refusals held back."""
        held, self._held = self._held, []
        for _, keep in held:
            keep()

    def drop(self) -> list[bytes]:
        """Drop the refusals held back; return their keys."""
        held, self._held = self._held, []
        return [key for key, _ in held]

    def error(self) -> ChatError:
        """Return the error of a stage whose first requests were all refused."""
        return ChatError(
            f"{self._first:.700}; the provider refused all of the first {len(self._held):,}"
            " requests like this; check the model and its endpoint"
        )
