"""One role's exchange with its model, through the ordinary chat layer and store."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from lion.chat import Asks, Chat, Reply, Request, connect
from lion.chat.budget import FREE, Budget, Usage
from lion.chat.source import source_of
from lion.params import Params, Role

T = TypeVar("T")


@dataclass
class Asking:
    """Asks for one role and remembers the replies and the seconds that they took."""

    params: Params
    role: Role
    stage: str
    replies: list[Reply] = field(default_factory=list)
    seconds: float = 0.0

    def run(self, work: Callable[[Asks], T]) -> T:
        """Return what `work` makes of the role's replies."""
        with connect(self.params, self.role, stage=self.stage, round=self.role) as chat:
            return work(_Watched(chat, self))

    @property
    def cost(self) -> str:
        """Say what the replies cost."""
        prompt = sum(reply.prompt_tokens for reply in self.replies)
        completion = sum(reply.completion_tokens for reply in self.replies)
        is_free = source_of(self.params, self.role).in_process
        mode = FREE if is_free else self.params.endpoint_of(self.role).mode
        model = self.params.model_of(self.role)
        budget = Budget(self.params.prices, self.params.budget)
        money = budget.cost(Usage(model, mode, len(self.replies), prompt, completion))
        price = "no price set" if money is None else f"{money:.4f} {budget.currency}"
        if mode == FREE:
            price = "free of charge"
        return f"{prompt:,} tokens in, {completion:,} out, {price}"


@dataclass
class _Watched:
    """Passes requests on to a chat."""

    chat: Chat
    asking: Asking

    def ask(self, requests: Sequence[Request], *, label: str) -> list[Reply]:
        begun = time.monotonic()
        try:
            replies = self.chat.ask(requests, label=label)
        finally:
            self.asking.seconds += time.monotonic() - begun
        self.asking.replies += replies
        return replies
