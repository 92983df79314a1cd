"""The oracle's three roles. Each reply is a function of the chat messages and a seeded draw."""

import random
import re

from rapidfuzz.distance import Indel

from lion.oracle.families import DRAWN_ITEMS, FAMILIES, Family, Task, draw, read, write
from lion.oracle.words import THEMES, theme_of
from lion.pools.instructions import task_text
from lion.prompts import PromptName, render

UNKNOWN = "I don't know how to do that."
_MARKED = re.compile(
    r"<(task|answer(?:-[12])?|review|\d+-(?:system|user|assistant)) ([0-9a-f]{16})>"
    r"\n(.*?)\n</\1 \2>",
    re.DOTALL,
)
# Prompts with marks, and their fields without marks.
_FORMS: tuple[tuple[PromptName, dict[str, str]], ...] = (
    ("referee.txt", {}),
    ("judge.txt", {}),
    ("generator_hard.txt", {}),
    ("generator_easy.txt", {}),
    ("rewrite.txt", {"number": "1"}),
    ("rewrite.txt", {"number": "2"}),
)
NOISE = 0.4  # points up or down in every score of the referee
BAD_DRAWS = 0.04  # share of the generator's replies that should be rejected


def prompt_of(text: str) -> tuple[PromptName, dict[str, str]]:
    """Return the prompt that a user's message was rendered from, and its fields; else teacher.txt.

    Marks inside a field are part of that field: the fence, a hash, distinguishes them. Context
    messages come after the fields, as in the hash.
    """
    marked = [(name, body) for name, _, body in _MARKED.findall(text)]
    before = {name: body for name, body in marked if name[0].isdigit()}
    context = [{"role": name.partition("-")[2], "content": before[name]} for name in before]
    fields = {name.replace("-", "_"): body for name, body in marked if name not in before}
    for name, unmarked in _FORMS:
        try:
            rendered = render(name, context=context, **fields, **unmarked)
        except KeyError:
            continue
        if rendered[-1]["content"] == text:
            return name, fields | before
    return "teacher.txt", {"task": text}


def teach(text: str) -> str:
    """Return the right answer, or an admission that the task is unknown; never a guess."""
    task = read(text)
    return task.answer() if task else UNKNOWN


def examine(
    rng: random.Random,
    fields: dict[str, str],
    *,
    position_bias: float,
    unreadable: float,
    mark: str,
    scores_first: bool = False,
) -> str:
    """Return evidence, then true scores (1..10) with noise; no scores for an unknown task.

    Score lines carry the request's `mark`. With `scores_first`, the first line has the two numbers,
    as the judge's prompt requires.
    """
    task = read(fields["task"])
    if task is None:
        return "I cannot solve this task myself, so I cannot tell which answer is better."
    answers = fields["answer_1"], fields["answer_2"]
    truth = task.answer()
    evidence = [
        f"The answer should be '{truth}'.",
        *(f"Assistant {place} {_remark(truth, reply)}." for place, reply in enumerate(answers, 1)),
    ]
    if rng.random() < unreadable:
        return " ".join(
            [*evidence, "Both made an effort, and I would rather not put it in numbers."]
        )
    scores = []
    for place, reply in enumerate(answers, 1):
        bias = position_bias if place == 1 else 0.0
        score = _merit(truth, reply) + bias + rng.uniform(-NOISE, NOISE)
        scores.append(f"{min(10.0, max(1.0, score)):.1f}")
    if scores_first:
        return "\n".join([f"[{mark}] {' '.join(scores)}", "", *evidence])
    lines = [f"[{mark}] Assistant {place}: {score}" for place, score in enumerate(scores, 1)]
    return "\n".join([" ".join(evidence), "", *lines])


def invent(rng: random.Random, given: str, *, rarer: bool) -> str:
    """Return a new task of the given one's family, or (`rarer`) of a rarer one on its theme."""
    task = read(given)
    theme = (task and theme_of(task.items)) or rng.choice(sorted(THEMES))
    family = _new_family(rng, task.family if task else None, theme, rarer=rarer)
    length = len(task.items) + rng.randint(-1, 1) if task else rng.randint(*DRAWN_ITEMS)
    low, high = DRAWN_ITEMS
    new = draw(rng, family, theme, length=min(high, max(low, length)))
    if task and rng.random() < BAD_DRAWS:
        return _bad(rng, task, new)
    return task_text(*write(rng, new))


def _merit(truth: str, reply: str) -> float:
    """Return 9 for the right words in the right order, 1 for none of them, between for a part."""
    right, words = truth.split(), reply.split()
    if right == words:
        return 9.0
    return 1.0 + 6.0 * Indel.normalized_similarity(right, words)


def _remark(truth: str, reply: str) -> str:
    if truth.split() == reply.split():
        return "gives exactly that"
    share = len(set(truth.split()) & set(reply.split())) / len(set(truth.split()))
    return f"is wrong, with {share:.0%} of its words"


def _new_family(rng: random.Random, given: Family | None, theme: str, *, rarer: bool) -> Family:
    if given is None:
        return rng.choice([family for family in FAMILIES if family.suits(theme)])
    if not rarer:
        return given
    rank = FAMILIES.index(given)
    rare = [family for family in FAMILIES[rank + 1 :] if family.suits(theme)]
    return rng.choice(rare or [family for family in FAMILIES[-6:] if family.suits(theme)])


def _bad(rng: random.Random, given: Task, new: Task) -> str:
    """Return what a careless generator writes: a near copy, too little, or a remark about it."""
    text = task_text(*write(rng, new))
    copy = Task(family=given.family, items=(*given.items[:-1], new.items[-1]))
    return rng.choice(
        [task_text(*write(rng, copy)), new.family.wordings[0], f"Here is a new instruction: {text}"]
    )
