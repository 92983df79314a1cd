"""`lion`: what DVC has no word for. Each command is imported when it is called."""

from importlib import import_module

import click

# Name: where it is, and what the list of commands says of it (asking it would import them all).
COMMANDS = {
    "check": ("lion.evaluate.check:check", "Contamination of a pool, equilibrium of the loop."),
    "estimate": ("lion.versions.cli:estimate", "What would run, and what it would cost."),
    "evaluate": ("lion.evaluate.cli:evaluate", "Relative quality of candidates."),
    "export": ("lion.export.cli:export", "A round's pools and student for Hugging Face."),
    "filter": ("lion.pools.filter_cli:filter", "Keep what is new among instructions."),
    "ledger": ("lion.chat.cli:ledger", "What was spent on replies."),
    "oracle": ("lion.oracle.cli:oracle", "The offline language model, as a server."),
    "pool": ("lion.versions.cli:pool", "What differs between versions of the pools."),
    "reasoning": ("lion.evaluate.reasoning_cli:reasoning", "Accuracy on reasoning tasks."),
    "rounds": ("lion.versions.cli:rounds", "The figures of each round."),
    "store": ("lion.chat.cli:store", "The replies that were paid for."),
    "trace": ("lion.versions.cli:trace", "The whole life of one instruction."),
    "view": ("lion.report.cli:view", "The page of a run, in the browser."),
}


class _Lazy(click.Group):
    """A group that knows its commands by name and imports one when it is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])


@click.group(cls=_Lazy)
@click.version_option(package_name="lion")
def main() -> None:
    """Distil a proprietary LLM into a small open student. `dvc repro` plays the loop."""
