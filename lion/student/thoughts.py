"""Thoughts of the student: the form in which it writes them, and the answer after them.

The form is that of its template, if the template has one, else a plain <think> block. The folder of
a student that learnt thoughts has its form.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from lion.pools.instructions import Task
from lion.prompts.marks import LITERAL, UNCLEAR, has_marks, split_thoughts
from lion.student.template import (
    RENDER_ERRORS,
    ZERO_WIDTH_SPACE,
    Example,
    encode_answer,
    encode_example,
    rendered,
)
from lion.support.errors import InputError
from lion.support.text import trimmed

FILE = "thoughts.json"  # the form, in the folder of a student that learnt thoughts
# Turns the thinking of a hybrid model on, for every later use of its template.
_ON = "{% set enable_thinking = true %}{% set thinking = true %}{{ '' }}"
_SWITCH = re.compile(r"(?<![.\w'\"])(?:enable_)?thinking\b")
_THOUGHTS, _ANSWER = "Thoughts of a probe.", "Answer of a probe."


class Parts(NamedTuple):
    """A student's thoughts and answer. In doubt, the answer is empty and `ending` says why."""

    thoughts: str | None
    answer: str
    ending: str


@dataclass(frozen=True)
class ThoughtForm:
    """The text before thoughts (empty if the prompt opens them), and from them to the answer."""

    before: str
    between: str

    def encode(self, tokenizer: PreTrainedTokenizerBase, thoughts: str) -> list[int]:
        """Return the ids of a block of thoughts, in which the closing mark occurs only once."""
        text = thoughts.strip()
        for mark in filter(None, (self.before.strip(), self.between.strip())):
            text = text.replace(mark, mark[:1] + ZERO_WIDTH_SPACE + mark[1:])
        inner = encode_answer(tokenizer, text)
        return [*_ids(tokenizer, self.before), *inner, *_ids(tokenizer, self.between)]

    def ids(self, tokenizer: PreTrainedTokenizerBase) -> set[int]:
        """Return the ids of both marks."""
        return {*_ids(tokenizer, self.before), *_ids(tokenizer, self.between)}

    def text_of(self, tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
        """Decode the student's tokens, without control tokens other than those of this form."""
        hidden = {*tokenizer.all_special_ids} - self.ids(tokenizer)
        return str(tokenizer.decode([id for id in ids if id not in hidden]))

    def split(self, whole: str, task: str, ending: str) -> Parts:
        """Separate the answer to `task` from the thoughts before the first closing mark.

        The answer is empty if the thoughts do not end, or if it contains further thoughts, unless
        the task has such marks itself.
        """
        opening, text = self.before.strip(), whole.strip()
        begun = text.startswith(opening)
        thoughts, closing, answer = text.partition(self.between.strip())
        if not closing and not begun:
            return Parts(None, trimmed(whole), ending)
        thoughts, answer = thoughts.removeprefix(opening).strip(), trimmed(answer)
        again = split_thoughts(answer)
        if not has_marks(task) and (again.thoughts or not again.clear):
            return Parts(text, "", UNCLEAR)
        return Parts(thoughts or None, answer, ending)


def own_form(tokenizer: PreTrainedTokenizerBase) -> ThoughtForm | None:
    """Return the form of the tokenizer's template; None if it has none."""
    template = str(tokenizer.chat_template)
    prompt, whole = _rendered(tokenizer, answered=False), _rendered(tokenizer, answered=True)
    before, shown, rest = whole.removeprefix(prompt).partition(_THOUGHTS)
    between, answered, _ = rest.partition(_ANSWER)
    if whole.startswith(prompt) and shown and answered and between.strip():
        return ThoughtForm(before, between)
    for opening, closing in LITERAL:
        if prompt.rstrip().endswith(opening):
            return ThoughtForm("", f"\n{closing}\n\n")
    known = (form for form in LITERAL if all(mark in template for mark in form))
    return next((_block(*form) for form in known), None)


def opened_by_prompt(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the mark with which the template's prompt opens thoughts; empty if it opens none."""
    prompt = _rendered(tokenizer, answered=False).rstrip()
    return next((opening for opening, _ in LITERAL if prompt.endswith(opening)), "")


def form_to_learn(tokenizer: PreTrainedTokenizerBase) -> ThoughtForm:
    """Turn the template's thinking on and return its form, or the plain one.

    InputError if the vocabulary cannot write the marks.
    """
    think(tokenizer)
    form = own_form(tokenizer) or _block("<think>", "</think>")
    for text in (form.before, form.between):
        ids = _ids(tokenizer, text)
        if text.strip() not in tokenizer.decode(ids) or tokenizer.eos_token_id in ids:
            raise InputError(
                f"{tokenizer.name_or_path}: its tokenizer cannot write {text.strip()!r}, which"
                " separates thoughts from the answer; set teacher.thoughts: drop, or choose"
                " another student.base"
            )
    return form


def think(tokenizer: PreTrainedTokenizerBase) -> None:
    """Turn thinking on in a template that has a switch for it."""
    template = str(tokenizer.chat_template)
    if _SWITCH.search(template) and not template.startswith(_ON):
        tokenizer.chat_template = _ON + template


def read_form(folder: Path) -> ThoughtForm | None:
    """Return the form in which the student in `folder` learnt thoughts; None if it learnt none."""
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        return ThoughtForm(**json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise InputError(f"{file}: damaged; restore it with `dvc checkout`") from None


def write_form(folder: Path, form: ThoughtForm) -> None:
    """Write the form into a student's folder."""
    (folder / FILE).write_text(json.dumps(asdict(form), indent=2) + "\n", encoding="utf-8")


def encode_thoughtful(
    tokenizer: PreTrainedTokenizerBase,
    form: ThoughtForm | None,
    task: Task,
    answer: str,
    thoughts: str | None = None,
) -> Example:
    """Return a training row; with a form, a block of thoughts, maybe empty, precedes the answer."""
    row = encode_example(tokenizer, task, answer)
    block = form.encode(tokenizer, thoughts or "") if form else []
    return Example(row.prompt, [*block, *row.answer], len(block))


def _block(opening: str, closing: str) -> ThoughtForm:
    gap = "" if closing.endswith("|>") else "\n\n"  # no gap after a mark that is a token
    return ThoughtForm(f"{opening}\n", f"\n{closing}{gap}")


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []


def _rendered(tokenizer: PreTrainedTokenizerBase, *, answered: bool) -> str:
    """Render a question, with thoughts and an answer if `answered`; empty if that fails."""
    turns: list[dict[str, Any]] = [{"role": "user", "content": "Question of a probe."}]
    if answered:
        thoughts = dict.fromkeys(("reasoning_content", "thinking"), _THOUGHTS)
        turns.append({"role": "assistant", "content": _ANSWER, **thoughts})
    try:
        return rendered(tokenizer, turns, prompt=not answered)
    except RENDER_ERRORS:
        return ""
