"""Where work is kept that must outlive a stage: paid replies, training checkpoints, answers."""

import os
from pathlib import Path


def store_home() -> Path:
    """Folder of what was paid for: LION_HOME, else .lion in DVC's main project, else here.

    DVC sets DVC_ROOT to the main project for every stage, in queue workers and --temp runs too,
    so that they all share one store, and `dvc` never deletes it with a stage's outs.
    """
    own = os.environ.get("LION_HOME")
    return Path(own) if own else Path(os.environ.get("DVC_ROOT") or ".") / ".lion"
