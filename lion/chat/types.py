"""What is asked and what comes back."""

from dataclasses import dataclass
from typing import Any

from lion.chat.budget import Usage
from lion.prompts import Message


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question to a role's model.

    `id` names the row in messages to the user and is no part of what is asked. `seed` goes to the
    server; `attempt` counts from 0 when the same question is asked again on purpose. `schema` is
    a JSON schema for the reply; it is sent only where the endpoint says `structured: true`.
    """

    id: str
    messages: tuple[Message, ...]
    temperature: float
    max_tokens: int
    seed: int
    attempt: int = 0
    schema: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the model said, as the server reports it. `text` may be empty (cut, refused).

    `completion_tokens` counts everything paid for; `reasoning_tokens` is the part of it that was
    thinking, which is no part of `text`.
    """

    text: str
    finish_reason: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int = 0


@dataclass(frozen=True)
class Asker:
    """On whose behalf something is asked."""

    stage: str
    role: str
    round: str
    endpoint: str
    model: str
    mode: str


@dataclass(frozen=True)
class Entry(Asker):
    """What an asker spent, and what the store saved it."""

    requests: int
    prompt_tokens: int
    completion_tokens: int
    retries: int
    saved_requests: int
    saved_prompt_tokens: int
    saved_completion_tokens: int

    def spent(self) -> Usage:
        return Usage(
            self.model, self.mode, self.requests, self.prompt_tokens, self.completion_tokens
        )

    def saved(self) -> Usage:
        return Usage(
            self.model,
            self.mode,
            self.saved_requests,
            self.saved_prompt_tokens,
            self.saved_completion_tokens,
        )
