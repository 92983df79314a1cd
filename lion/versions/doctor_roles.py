"""Checks of `lion doctor` on the roles: one short request to each role's model.

Each call makes a new task, so that no reply comes from the store.
"""

import io
import os
import random
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from typing import get_args

import polars as pl

from lion.chat import Asks, Chat, Reply, Request, connect
from lion.chat.budget import FREE, Budget, Usage
from lion.chat.client import offered_models
from lion.chat.source import source_of
from lion.discriminate.referee import Protocol, review
from lion.discriminate.scores import ORDERS
from lion.generate.drafts import Drafts
from lion.generate.generator import generate
from lion.imitate.teacher import teach
from lion.params import Params, Referee, Role
from lion.pools.contamination import Questions
from lion.pools.instructions import instruction_id
from lion.support.errors import ChatError, LionError
from lion.versions.doctor_files import Finding

_WORDS = ("owl", "cat", "dog", "cow", "pig", "fox", "hen", "bee", "ant", "elk", "eel", "ram")
_LABEL = "lion doctor"
_ROW = re.compile(r"^row \w+: \S+: ")  # with the server's address
_KEPT = re.compile(r"; [\d,]+ of [\d,]+ replies are stored; run again to continue$")


def roles_of(params: Params) -> Iterator[Finding]:
    """Send each role a request, and report the time and the cost of its reply, or the error."""
    seen: set[str] = set()  # so that a missing key is one line, not one per role
    for role in get_args(Role):
        if role == "student" or (role == "referee" and params.examine.rows == 0):
            continue
        for finding in _ask(params, role):
            if finding.message not in seen:
                yield finding
            seen.add(finding.message)


def _ask(params: Params, role: Role) -> Iterator[Finding]:
    source = source_of(params, role)
    where = "in this process" if source.in_process else f"at {source.url}"
    name = f"{role}: {params.model_of(role)} {where}"
    if os.environ.get("LION_OFFLINE", "0") not in ("", "0") and not source.in_process:
        yield Finding("warning", f"{name}: not asked, since LION_OFFLINE is set")
        return
    at_once = {"mode": "live", "retries": 1, "patience": 30.0}
    endpoint = params.endpoint_of(role).model_copy(update=at_once)
    prepared = params.model_copy(update={"endpoints": {**params.endpoints, role: endpoint}})
    asking, notices = _Asking(prepared, role), io.StringIO()
    try:
        with (
            redirect_stderr(notices),
            connect(prepared, role, stage="doctor", round=role) as asking.chat,
        ):
            _work(prepared, role, asking)
        yield Finding("OK", f"{name}: replied in {asking.seconds:.1f} s; {asking.cost}")
    except ChatError as error:
        message = _KEPT.sub("", error.format_message()).removeprefix(f"doctor {role}, ")
        message = _ROW.sub(f"{name}: ", message.removeprefix("doctor: "))
        yield Finding("error", f"{message}{_offered(params, role, message)}")
    except LionError as error:
        reason = error.format_message().removeprefix(f"{_LABEL}: ")
        yield Finding("warning", f"{name}: {reason}; {asking.cost}")
    for line in notices.getvalue().splitlines():
        if not line.startswith((_LABEL, "generate ")):
            yield Finding("warning", line.removeprefix(f"doctor {role}: "))


@dataclass
class _Asking:
    """Passes requests on to a role's chat, and records the replies and the time."""

    params: Params
    role: Role
    chat: Chat | None = None
    replies: list[Reply] = field(default_factory=list)
    seconds: float = 0.0

    def ask(self, requests: Sequence[Request], *, label: str) -> list[Reply]:
        assert self.chat is not None
        begun = time.monotonic()
        try:
            replies = self.chat.ask(requests, label=label)
        finally:
            self.seconds += time.monotonic() - begun
        self.replies += replies
        return replies

    @property
    def cost(self) -> str:
        """Describe the tokens and the money of the replies."""
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


def _offered(params: Params, role: Role, message: str) -> str:
    """Return a hint with the server's models if it may not offer the requested one, else empty."""
    if "status 404" not in message and "model" not in message:
        return ""
    models = offered_models(params, role)
    if not models:
        return ""
    more = f" and {len(models) - 5} more" if len(models) > 5 else ""
    return f"; set `model` to one that the server offers: {', '.join(models[:5])}{more}"


def _work(params: Params, role: Role, chat: Asks) -> None:
    """Let the role work on a task that every model can do."""
    words = random.SystemRandom().sample(_WORDS, 5)
    pool = pl.DataFrame(
        {
            "id": [instruction_id(f"Reverse: {' '.join(words)}", "")],
            "instruction": [f"Reverse: {' '.join(words)}"],
            "input": [""],
            "answer": [" ".join(reversed(words))],
            "response": [" ".join(words)],
            "group": [0],
        }
    )
    if role == "teacher":
        teaching = params.teacher.model_copy(update={"retries": 0})
        teach(pool, chat, teaching, label=_LABEL)
    elif role == "generator":
        few = params.generate.model_copy(update={"count": 1, "max_draws": 1, "novelty": 1.0})
        generate(
            {"hard": pool.select("id", "instruction", "input", "group"), "easy": pool.clear()},
            pool,
            Drafts(chat, params.generator),
            settings=few,
            avoid=Questions([], [], words=0),
            round="r1",
            seed=params.seed,
        )
    else:
        settings: Referee = params.judge if role == "judge" else params.referee
        # A retry asks for JSON, which small models may need.
        twice = settings.model_copy(update={"retries": min(settings.retries, 1)})
        scores_first = role == "judge" and params.judge.setting == 1
        protocol: Protocol = "judge.txt" if scores_first else "referee.txt"
        first = ORDERS[:1]
        review(pool, chat, twice, label=_LABEL, protocol=protocol, orders=first)
