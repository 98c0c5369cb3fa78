"""`CanvasLine`: a warning on the canvas, beside what it is about."""

from __future__ import annotations

import textwrap

from napari.components import ViewerModel

_COLOUR = "#ffb000"
_BOX = (0.0, 0.0, 0.0, 0.7)
_CHARACTERS = 50
"""Length of a line, for small windows. The other corners have colour and scale bars."""


class CanvasLine:
    """A warning over the canvas, in napari's text overlay.

    A text of the user is not replaced.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._overlay = viewer.canvas.overlays.text
        self._shown = ""

    def show(self, text: str) -> None:
        """Show a text; the empty one shows none."""
        lines = textwrap.fill(text, _CHARACTERS)
        if not self._may_write() or lines == self._overlay.text:
            return
        overlay = self._overlay
        overlay.text = self._shown = lines
        overlay.visible = bool(lines)
        if lines:
            overlay.position = "bottom_left"
            overlay.color, overlay.font_size = _COLOUR, 9
            overlay.box, overlay.box_color = True, _BOX

    def _may_write(self) -> bool:
        """Whether the overlay is free, or has the text of this object."""
        return not self._overlay.text or self._overlay.text == self._shown
