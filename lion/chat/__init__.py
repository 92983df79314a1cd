"""Asking a proprietary LLM: client, response store, limits, budget, ledger.

with connect(params, "teacher", stage="teach", round="r1") as chat:
    replies = chat.ask(requests, label="teach r1")
"""

from lion.chat.again import Asks, ask_again
from lion.chat.chat import Chat
from lion.chat.types import Reply, Request
from lion.params import Params, Role

__all__ = ["Asks", "Chat", "Reply", "Request", "ask_again", "connect"]


def connect(params: Params, role: Role, *, stage: str, round: str) -> Chat:
    """Connect `role` to its model; nothing is asked, and no key needed, before the first miss."""
    return Chat(params, role, stage=stage, round=round)
