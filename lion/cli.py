"""The `lion` command. Each subcommand is imported only when it is called."""

from importlib import import_module

import click

from lion.support.command_line import HELP

# Name: module and function, and its line in the list (reading docstrings would import them all).
COMMANDS = {
    "chat": ("lion.export.chat:chat", "Ask a student and the teacher side by side."),
    "check": ("lion.evaluate.check:check", "Check seeds, and pools for evaluation questions."),
    "doctor": ("lion.versions.doctor:doctor", "Check everything a run needs, before you pay."),
    "estimate": ("lion.versions.cli:estimate", "Estimate what would run, and its cost."),
    "evaluate": ("lion.evaluate.cli:evaluate", "Measure the relative quality of candidates."),
    "export": ("lion.export.cli:export", "Export a round's pools and student for Hugging Face."),
    "filter": ("lion.pools.filter_cli:filter", "Filter new instructions against a pool."),
    "ledger": ("lion.chat.cli:ledger", "Show what was spent."),
    "oracle": ("lion.oracle.cli:oracle", "Serve the offline language model."),
    "pool": ("lion.versions.cli:pool", "Compare versions of the pools."),
    "reasoning": ("lion.evaluate.reasoning_cli:reasoning", "Measure accuracy on reasoning tasks."),
    "rounds": ("lion.versions.cli:rounds", "Show the figures of each round."),
    "store": ("lion.chat.cli:store", "Manage the stored replies."),
    "trace": ("lion.versions.cli:trace", "Show the history of one instruction."),
    "try": ("lion.versions.cli:try_", "Try a few of your seeds in every role."),
    "view": ("lion.report.cli:view", "Show a run in the browser."),
}


class _Lazy(click.Group):
    """A group that imports a command only when it is called."""

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


@click.group(cls=_Lazy, context_settings=HELP)
@click.version_option(package_name="lion")
def main() -> None:
    """Distil a proprietary LLM into a small open student. `dvc repro` runs the loop."""
