"""Check that the offline oracle can answer a run's tasks: it solves only its own families."""

from collections.abc import Iterable
from typing import get_args

from lion.chat.source import source_of
from lion.params import Params, Role
from lion.support.errors import InputError
from lion.support.text import brief


def is_offline(params: Params) -> bool:
    """Whether the oracle in this process plays any role."""
    roles = [role for role in get_args(Role) if role != "student"]
    return any(source_of(params, role).in_process for role in roles)


def are_offline_tasks(tasks: Iterable[str]) -> bool:
    """Whether all tasks belong to the oracle's families, which are useless to another model."""
    from lion.oracle.families import read

    return all(read(text) for text in tasks)


def check_offline(params: Params, tasks: Iterable[tuple[str, str]]) -> None:
    """Raise InputError if the in-process oracle plays a role and cannot solve one of `tasks`.

    Each task is a pair of its place, for the message, and its text.
    """
    if not is_offline(params):
        return
    from lion.oracle.families import read

    for place, text in tasks:
        if read(text) is None:
            raise InputError(
                f"{place}: model: oracle cannot solve '{brief(text, 40)}'; it knows only the tasks "
                "that come with Lion. For your own, set `model` in params.yaml to a real model"
            )
