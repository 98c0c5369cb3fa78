"""The error that a user can mend."""

from __future__ import annotations


class FieldError(ValueError):
    """A field cannot be used as it is; the message says why and what to do."""
