"""Errors that are meant for the user: one line, exit code 1, no traceback.

LionError
├── InputError    a file, row or key that the user gave is wrong
├── ParamsError   params.yaml holds an unknown, missing or contradictory value
├── ChatError     a language model could not be asked, or answered unusably
└── EmptyError    a stage would have written a result with nothing in it

Every message says what is wrong, where (file, row, key) and what to do.
"""

import click


class LionError(click.ClickException):
    """What went wrong, in one line for the user; click prints it and exits with 1."""


class InputError(LionError):
    """A file, row or key that the user gave is wrong."""


class ParamsError(LionError):
    """params.yaml holds an unknown, missing or contradictory value."""


class ChatError(LionError):
    """A language model could not be asked, or answered unusably."""


class EmptyError(LionError):
    """A stage would have written a result with nothing in it."""
