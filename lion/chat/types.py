"""Requests, replies, and the ledger's entries."""

import hashlib
from dataclasses import dataclass, fields
from typing import Any

from lion.chat.budget import FREE, Usage
from lion.chat.source import IN_PROCESS
from lion.prompts import Message

# Finish reasons of a request that the provider refused, by content policy or prompt length.
REFUSED = ("content_filter", "context_length")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question to a role's model.

    `id` names the row in messages to the user and is not sent. `attempt` counts from 0 and grows
    when a role repeats a question on purpose. `schema` is a JSON schema of the reply; it is not
    sent if the endpoint has `structured: false`, or once the server has refused it.
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
    """The model's reply as the server reports it. `text` may be empty (cut or refused).

    `completion_tokens` counts all generated tokens; `reasoning_tokens` is the part of them that
    the model spent on thinking, which is not part of `text`. `cached_tokens` is the part of
    `prompt_tokens` that the server read from its cache, often at a lower price. `thoughts` has no
    column of its own: the stored text holds answer and thoughts, and Chat separates them.
    """

    text: str
    finish_reason: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    thoughts: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether the provider refused the prompt itself, so that a retry cannot help."""
        unpaid = not self.prompt_tokens and not self.completion_tokens
        return self.finish_reason in REFUSED and unpaid


STORED = [field.name for field in fields(Reply) if field.name != "thoughts"]


@dataclass(frozen=True)
class Measured:
    """Past replies: how many there are, and the mean tokens and seconds of one."""

    count: int
    prompt: float
    completion: float
    seconds: float


@dataclass(frozen=True)
class Caller:
    """The stage, role, round and endpoint that requests are made for."""

    stage: str
    role: str
    round: str
    endpoint: str
    model: str
    mode: str

    def usage(self, requests: int, prompt: int, completion: int, cached: int = 0) -> Usage:
        """Return the usage of this caller; the oracle in this process costs nothing."""
        mode = FREE if self.endpoint == IN_PROCESS else self.mode
        return Usage(self.model, mode, requests, prompt, completion, cached)


@dataclass(frozen=True)
class Entry(Caller):
    """What a caller spent, and what the store saved it."""

    requests: int
    prompt_tokens: int
    completion_tokens: int
    retries: int
    saved_requests: int
    saved_prompt_tokens: int
    saved_completion_tokens: int
    cached_tokens: int
    saved_cached_tokens: int

    def spent(self) -> Usage:
        tokens = (self.prompt_tokens, self.completion_tokens, self.cached_tokens)
        return self.usage(self.requests, *tokens)

    def saved(self) -> Usage:
        tokens = (self.saved_prompt_tokens, self.saved_completion_tokens, self.saved_cached_tokens)
        return self.usage(self.saved_requests, *tokens)


def checksum(key: bytes, text: object, *others: object) -> bytes:
    """Hash a key and the fields of its reply, ordered as STORED; damaged ones may have any type."""
    parts = "\x1f".join(map(str, (*others, text)))
    return hashlib.blake2b(key + parts.encode("utf-8", "surrogatepass"), digest_size=8).digest()
