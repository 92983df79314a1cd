"""The figures beside the progress bar while replies arrive."""

from collections.abc import Callable

from lion.chat.budget import Budget, Usage
from lion.chat.types import Caller, Reply
from lion.support.progress import Progress


class UsageMeter:
    """Shows tokens, cost, retries and cache hits beside the progress bar."""

    def __init__(
        self, bar: Progress, budget: Budget, spent: Callable[[], list[Usage]], *, stored: float
    ) -> None:
        """`stored` is the share of replies that the store already had."""
        self._bar, self._budget, self._spent, self._stored = bar, budget, spent, stored
        self._here = Usage("", "", 0, 0, 0)

    def arrived(self, caller: Caller, reply: Reply) -> None:
        """Count one reply that was paid for."""
        _, _, requests, prompt, completion, cached = self._here
        self._here = caller.usage(
            requests + 1,
            prompt + reply.prompt_tokens,
            completion + reply.completion_tokens,
            cached + reply.cached_tokens,
        )
        self._bar.advance()

    def show(self, status: list[str]) -> None:
        """Show the figures so far, and the sender's status."""
        tokens = self._here.prompt_tokens + self._here.completion_tokens
        parts = [f"{tokens:,} tokens"]
        if money := self._budget.cost(self._here):
            parts.append(f"{money:,.2f} {self._budget.currency}")
        if self._budget.is_bounded:
            parts.append(self._budget.left_told(self._spent()))
        if self._stored:
            parts.append(f"{self._stored:.0%} from the store")
        self._bar.note(", ".join(parts + status))
