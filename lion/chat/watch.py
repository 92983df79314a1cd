"""What is seen while replies arrive: how far, how dear, and whether answers have room."""

from collections.abc import Callable

from lion.chat.budget import Budget, Usage
from lion.chat.types import Reply
from lion.chat.wire import thought_only
from lion.support.errors import ChatError
from lion.support.progress import Progress

_FEW = 8  # replies before their majority says something


class Room:
    """Whether the limit leaves a thinking model room for its answers.

    A row that was cut while thinking is the caller's to ask again; if most rows are, the limit is
    wrong and every further request is money lost.
    """

    def __init__(self, who: str, role: str) -> None:
        self._who, self._role = who, role
        self._seen = self._cut = 0

    def count(self, reply: Reply) -> None:
        """Count one reply; ChatError if by now most were cut while thinking."""
        self._seen += 1
        self._cut += thought_only(reply)
        if self._seen >= _FEW:
            self.check()

    def check(self) -> None:
        """ChatError if most of the replies counted were cut while thinking."""
        if 2 * self._cut > self._seen:
            raise ChatError(
                f"{self._who}: {self._cut} of {self._seen} replies used all their tokens for"
                f" thinking and hold no answer; raise thinking_tokens of endpoints.{self._role} (or"
                " endpoints.default) in params.yaml"
            )


class Watch:
    """Shows beside the progress what arrives: tokens, money, retries, the store's share."""

    def __init__(
        self, bar: Progress, budget: Budget, spent: Callable[[], list[Usage]], *, stored: float
    ) -> None:
        self._bar, self._budget, self._spent, self._stored = bar, budget, spent, stored
        self._here = Usage("", "", 0, 0, 0)

    def arrived(self, model: str, mode: str, reply: Reply) -> None:
        """Count one reply that was paid for."""
        _, _, requests, prompt, completion = self._here
        self._here = Usage(
            model,
            mode,
            requests + 1,
            prompt + reply.prompt_tokens,
            completion + reply.completion_tokens,
        )
        self._bar.advance()

    def show(self, beside: list[str]) -> None:
        """Show the figures so far, and what happens beside."""
        tokens = self._here.prompt_tokens + self._here.completion_tokens
        parts = [f"{tokens:,} tokens"]
        if money := self._budget.cost(self._here):
            parts.append(f"{money:,.2f} {self._budget.currency}")
        if self._budget.is_bounded:
            parts.append(self._budget.left_told(self._spent()))
        if self._stored:
            parts.append(f"{self._stored:.0%} from the store")
        self._bar.note(", ".join(parts + beside))
