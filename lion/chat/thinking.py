"""Thinking models: separating thoughts from the answer, and token limits too low for both."""

import json
from dataclasses import replace

from lion.chat.reading import is_thought, text_in
from lion.chat.types import REFUSED, Reply
from lion.chat.wire import Body, Job
from lion.prompts.marks import (
    UNCLEAR,
    Parts,
    has_marks,
    split_thoughts,
    thoughts_alone,
    unpack_beside,
    without_end_marks,
)
from lion.support.errors import ChatError

_FEW = 8  # replies before their majority is significant


def answer_in(reply: Reply, request: Body, *, thinks: bool) -> Reply:
    """Return `reply` with only the answer as its text, and its thoughts apart; the store keeps all.

    Where thoughts cannot be separated for certain, the text stays whole and the finish_reason
    becomes UNCLEAR, so that nobody learns from it. The reply may quote marks from the question or
    earlier turns, but marks in a system prompt ask for thoughts. `thinks` says that the endpoint
    reserves tokens for thinking.
    """
    beside, text = unpack_beside(reply.text)
    turns = (message for message in request["messages"] if message["role"] != "system")
    quotes = any(has_marks(message["content"]) for message in turns)
    parts = split_thoughts(text, thinks=thinks, quotes=quotes)
    is_cut = reply.finish_reason == "length"
    if thinks and is_cut and not beside and not has_marks(text):
        # The opening mark is in the prompt, and the closing one was not reached.
        parts = Parts(text, "", clear=True)
    answer = without_end_marks(parts.answer, quotes=quotes)
    if answer == reply.text and parts.clear:
        return reply
    apart = "" if reply.finish_reason in REFUSED else beside
    thoughts = [*dict.fromkeys((_text_of(apart), thoughts_alone(parts.thoughts)))]
    spent = 0 if answer or not (apart or parts.thoughts) else reply.completion_tokens
    return replace(
        reply,
        text=answer,
        finish_reason=reply.finish_reason if parts.clear or is_cut else UNCLEAR,
        reasoning_tokens=reply.reasoning_tokens or spent,
        thoughts="\n\n".join(filter(None, thoughts)) if parts.clear else "",
    )


def _text_of(beside: str) -> str:
    """Return the text of the thoughts that a server sent beside the answer, JSON parts or not."""
    text, bracket, parts = beside.partition('[{"')
    try:
        values = json.loads(bracket + parts) if bracket else []
    except (ValueError, RecursionError):
        return beside.strip()
    if not all(isinstance(part, dict) and is_thought(part) for part in values):
        return beside.strip()
    return "\n\n".join(filter(None, (text.strip(), *(text_in(part).strip() for part in values))))


class ThinkingBudget:
    """Checks that the token limit leaves a thinking model room for its answers.

    The caller retries single replies that were cut while thinking. If most replies are, the limit
    is wrong and further requests waste money.
    """

    def __init__(self, who: str, model: str, role: str) -> None:
        self._who, self._role = f"{who}: {model}", role
        self._seen = self._cut = 0

    def count(self, job: Job, answer: Reply) -> None:
        """Count a reply to a first attempt; ChatError if most so far were cut while thinking."""
        if job.attempt:
            return
        self._seen += 1
        self._cut += (
            answer.finish_reason == "length" and not answer.text and answer.reasoning_tokens > 0
        )
        if self._seen >= _FEW and 2 * self._cut > self._seen:
            raise ChatError(
                f"{self._who}: {self._cut} of {self._seen} replies used all their tokens for"
                f" thinking and contain no answer; raise thinking_tokens of endpoints.{self._role}"
                " (or endpoints.default) in params.yaml"
            )
