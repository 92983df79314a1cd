"""Conversations as a chat template can show them: some templates have no system role.

A template that knows none refuses a system prompt, leaves it out, changes it, or shows it as
somebody's turn. Then the prompt stands in front of the first question.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import jinja2
from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from lion.prompts import Message

_SYSTEM = "Be <b>brief</b> & kind,\n\twhoever asks.  Always."  # what a template must not change
_TASK = "Say hi."
# In front of a template: does for other programs what `folded` does here.
_FOLD = (
    "{% if messages|length > 1 and messages[0]['role'] == 'system' %}"
    "{% set messages = [{'role': 'user', 'content': messages[0]['content'] + '\\n\\n'"
    " + messages[1]['content']}] + messages[2:] %}{% endif %}{{ '' }}"
)
# What rendering a template can raise, apart from ValueError.
RENDER_ERRORS = (
    jinja2.TemplateError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RecursionError,
    MemoryError,
)


def for_template(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[Message]:
    """Return messages with the system prompt in a role of its own, if the template has one."""
    if messages[0]["role"] == "system" and not has_system_role(tokenizer):
        return folded(messages)
    return [*messages]


def has_system_role(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the template shows a system prompt as one: unchanged, and not as somebody's turn."""
    marks = {name: str(mark) for name, mark in tokenizer.special_tokens_map.items()}
    return _has_system_role(str(tokenizer.chat_template), tuple(marks.items()))


def folded(messages: Sequence[Message]) -> list[Message]:
    """Put the system prompt in front of the first turn of the user."""
    first, *turns = messages
    if first["role"] != "system":
        return [*messages]
    turns[0] = turns[0] | {"content": f"{first['content']}\n\n{turns[0]['content']}"}
    return turns


def folding(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the tokenizer's template for other programs, which hand it system prompts as such."""
    template = str(tokenizer.chat_template)
    return template if has_system_role(tokenizer) else _FOLD + template


@cache
def _has_system_role(template: str, marks: tuple[tuple[str, str], ...]) -> bool:
    roles = ("system", "assistant", "user")
    system, *others = (_rendered(template, dict(marks), role) for role in roles)
    return _SYSTEM in system and _TASK in system and system not in others


def _rendered(template: str, marks: dict[str, Any], role: str) -> str:
    """Return a question after a message of `role`; empty if the template refuses it."""
    talk = [{"role": role, "content": _SYSTEM}, {"role": "user", "content": _TASK}]
    try:
        texts: Any = render_jinja_template(
            conversations=[talk], chat_template=template, add_generation_prompt=True, **marks
        )
    except (ValueError, *RENDER_ERRORS):
        return ""
    return str(texts[0][0])
