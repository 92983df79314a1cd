"""Fakes of our own boundaries."""

from collections.abc import Callable, Sequence

from lion.chat.types import Reply, Request


def reply(text: str, *, finish_reason: str = "stop") -> Reply:
    """What a model said, with made-up token counts."""
    return Reply(
        text=text,
        finish_reason=finish_reason,
        model="fake",
        prompt_tokens=7,
        completion_tokens=len(text.split()),
    )


class FakeChat:
    """Answers each request by a function and remembers what it was asked."""

    model = "fake"

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.answer = answer
        self.asked: list[Request] = []
        self.labels: list[str] = []  # one a call

    def ask(self, requests: Sequence[Request], *, label: str) -> list[Reply]:
        self.asked += requests
        self.labels.append(label)
        return [self.answer(request) for request in requests]


def user_text(request: Request) -> str:
    """The user's part of what was asked."""
    return request.messages[-1]["content"]
