"""Real git and DVC in separate folders, isolated from the developer's settings."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent


def environment(site: Path) -> dict[str, str]:
    """Return variables for git and DVC: venv first in PATH, an author, `site` for DVC's files."""
    who = ((role, what) for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL"))
    return {f"GIT_{role}_{what}": "t@example.org" for role, what in who} | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_SITE_CACHE_DIR": str(site),
        "DVC_GLOBAL_CONFIG_DIR": str(site),
        "DVC_NO_ANALYTICS": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }


def run(*command: str, root: Path | None = None) -> str:
    """Run a command in the caller's environment; it must succeed. Return its output."""
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def begin(root: Path) -> None:
    """Create an empty project under git and DVC."""
    run("git", "init", "--quiet", root=root)
    run("dvc", "init", "--quiet", root=root)


def commit_tables(root: Path, rounds: dict[str, str], tag: str) -> None:
    """Commit the folder data as the output of one stage; the real dvc.yaml names its paths."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"rounds": rounds}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    variables = yaml.safe_load((ROOT / "dvc.yaml").read_text())["vars"]
    stages = {
        "tables": {"cmd": "true", "outs": ["data"]},
        "report": {"cmd": "true", "deps": ["data"]},
    }
    (root / "dvc.yaml").write_text(yaml.safe_dump({"vars": variables, "stages": stages}))
    run("dvc", "commit", "--quiet", "--force", "tables", root=root)
    run("git", "add", "--all", root=root)
    run("git", "commit", "--quiet", "--message", tag, root=root)
    run("git", "tag", tag, root=root)
