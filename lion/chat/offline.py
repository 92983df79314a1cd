"""Check that the offline oracle can play a run: it solves tasks of its own families only."""

from collections.abc import Iterable
from typing import get_args

from lion.chat.source import source_of
from lion.params import Params, Role
from lion.support.errors import InputError
from lion.support.text import brief


def check_offline(params: Params, tasks: Iterable[tuple[str, str]]) -> None:
    """Refuse the first of `tasks` (place, text) that an oracle in this process cannot solve."""
    roles = [role for role in get_args(Role) if role != "student"]
    if not any(source_of(params, role).in_process for role in roles):
        return
    from lion.oracle.families import read

    for place, text in tasks:
        if read(text) is None:
            raise InputError(
                f"{place}: model: oracle cannot solve '{brief(text, 40)}'; it knows only the tasks "
                "that come with Lion. For your own, set `model` in params.yaml to a real model"
            )
