"""The folders of work that must outlive a stage: paid replies, checkpoints, rate limits."""

import os
from pathlib import Path


def project_root() -> Path:
    """Return the nearest folder from here upwards that contains .dvc, else this folder.

    It does not import DVC, since that import takes longer than most commands.
    """
    upwards = (Path(), *Path.cwd().parents)
    return next((folder for folder in upwards if (folder / ".dvc").is_dir()), Path())


def store_home() -> Path:
    """Return the folder of a project's paid work: LION_HOME, else .lion in DVC's main project.

    DVC sets DVC_ROOT to the main project for each stage, also in queue workers and --temp runs, so
    all of them share one store. It is not an output of a stage, so DVC never deletes it.
    """
    own, main = os.environ.get("LION_HOME"), os.environ.get("DVC_ROOT")
    if own:
        return Path(own)
    return (Path(main) if main else project_root()) / ".lion"


def store_file() -> Path:
    """Return the file of a project's response store."""
    return store_home() / "replies.sqlite"


def machine_home() -> Path:
    """Return the folder that a user's projects on this machine share: LION_HOME, else the cache."""
    own = os.environ.get("LION_HOME")
    return Path(own) if own else user_cache()


def user_cache() -> Path:
    """Return the user's cache folder for Lion."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return Path(cache or Path.home() / ".cache") / "lion"
