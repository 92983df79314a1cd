"""The pipeline's stages, one click command each: load, do, save.

Only dvc.yaml knows the paths. See a stage's options with `python -m stages.NAME --help`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lion.support.command_line import Decorator, params_option
from lion.support.timing import timed


def path(*flags: str, help: str, required: bool = True) -> Decorator:
    """Add an option that names a file or folder."""
    return click.option(*flags, type=click.Path(path_type=Path), required=required, help=help)


def params(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that names the parameters, and note how long the stage takes."""
    return params_option()(timed(command))


round_name = click.option("--round", "round_", required=True, help="The round's name, such as r1.")
