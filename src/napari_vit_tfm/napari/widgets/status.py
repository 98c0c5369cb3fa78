"""Texts of the docks in the viewer's status bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.components import ViewerModel


class StatusLine:
    """A text in a viewer's status bar, in front of the viewer's own status.

    Several of them may be bound at once.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer, whose status is extended between `bind` and `unbind`.
    text : callable
        Returns the text; empty if there is none.
    """

    def __init__(self, viewer: ViewerModel, text: Callable[[], str]) -> None:
        self._viewer = viewer
        self._text = text
        self._own_status = self._viewer_status = ""

    def bind(self) -> None:
        """Watch the viewer's status."""
        self._viewer_status = _text_of(self._viewer.status)
        # Connected last, since the window shows the status that was set last.
        self._viewer.events.status.connect(self._on_status, position="last")

    def unbind(self) -> None:
        """Restore the viewer's own status, and stop watching it."""
        self._viewer.events.status.disconnect(self._on_status)
        self._restore()

    def refresh(self) -> None:
        """Update the status after the text may have changed."""
        text = self._text()
        if not text:
            self._restore()
            return
        status = f"{text}    {self._viewer_status}"
        if status != self._viewer.status:
            self._own_status = status
            self._viewer.status = status

    def _on_status(self) -> None:
        # Not the value of the event: another line may have added its text since then.
        status = _text_of(self._viewer.status)
        if not self._own_status or not status.endswith(self._own_status):
            self._viewer_status = status
            self.refresh()

    def _restore(self) -> None:
        own, self._own_status = self._own_status, ""
        if own and self._viewer.status == own:
            self._viewer.status = self._viewer_status


def _text_of(status: Any) -> str:
    """The text of a viewer's status, which is a string or has parts."""
    return status if isinstance(status, str) else str(status["coordinates"])
