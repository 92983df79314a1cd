"""Thinking models: how to separate thoughts from the answer, and when they leave it no room."""

from dataclasses import replace

from lion.chat.types import Reply
from lion.support.errors import ChatError

_FEW = 8  # replies before their majority is significant


def without_thoughts(reply: Reply, *, thinks: bool) -> Reply:
    """Return `reply` without a leading <think> block; an unclosed block leaves no answer.

    Some chat templates put the opening mark into the prompt. A model that `thinks` then sends only
    the closing mark.
    """
    _, closed, answer = reply.text.partition("</think>")
    if not (reply.text.lstrip().startswith("<think>") or (closed and thinks)):
        return reply
    answer = answer.lstrip()
    reasoning = reply.reasoning_tokens or (0 if answer else reply.completion_tokens)
    return replace(reply, text=answer, reasoning_tokens=reasoning)


class ThinkingBudget:
    """Checks that the token limit leaves a thinking model room for its answers.

    The caller retries single replies that were cut while thinking. If most replies are, the limit
    is wrong and further requests waste money.
    """

    def __init__(self, who: str, role: str) -> None:
        self._who, self._role = who, role
        self._seen = self._cut = 0

    def count(self, reply: Reply) -> None:
        """Count one reply; ChatError if most replies so far were cut while thinking."""
        self._seen += 1
        self._cut += _is_cut_while_thinking(reply)
        if self._seen >= _FEW:
            self.check()

    def check(self) -> None:
        """ChatError if most of the counted replies were cut while thinking."""
        if 2 * self._cut > self._seen:
            raise ChatError(
                f"{self._who}: {self._cut} of {self._seen} replies used all their tokens for"
                f" thinking and contain no answer; raise thinking_tokens of endpoints.{self._role}"
                " (or endpoints.default) in params.yaml"
            )


def _is_cut_while_thinking(reply: Reply) -> bool:
    return reply.finish_reason == "length" and not reply.text and reply.reasoning_tokens > 0
