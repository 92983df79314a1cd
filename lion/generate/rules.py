"""Rules for generated text: which replies of the generator are not valid instructions."""

import re
import string

from lion.chat import UNCLEAR, Reply
from lion.generate.refusals import is_refusal
from lion.params.pools import Rules
from lion.pools.tokens import folded
from lion.prompts import PLAIN_REMARK, REMARK, has_several_tasks, is_closed, repeats_prompt, unwrap

# The prompt's own marks, or a remark about the task before or after it.
_PROMPT = re.compile(
    r"</?(?:task|\d+-(?:system|user|assistant)) [0-9a-f]{8,}>|\btask [0-9a-f]{16,}\b"
    rf"|^(?!{PLAIN_REMARK}){REMARK}"
    r"|\n(?:please )?note that this (?:new )?task\b|\nthis (?:new )?task (?:(?:is|was) (?:\w+ )?"
    r"(?:about|based|inspired|related|similar)|has|meets|belongs)\b",
    re.IGNORECASE,
)

# A paragraph that begins with the task's own answer. Several such labels are examples of the task.
_ANSWER = re.compile(
    r"\n\s*\n\W{0,6}(?:answer|solution|response|assistant|antwort|lösung|réponse|respuesta|resposta"
    r"|risposta|решение|ответ|答案|回答|解答|정답|답변)\W{0,3}[:：\n]\W{0,3}\s*(?=\w)",
    re.IGNORECASE,
)

REPEATS = "repeats the prompt"
SEVERAL = "several tasks"
SOLVED = "contains its answer"
CUT = "cut by the limit"


def fault(reply: Reply, rules: Rules) -> str | None:
    """Return why a reply is not a valid instruction, or None.

    Rules `any` suit all languages; `paper` are the paper's rules, which suit English only.
    """
    text = unwrap(reply.text)
    if reply.finish_reason == "length" and not is_closed(reply.text):
        return CUT
    if reply.finish_reason == UNCLEAR:
        return UNCLEAR
    if reply.finish_reason not in ("stop", "length") or not text:
        return "refused or empty"
    return _by_paper_rules(text) if rules == "paper" else _any(text)


def _any(text: str) -> str | None:
    if not folded(text):
        return "nothing but punctuation"
    if is_refusal(text):
        return "refused or empty"
    if _PROMPT.search(text) or repeats_prompt(text):
        return REPEATS
    if len(_ANSWER.findall(text)) == 1:
        return SOLVED
    return SEVERAL if has_several_tasks(text) else None


def _by_paper_rules(text: str) -> str | None:
    if "instruction" in text.lower():
        return "speaks of instructions"
    if len(re.findall(r"\w+", text)) <= 3:
        return "three words or fewer"
    if text[0] in string.punctuation or not text[0].isascii():
        return "starts with punctuation or non-ASCII"
    return None
