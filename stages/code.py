"""Code: check the parameters and write one digest of the code behind each stage's result.

Every other stage depends on its digest, so this stage runs first: a wrong parameter ends the run
before any training or spending.
"""

from pathlib import Path

import click

import stages
from lion.params import Params
from lion.support.files import replacing_folder
from lion.versions.code import digest_file, stage_names


@click.command()
@stages.path("--out", help="Out: folder with one digest per stage.")
@stages.params
def main(out: Path, params: Params) -> None:
    """Load all parameters; hash what each stage imports from this project."""
    with replacing_folder(out) as folder:
        for name in stage_names(Path()):
            (folder / name).write_bytes(digest_file(Path(), name))


if __name__ == "__main__":
    main()
