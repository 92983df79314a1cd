"""The pipeline's stages, one click command each: load, do, save.

Only dvc.yaml knows the paths. See a stage's options with `python -m stages.NAME --help`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lion.support.timing import timed

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def path(*flags: str, help: str) -> Decorator:
    """Add a required option that names a file or folder."""
    return click.option(*flags, type=click.Path(path_type=Path), required=True, help=help)


_params = click.option(
    "--params",
    "params_path",
    type=click.Path(path_type=Path),
    default=Path("params.yaml"),
    show_default=True,
    help="The parameters.",
)


def params(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that names the parameters, and note how long the stage takes."""
    return _params(timed(command))


round_name = click.option("--round", "round_", required=True, help="The round's name, such as r1.")
