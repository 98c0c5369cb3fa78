"""Errors in worker threads, and how they are told."""

from __future__ import annotations

from napari_vit_tfm.errors import FieldError


class RunError(Exception):
    """A RuntimeError in a run, which is its cause.

    The worker's own library takes a RuntimeError for the end of the program:
    it tells nobody, and the worker never finishes.
    """


def is_expected(error: Exception) -> bool:
    """Whether an error's own words tell the user what to do."""
    return isinstance(error, FieldError | OSError)


def in_one_line(error: Exception) -> str:
    """What went wrong, for the person who started it."""
    text = " ".join(str(error).split())
    if is_expected(error):
        return text
    kind = type(error.__cause__ if isinstance(error, RunError) else error)
    return f"unexpected error ({kind.__name__}): {text}"
