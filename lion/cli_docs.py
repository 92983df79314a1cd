"""The help of every command on one page: `python -m lion.cli_docs` writes docs/cli.md."""

from collections.abc import Iterator
from pathlib import Path

import click

from lion.cli import main
from lion.support.command_line import HELP

_WIDTH = 88
_HEAD = """\
# The commands

`python -m lion.cli_docs` writes this page from each command's `--help`; a test compares the two.
"""


def page() -> str:
    """Return the text of docs/cli.md."""
    return "\n".join([_HEAD, *_sections(main, "lion", None)])


def _sections(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    """Yield a section for the command, then one for each of its subcommands."""
    context = click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        help_option_names=HELP["help_option_names"],
    )
    yield f"## {context.command_path}\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            subcommand = command.get_command(context, child)
            assert subcommand is not None
            yield from _sections(subcommand, child, context)


if __name__ == "__main__":
    Path("docs/cli.md").write_text(page(), encoding="utf-8")
