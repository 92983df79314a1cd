"""The pipeline's stages, one click command each: load, do, save.

Only dvc.yaml knows the paths. See a stage's options with `python -m stages.NAME --help`.
"""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from lion.params import load_params
from lion.support.command_line import Decorator, params_option
from lion.support.timing import timed


def path(*flags: str, help: str, required: bool = True) -> Decorator:
    """Add an option that names a file or folder."""
    return click.option(*flags, type=click.Path(path_type=Path), required=required, help=help)


def params(command: Callable[..., Any]) -> Callable[..., Any]:
    """Pass the checked parameters as `params`, and note how long the stage takes."""

    @wraps(command)
    def run(*, params_path: Path, **options: Any) -> Any:
        return command(params=load_params(params_path), **options)

    return params_option()(timed(run))


round_name = click.option("--round", "round_", required=True, help="The round's name, such as r1.")
