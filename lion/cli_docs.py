"""The help of every command as one page: `python -m lion.cli_docs` writes docs/cli.md."""

from collections.abc import Iterator
from pathlib import Path

import click

from lion.cli import main

_WIDTH = 88
_HEAD = """\
# The commands

Written by `python -m lion.cli_docs` from the commands' own `--help`; a test holds the two together.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_sections(main, "lion", None)])


def _sections(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    """A section for the command, then those of its own commands."""
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=_WIDTH, max_content_width=_WIDTH
    )
    yield f"## {context.command_path}\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            yield from _sections(found, child, context)


if __name__ == "__main__":
    Path("docs/cli.md").write_text(page(), encoding="utf-8")
