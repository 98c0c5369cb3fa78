"""Errors in worker threads, and their messages."""

from __future__ import annotations

import logging

from napari.utils.notifications import show_error

from napari_vit_tfm.errors import TFMError, out_of_memory
from napari_vit_tfm.plain_text import without_tags

logger = logging.getLogger(__name__)


class RunError(Exception):
    """Wraps a RuntimeError in a worker thread, which is its cause.

    superqt takes a RuntimeError to mean that the program is closing: it reports no
    error, and the worker never finishes.
    """


def is_expected(error: Exception) -> bool:
    """Whether an error is one that the user can fix, and its message says how."""
    return isinstance(error, TFMError | OSError)


def in_one_line(error: Exception) -> str:
    """An error's message in one line; an unexpected error also has its type."""
    message = without_tags(" ".join(str(error).split()))
    if is_expected(error):
        return message
    cause = (isinstance(error, RunError) and error.__cause__) or error
    if out_of_memory(cause):
        return out_of_memory(cause)
    kind = type(cause)
    return f"unexpected error ({kind.__name__}): {message}"


def report(error: Exception, *, activity: str) -> str:
    """Show an error to the user, and log it if it is unexpected.

    Parameters
    ----------
    error : Exception
        The error.
    activity : str, keyword-only
        What has failed, for the log, such as "the run".

    Returns
    -------
    str
        Its message in one line.
    """
    if not is_expected(error):
        logger.error("%s failed", activity, exc_info=error)
    message = in_one_line(error)
    show_error(message)
    return message
