"""Requests to an LLM: client, response store, rate limits, budget, ledger.

with connect(params, "teacher", stage="teach", round="r1") as chat:
    replies = chat.ask(requests, label="teach r1")
"""

from lion.chat.again import Asks, ask_with_retries
from lion.chat.chat import Chat
from lion.chat.notices import say_once
from lion.chat.types import Reply, Request
from lion.params import Params, Role
from lion.prompts.marks import UNCLEAR

__all__ = ["UNCLEAR", "Asks", "Chat", "Reply", "Request", "ask_with_retries", "connect"]


def connect(params: Params, role: Role, *, stage: str, round: str) -> Chat:
    """Connect `role` to its model. No API key is needed before the first request to a server.

    Print a notice, once, if the referee or the judge is the teacher's own model.
    """
    if role in ("referee", "judge") and (line := params.self_judging_notice()):
        say_once(line)
    return Chat(params, role, stage=stage, round=round)
