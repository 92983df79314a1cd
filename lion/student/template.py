"""The prompt template: the only code that turns tasks and answers into token ids.

Texts of people and models are data: a control mark in them, such as `<|eos|>`, is encoded as
ordinary text. Only the template writes control tokens.

Some templates have no system role: they reject a system prompt, drop it, change it, or show it as
another role's turn. The prompt then goes in front of the first question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import jinja2
from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from lion.pools.instructions import Task, flat_text, messages_of
from lion.prompts import Message
from lion.support.errors import InputError

# The template of a base model whose tokenizer has no chat template.
PLAIN = (
    "{% for message in messages %}{% if message['role'] == 'user' %}### Task\n"
    "{{ message['content'] }}\n\n### Answer\n"
    "{% else %}{{ message['content'] }}{{ eos_token }}\n\n{% endif %}{% endfor %}"
)
# The date in every template, since training, answering and a run after midnight must agree.
TODAY = datetime(2024, 7, 26)  # the date that Llama's templates name by default
DIRECTIVES = "YmdBbAaHMSyjpIeFDTRcxXUVGu"
ZERO_WIDTH_SPACE = "\u200b"
_SYSTEM = "Be <b>brief</b> & kind,\n\twhoever asks.  Always."  # what a template must not change
_TASK = "Say hi."
# Head of a template that does for other programs what `for_template` does here.
_FOLD = (
    "{% if messages|length > 1 and messages[0]['role'] == 'system' %}"
    "{% set messages = [{'role': 'user', 'content': messages[0]['content'] + '\\n\\n'"
    " + messages[1]['content']}] + messages[2:] %}{% endif %}{{ '' }}"
)
# Errors that rendering a template can raise.
RENDER_ERRORS = (
    *(jinja2.TemplateError, ValueError, TypeError, LookupError, ArithmeticError),
    *(AttributeError, RecursionError, MemoryError),
)


@dataclass(frozen=True)
class Example:
    """One training row as token ids of prompt and answer; the loss covers the answer only."""

    prompt: list[int]
    answer: list[int]  # ends with EOS, so that the student learns to stop
    thoughts: int = 0  # number of first tokens of `answer` that are thoughts

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)

    @property
    def tokens(self) -> int:
        """Return the number of tokens that the model computes for this row."""
        return len(self)

    def cut(self, limit: int) -> "Example":
        """Return this row with at most `limit` tokens; a cut row loses its EOS."""
        if len(self) <= limit:
            return self
        kept = self.answer[: max(limit - len(self.prompt), 0)]
        return Example(self.prompt, kept, self.thoughts)


def settle_template(tokenizer: PreTrainedTokenizerBase) -> None:
    """Give `tokenizer` one template with a fixed date: its own, or PLAIN if it has none.

    The student's folder then has exactly the template of its training. InputError if the tokenizer
    has several named templates and no default.
    """
    template: Any = tokenizer.chat_template
    if isinstance(template, dict):
        if "default" not in template:
            raise InputError(
                f"{tokenizer.name_or_path}: its chat templates are named {', '.join(template)}, "
                "and none is the default; name one of them 'default'"
            )
        template = template["default"]
    if not template:
        template = _start_marks(tokenizer) + PLAIN
    if "strftime_now" in template and _fixed_date() not in template:
        template = _fixed_date() + template
    tokenizer.chat_template = template


def has_own_template(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the model came with a chat template, rather than having PLAIN."""
    return bool(tokenizer.chat_template) and not str(tokenizer.chat_template).endswith(PLAIN)


def encode_prompt(tokenizer: PreTrainedTokenizerBase, task: Task) -> list[int]:
    """Return the ids of the prompt, up to the start of the answer; InputError if it fails."""
    if not tokenizer.chat_template:
        settle_template(tokenizer)
    messages = for_template(tokenizer, messages_of(task))
    try:
        try:
            return _apply(tokenizer, messages)
        except ValueError:  # marks that are whole words of the vocabulary
            return _apply(tokenizer, unmarked(tokenizer, messages))
    except RENDER_ERRORS as error:
        shown = flat_text(task)[:60]
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"{tokenizer.name_or_path}: its chat template fails on the task {shown!r}: {reason}; "
            "correct the template in a copy of the model's folder"
        ) from None


def encode_answer(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Return the ids of an answer's text, without control tokens."""
    marks = control_marks(tokenizer)
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    if marks.isdisjoint(tokenizer.convert_ids_to_tokens(ids)):
        return ids
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    if marks.isdisjoint(tokenizer.convert_ids_to_tokens(ids)):
        return ids
    return list(tokenizer(break_marks(tokenizer, text), add_special_tokens=False)["input_ids"])


def encode_example(tokenizer: PreTrainedTokenizerBase, task: Task, answer: str) -> Example:
    """Return a training row. InputError if the tokenizer has no EOS."""
    if tokenizer.eos_token_id is None:
        raise InputError(
            f"{tokenizer.name_or_path}: its tokenizer has no end-of-text token, so the student "
            "could not learn to stop; set eos_token in tokenizer_config.json"
        )
    ids = encode_answer(tokenizer, answer)
    return Example(encode_prompt(tokenizer, task), [*ids, tokenizer.eos_token_id])


def control_marks(tokenizer: PreTrainedTokenizerBase) -> set[str]:
    """Return the texts of all control tokens: special ones, and those in the template."""
    template = str(tokenizer.chat_template or "")
    added = tokenizer.added_tokens_decoder.values()
    marks = {token.content for token in added if token.special or token.content in template}
    marks.update(str(token) for token in tokenizer.all_special_tokens)
    return {mark for mark in marks if mark.strip()}


def break_marks(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """Return `text` with a zero-width space in every control mark, so no tokenizer reads it as one.

    Needed where a mark would become a token: at a server, or in a vocabulary of whole words.
    """
    for mark in sorted(control_marks(tokenizer), key=lambda mark: (-len(mark), mark)):
        broken = mark[:1] + ZERO_WIDTH_SPACE + mark[1:] if len(mark) > 1 else ZERO_WIDTH_SPACE
        text = text.replace(mark, broken)
    return text


def unmarked(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[Message]:
    """Return messages with broken control marks in their texts."""
    return [m | {"content": break_marks(tokenizer, m["content"])} for m in messages]


def rendered(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Mapping[str, Any]], *, prompt: bool
) -> str:
    """Render messages with the template; as a `prompt`, up to the start of the answer."""
    return str(
        tokenizer.apply_chat_template(
            [dict(message) for message in messages], tokenize=False, add_generation_prompt=prompt
        )
    )


def pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the id that pads batches; never EOS, which must keep its meaning."""
    for candidate in (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.bos_token_id):
        if candidate is not None and candidate != tokenizer.eos_token_id:
            return int(candidate)
    return 0


def _apply(tokenizer: PreTrainedTokenizerBase, messages: list[Message]) -> list[int]:
    return list(
        tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_dict=False, sanitize_control_tokens=True
        )
    )


def _start_marks(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the marks that the tokenizer itself adds before a text, such as BOS."""
    text: list[int] = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole: list[int] = tokenizer("a")["input_ids"]
    before = next((n for n in range(len(whole)) if whole[n : n + len(text)] == text), 0)
    return "".join(tokenizer.convert_ids_to_tokens(whole[:before]))


def _fixed_date() -> str:
    """Return the head of a template in which strftime_now returns TODAY.

    transformers passes its own strftime_now to a template; a macro of that name overrides it.
    """
    pairs = [(f"%{letter}", TODAY.strftime(f"%{letter}")) for letter in DIRECTIVES]
    pairs += [
        (f"%-{letter}", TODAY.strftime(f"%{letter}").lstrip("0") or "0") for letter in "mdHMSjI"
    ]
    steps = "".join(f"|replace({directive!r},{value!r})" for directive, value in pairs)
    # The empty expression keeps Jinja from trimming the template's first newline.
    return "{% macro strftime_now(format) %}{{ format" + steps + " }}{% endmacro %}{{ '' }}"


def for_template(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[Message]:
    """Return messages, with the system prompt in the first question if there is no role for it."""
    first, *turns = messages
    if first["role"] != "system" or has_system_role(tokenizer):
        return [*messages]
    turns[0] = turns[0] | {"content": f"{first['content']}\n\n{turns[0]['content']}"}
    return turns


def has_system_role(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the template shows a system prompt unchanged, and not as another role's turn."""
    marks = {name: str(mark) for name, mark in tokenizer.special_tokens_map.items()}
    return _has_system_role(str(tokenizer.chat_template), tuple(marks.items()))


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
    except RENDER_ERRORS:
        return ""
    return str(texts[0][0])
