"""The command line as a whole: quick to answer, documented as it is."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lion.cli import COMMANDS, main
from lion.cli_docs import page

ROOT = Path(__file__).parent.parent


def test_the_page_of_commands_is_as_they_are() -> None:
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == page(), "run `python -m lion.cli_docs` and commit docs/cli.md"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from lion.cli import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0;"
        "print({'torch', 'dvc', 'polars', 'pydantic', 'openai', 'yaml'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_help_answers_at_once() -> None:
    lion = Path(sys.executable).with_name("lion")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([lion, "--help"], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Of the processor, not of the clock: a busy machine must not fail it.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    assert f"## lion {name}\n" in page()


def _commands(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _commands(child, (*words, name))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_knows_it_without_its_group(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    context = command.make_context(name, [], resilient_parsing=True)
    assert context.help_option_names == ["-h", "--help"]


@pytest.mark.parametrize("words", list(_commands(main, ())), ids=" ".join)
def test_every_command_knows_the_short_option_for_help(words: tuple[str, ...]) -> None:
    short, long = (CliRunner().invoke(main, [*words, option]) for option in ("-h", "--help"))
    assert short.exit_code == 0
    assert short.output.startswith("Usage: ")
    assert short.output == long.output
