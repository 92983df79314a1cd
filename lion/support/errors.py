"""Errors for the user: one line, exit code 1, no traceback.

LionError
├── InputError    a file, row or key that the user gave is wrong
├── ParamsError   params.yaml holds an unknown, missing or contradictory value
├── ChatError     a request to a language model failed, or its reply is unusable
└── EmptyError    a stage has no rows to write

Every message says what is wrong, where (file, row, key) and what to do.
"""

import click

from lion.support.text import visible


class LionError(click.ClickException):
    """A one-line message for the user; click prints it and exits with 1."""

    def format_message(self) -> str:
        """Return the message as one line of visible characters; parts may come from a server."""
        return " ".join(visible(self.message).splitlines())


class InputError(LionError):
    """A file, row or key that the user gave is wrong."""


class ParamsError(LionError):
    """params.yaml holds an unknown, missing or contradictory value."""


class ChatError(LionError):
    """A request to a language model failed, or its reply is unusable."""


class EmptyError(LionError):
    """A stage has no rows to write."""
