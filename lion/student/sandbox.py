"""Rendering of an untrusted chat template in its own process, with limits on its resources.

Jinja's sandbox protects the interpreter, but neither ends a loop nor bounds a string.
"""

import json
import resource
import subprocess
import sys
from typing import Any

from lion.pools.instructions import Task, messages_of
from lion.support.errors import InputError
from lion.support.text import brief

SECONDS = 10  # of processor time for one short prompt
MEMORY = 2**30  # bytes beyond what the process holds before it renders
CHARACTERS = 200_000  # of a rendered prompt


def render_untrusted(template: str, variables: dict[str, Any], task: Task, *, name: str) -> str:
    """Render `task` with `template`; InputError, which names `name`, if that fails."""
    talk = messages_of(task)
    request = json.dumps({"template": template, "variables": variables, "messages": talk})
    try:
        child = subprocess.run(
            [sys.executable, "-m", "lion.student.sandbox"],
            input=request,
            capture_output=True,
            encoding="utf-8",
            timeout=12 * SECONDS,  # a busy machine must not fail a sound template
        )
    except subprocess.TimeoutExpired:
        raise _refused(name, f"it does not finish within {12 * SECONDS} seconds") from None
    if child.returncode < 0:
        raise _refused(name, f"it does not finish within {SECONDS} seconds of processor time")
    if child.returncode:
        raise _refused(name, (child.stderr.strip().splitlines() or ["no reason given"])[-1])
    text = str(json.loads(child.stdout))
    if len(text) > CHARACTERS:
        raise _refused(name, f"it renders a short task as {len(text):,} characters")
    return text


def _refused(name: str, reason: str) -> InputError:
    return InputError(
        f"student.base: {name}: its chat template fails: {brief(reason, 200)}; correct the "
        "template in a copy of the model's folder, or choose another base"
    )


def _render() -> None:
    """Render the request on stdin; the parent reads the last line of any traceback."""
    import psutil  # type: ignore[import-untyped]
    from transformers.utils.chat_template_utils import render_jinja_template

    request = json.load(sys.stdin)
    limit = psutil.Process().memory_info().vms + MEMORY
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    rendered: Any = render_jinja_template(
        conversations=[request["messages"]],
        chat_template=request["template"],
        add_generation_prompt=True,
        **request["variables"],
    )
    json.dump(rendered[0][0][: CHARACTERS + 1], sys.stdout)


if __name__ == "__main__":
    _render()
