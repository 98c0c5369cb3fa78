"""Errors in worker threads, and their messages."""

from __future__ import annotations

from napari_vit_tfm.errors import TFMError


class RunError(Exception):
    """Wraps a RuntimeError in a worker thread, which is its cause.

    superqt takes a RuntimeError for the end of the program: it reports no error,
    and the worker never finishes.
    """


def is_expected(error: Exception) -> bool:
    """Whether an error is one that the user can fix, and its message says how."""
    return isinstance(error, TFMError | OSError)


def in_one_line(error: Exception) -> str:
    """An error's message in one line; an unexpected error also has its type."""
    message = " ".join(str(error).split())
    if is_expected(error):
        return message
    kind = type(error.__cause__ if isinstance(error, RunError) else error)
    return f"unexpected error ({kind.__name__}): {message}"
