"""Prompt templates of published checkpoints, with the wording of their training."""

from collections.abc import Callable
from typing import Literal

from lion.pools.instructions import task_text

TemplateName = Literal["raw", "alpaca", "vicuna", "wizardlm"]

_ALPACA = (
    "Below is an instruction that describes a task{paired}. "
    "Write a response that appropriately completes the request.\n\n{body}### Response:"
)
_VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions. "
    "USER: {task} ASSISTANT:"
)


def _alpaca(instruction: str, input: str) -> str:
    body = f"### Instruction:\n{instruction}\n\n"
    if not input:
        return _ALPACA.format(paired="", body=body)
    paired = ", paired with an input that provides further context"
    return _ALPACA.format(paired=paired, body=f"{body}### Input:\n{input}\n\n")


def _vicuna(instruction: str, input: str) -> str:
    return _VICUNA.format(task=task_text(instruction, input))


def _wizardlm(instruction: str, input: str) -> str:
    return f"{task_text(instruction, input)}\n\n### Response:"


TEMPLATES: dict[TemplateName, Callable[[str, str], str]] = {
    "raw": task_text,
    "alpaca": _alpaca,
    "vicuna": _vicuna,
    "wizardlm": _wizardlm,
}

# A chat template that adds only the start token, for a prompt that is already rendered.
RENDERED = "{{ bos_token }}{{ messages[0]['content'] }}"
