"""Qt deletes an object, as when a window closes, while Python still has it."""

from __future__ import annotations

from typing import Any

from qtpy import PYSIDE6


def delete(owned: Any) -> None:
    """Delete a Qt object with all that it owns."""
    if PYSIDE6:
        import shiboken6

        shiboken6.delete(owned)
    else:
        from PyQt6 import sip

        sip.delete(owned)
