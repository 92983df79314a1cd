"""The prompts, one text file each: a system part, a line `---`, a user part.

Texts from seeds and models are untrusted, so they stand between marks that carry a fence: a hash
of those very texts, which no text can contain in order to break out of its marks.
"""

import hashlib
from functools import cache
from importlib import resources
from string import Template
from typing import Literal

PromptName = Literal[
    "teacher.txt", "referee.txt", "judge.txt", "generator_hard.txt", "generator_easy.txt"
]
Message = dict[str, str]


def render(name: PromptName, **fields: str) -> tuple[Message, ...]:
    """The chat messages of prompt `name`; `$fence` is filled in, every other field is required."""
    system, user = _template(name)
    fence = hashlib.sha256("\0".join(fields.values()).encode()).hexdigest()[:8]
    values = {**fields, "fence": fence}
    return (
        {"role": "system", "content": system.substitute(values)},
        {"role": "user", "content": user.substitute(values)},
    )


@cache
def _template(name: PromptName) -> tuple[Template, Template]:
    text = resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
    system, user = text.split("\n---\n")
    return Template(system.strip()), Template(user.strip())
