"""Fakes of Lion's own boundaries."""

from collections.abc import Callable, Sequence

from lion.chat.types import Reply, Request


def reply(text: str, *, finish_reason: str = "stop") -> Reply:
    """Return a reply with made-up token counts."""
    return Reply(
        text=text,
        finish_reason=finish_reason,
        model="fake",
        prompt_tokens=7,
        completion_tokens=len(text.split()),
    )


class FakeChat:
    """Answers each request with a function, and records the requests and labels."""

    model = "fake"

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.answer = answer
        self.asked: list[Request] = []
        self.labels: list[str] = []  # one per call

    def ask(self, requests: Sequence[Request], *, label: str) -> list[Reply]:
        self.asked += requests
        self.labels.append(label)
        return [self.answer(request) for request in requests]


def user_text(request: Request) -> str:
    """Return the last message of a request, which is the user's."""
    return request.messages[-1]["content"]
