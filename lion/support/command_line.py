"""Settings and options that commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

# Click stores a command's help option when the command first parses. A command that only inherits
# these names would keep `--help` alone if something called it without its group.
HELP: dict[str, list[str]] = {"help_option_names": ["-h", "--help"]}
FILE = click.Path(path_type=Path, dir_okay=False)
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def params_option(help: str = "The parameters.") -> Decorator:
    """Add the option that names params.yaml."""
    return click.option(
        "--params",
        "params_path",
        type=FILE,
        default=Path("params.yaml"),
        show_default=True,
        help=help,
    )


def json_option(help: str = "Print JSON instead of text.") -> Decorator:
    """Add the flag --json."""
    return click.option("--json", "as_json", is_flag=True, help=help)
