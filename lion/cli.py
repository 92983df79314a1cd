"""`lion`: what DVC has no word for. Each command is imported when it is called."""

from importlib import import_module

import click

COMMANDS = {
    "filter": "lion.filter_cli:filter",
    "ledger": "lion.chat.cli:ledger",
    "oracle": "lion.oracle.cli:oracle",
    "store": "lion.chat.cli:store",
}


class _Lazy(click.Group):
    """A group that knows its commands by name and imports one when it is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=_Lazy)
@click.version_option(package_name="lion")
def main() -> None:
    """Distil a proprietary LLM into a small open student. `dvc repro` plays the loop."""
