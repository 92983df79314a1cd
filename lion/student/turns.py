"""Conversations as a chat template can show them, since some templates have no system role.

Such a template rejects a system prompt, drops it, changes it, or shows it as another role's turn.
The prompt then goes in front of the first question.
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
# Head of a template that does for other programs what `folded` does here.
_FOLD = (
    "{% if messages|length > 1 and messages[0]['role'] == 'system' %}"
    "{% set messages = [{'role': 'user', 'content': messages[0]['content'] + '\\n\\n'"
    " + messages[1]['content']}] + messages[2:] %}{% endif %}{{ '' }}"
)
# Errors that rendering a template can raise, apart from ValueError.
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
    """Return messages, with the system prompt folded if the template has no system role."""
    if messages[0]["role"] == "system" and not has_system_role(tokenizer):
        return folded(messages)
    return [*messages]


def has_system_role(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the template shows a system prompt unchanged, and not as another role's turn."""
    marks = {name: str(mark) for name, mark in tokenizer.special_tokens_map.items()}
    return _has_system_role(str(tokenizer.chat_template), tuple(marks.items()))


def folded(messages: Sequence[Message]) -> list[Message]:
    """Put the system prompt, if any, in front of the user's first turn."""
    first, *turns = messages
    if first["role"] != "system":
        return [*messages]
    turns[0] = turns[0] | {"content": f"{first['content']}\n\n{turns[0]['content']}"}
    return turns


def folding(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the tokenizer's template for other programs, with folding if it has no system role."""
    template = str(tokenizer.chat_template)
    return template if has_system_role(tokenizer) else _FOLD + template


@cache
def _has_system_role(template: str, marks: tuple[tuple[str, str], ...]) -> bool:
    roles = ("system", "assistant", "user")
    system, *others = (_rendered(template, dict(marks), role) for role in roles)
    return _SYSTEM in system and _TASK in system and system not in others


def _rendered(template: str, marks: dict[str, Any], role: str) -> str:
    """Render a question after a message of `role`; empty if the template rejects it."""
    talk = [{"role": role, "content": _SYSTEM}, {"role": "user", "content": _TASK}]
    try:
        texts: Any = render_jinja_template(
            conversations=[talk], chat_template=template, add_generation_prompt=True, **marks
        )
    except (ValueError, *RENDER_ERRORS):
        return ""
    return str(texts[0][0])
