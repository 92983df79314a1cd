"""Notices to the user, each printed once per process."""

import click

_said: set[str] = set()


def say_once(line: str, *, key: str = "") -> None:
    """Print `line` on stderr unless it, or another line with the same `key`, was printed before."""
    if (key or line) not in _said:
        _said.add(key or line)
        click.echo(line, err=True)
