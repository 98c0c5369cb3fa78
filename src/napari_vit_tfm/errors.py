"""Errors that a user can fix.

Every message states what is wrong and, where possible, what to do. Callers that
report any such error catch `TFMError`. Callers that handle one kind catch its class.
"""

from __future__ import annotations


class TFMError(ValueError):
    """Base class of all errors that a user can fix.

    Examples
    --------
    >>> from napari_vit_tfm import Gel, TFMError
    >>> try:
    ...     Gel(young_pa=-1.0)
    ... except TFMError as error:
    ...     print(error)
    Young's modulus must be above 0.001 and at most 1e+13, not -1.0
    """


class FieldError(TFMError):
    """A vector field, its units, lengths or gel cannot be used."""


class FieldFileError(TFMError):
    """A file cannot be read or written."""


class ModelError(TFMError):
    """A model cannot be loaded, or does not support what is required of it."""


class ConfigError(TFMError):
    """A setting is not valid, or several settings contradict each other."""


class Cancelled(Exception):
    """A computation was cancelled by its callback, between two of its steps."""


def out_of_memory(error: BaseException) -> str:
    """What to tell about an error for which the memory was too small.

    Parameters
    ----------
    error : BaseException
        Any error.

    Returns
    -------
    str
        Empty for other errors.

    Examples
    --------
    >>> from napari_vit_tfm.errors import out_of_memory
    >>> out_of_memory(MemoryError())
    'not enough memory'
    >>> out_of_memory(ValueError("no number"))
    ''
    """
    # torch is not imported for its class.
    if type(error).__name__ == "OutOfMemoryError":
        return "not enough memory on the GPU: close other programs, or use the CPU"
    # torch on the CPU raises a RuntimeError.
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return "not enough memory"
    return ""
