"""Prompts keep texts inside their fences, and what echoes the fences is unwrapped."""

import re

import pytest

from lion.chat.types import Reply
from lion.generate.rules import fault
from lion.prompts import PromptName, fence, render, unwrap
from tests.fakes import reply

TASK = "Write a short poem about a lighthouse keeper."
FENCE = fence(TASK)


@pytest.mark.parametrize(
    "text",
    [
        TASK,
        f"<task {FENCE}>\n{TASK}\n</task {FENCE}>",
        f"<task {FENCE}> {TASK}",
        f"{TASK}\n</task {FENCE}>",
        f"<task 5b63c456>\n{TASK}\n</task 5b63c456>\n",
        f"<task>{TASK}</task>",
        f"Task: {TASK}",
        f"**New task:** {TASK}",
        f"<task {FENCE}>\nTask 2:\n{TASK}\n</task {FENCE}>",
    ],
)
def test_an_echoed_mark_is_no_part_of_the_new_task(text: str) -> None:
    assert unwrap(text) == TASK
    assert fault(reply(text), "any") is None


@pytest.mark.parametrize(
    "text", ["Explain what <task id=1> means.", "<table>", "List </task x> tags here", "", "<task"]
)
def test_other_marks_stay(text: str) -> None:
    assert unwrap(text) == text


def test_a_mark_around_nothing_is_no_task() -> None:
    empty: Reply = reply(f"<task {FENCE}>\n</task {FENCE}>")
    assert fault(empty, "any") == "refused or empty"


@pytest.mark.parametrize("name", ["referee.txt", "judge.txt"])
def test_scores_are_asked_for_behind_the_texts_and_without_a_placeholder(name: PromptName) -> None:
    user = render(name, task="T", answer_1="A", answer_2="B")[-1]["content"]
    behind = user.rpartition("</answer-2 ")[2]
    assert re.search(r"\[[0-9a-f]{6}\]", behind)
    assert not re.search(r"<\w+>|\d+/10", behind)


def test_a_fence_has_32_hex_digits() -> None:
    assert re.fullmatch("[0-9a-f]{32}", FENCE)
