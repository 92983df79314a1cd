"""Where work is kept that must outlive a stage: paid replies, training checkpoints, answers."""

import os
from pathlib import Path


def project_root() -> Path:
    """The project's folder: the nearest one from here upwards that DVC works from, else here.

    Found without importing DVC, which takes longer than most commands.
    """
    upwards = (Path(), *Path.cwd().parents)
    return next((folder for folder in upwards if (folder / ".dvc").is_dir()), Path())


def store_home() -> Path:
    """Folder of what was paid for: LION_HOME, else .lion in DVC's main project.

    DVC sets DVC_ROOT to the main project for every stage, in queue workers and --temp runs too,
    so that they all share one store, and `dvc` never deletes it with a stage's outs.
    """
    own, main = os.environ.get("LION_HOME"), os.environ.get("DVC_ROOT")
    if own:
        return Path(own)
    return (Path(main) if main else project_root()) / ".lion"
