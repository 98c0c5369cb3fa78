"""`CanvasLine`: a warning on the canvas, beside what it is about."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from napari.components import ViewerModel

_STYLE: Mapping[str, Any] = MappingProxyType(
    {
        "visible": True,
        "position": "bottom_left",
        "color": "#ffb000",
        "font_size": 9,
        "box": True,
        "box_color": (0.0, 0.0, 0.0, 0.7),
    }
)
"""Attributes of the overlay while a warning is shown."""
_CHARACTERS = 50
"""Length of a line, for small windows. The other corners have colour and scale bars."""


class CanvasLine:
    """A warning over the canvas, in napari's text overlay.

    A text of the user is not replaced. After a warning, the overlay looks as before.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._overlay = viewer.canvas.overlays.text
        self._shown = ""
        self._before: dict[str, Any] | None = None

    def show(self, text: str) -> None:
        """Show a text; the empty one shows none."""
        lines = textwrap.fill(text, _CHARACTERS)
        if not self._may_write() or lines == self._overlay.text == self._shown:
            return
        self._overlay.text = self._shown = lines
        if not lines:
            self._restore()
            return
        if self._before is None:
            self._before = {name: getattr(self._overlay, name) for name in _STYLE}
        self._apply(_STYLE)

    def _restore(self) -> None:
        """Give the overlay the look that it had before the first warning."""
        before, self._before = self._before, None
        self._apply(before or {})

    def _apply(self, style: Mapping[str, Any]) -> None:
        for name, value in style.items():
            setattr(self._overlay, name, value)

    def _may_write(self) -> bool:
        """Whether the overlay is free, or has the text of this object."""
        return not self._overlay.text or self._overlay.text == self._shown
