"""A viewer's mouse, keys and status, as what they mean for a grid of patches."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from typing import Any

from napari.components import ViewerModel
from napari.utils.events import Event

_CLICK_TOLERANCE_PX = 4

ARROWS: Mapping[str, tuple[int, int]] = {
    "Up": (-1, 0),
    "Down": (1, 0),
    "Left": (0, -1),
    "Right": (0, 1),
}
"""Keys, and by how many rows and columns they move a patch."""

Position = tuple[float, ...]


def shows_plane(viewer: ViewerModel) -> bool:
    """Whether a viewer shows rows and columns, in two dimensions, layer over layer."""
    dims = viewer.dims
    are_rows_and_columns = tuple(dims.displayed) == (dims.ndim - 2, dims.ndim - 1)
    is_grid = viewer.canvas.grid.enabled
    return dims.ndisplay == 2 and are_rows_and_columns and not is_grid


class Pointer:
    """The mouse over a viewer's canvas: where it is, and clicks.

    A click is a press without a drag, so that dragging goes on moving the
    picture. Views in three dimensions, of other axes than rows and columns, or of
    the layers beside each other, are left alone.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer; listened to between `bind` and `unbind`.
    on_move, on_click : callable, keyword-only
        Told the position in the world.
    on_leave : callable, keyword-only
        Called when the mouse leaves the canvas.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        *,
        on_move: Callable[[Position], None],
        on_click: Callable[[Position], None],
        on_leave: Callable[[], None],
    ) -> None:
        self._viewer = viewer
        self._on_move = on_move
        self._on_click = on_click
        self._on_leave = on_leave

    def bind(self) -> None:
        """Listen to the mouse."""
        self._viewer.mouse_move_callbacks.append(self._moved)
        self._viewer.mouse_drag_callbacks.append(self._pressed)
        self._viewer.events.mouse_over_canvas.connect(self._crossed_edge)

    def unbind(self) -> None:
        """Stop listening."""
        self._viewer.mouse_move_callbacks.remove(self._moved)
        self._viewer.mouse_drag_callbacks.remove(self._pressed)
        self._viewer.events.mouse_over_canvas.disconnect(self._crossed_edge)

    def _moved(self, viewer: ViewerModel, event: Any) -> None:
        if shows_plane(viewer):
            self._on_move(tuple(event.position))

    def _crossed_edge(self) -> None:
        if not self._viewer.mouse_over_canvas:
            self._on_leave()

    def _pressed(self, viewer: ViewerModel, event: Any) -> Generator[None, None, None]:
        if event.button != 1 or not shows_plane(viewer):
            return
        pressed = tuple(event.pos)
        dragged = False
        yield
        while event.type == "mouse_move":
            dragged |= math.dist(pressed, event.pos) > _CLICK_TOLERANCE_PX
            yield
        if not dragged:
            self._on_click(tuple(event.position))


class StatusLine:
    """Words in a viewer's status bar, before what it says of the place itself.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer; its status is watched between `bind` and `unbind`.
    words : callable
        Returns the words; empty where there is nothing to say.
    """

    def __init__(self, viewer: ViewerModel, words: Callable[[], str]) -> None:
        self._viewer = viewer
        self._words = words
        self._said = self._of_viewer = ""

    def bind(self) -> None:
        """Speak before the viewer."""
        # Last of all, since the window shows what was said last.
        self._viewer.events.status.connect(self._on_status, position="last")

    def unbind(self) -> None:
        """Let the viewer speak alone."""
        self._viewer.events.status.disconnect(self._on_status)
        self.clear()

    def _on_status(self, event: Event) -> None:
        said = event.value
        # What is said here is announced, too.
        if said != self._said:
            self._of_viewer = said if isinstance(said, str) else said["coordinates"]
            self.refresh()

    def refresh(self) -> None:
        """Say it anew: the words may be others now."""
        words = self._words()
        if words:
            self._said = f"{words}    {self._of_viewer}"
            self._viewer.status = self._said

    def clear(self) -> None:
        """Leave what the viewer has said, until it says something else."""
        if self._said and self._viewer.status == self._said:
            self._viewer.status = self._of_viewer
        self._said = self._of_viewer = ""


class Keys:
    """Keys of a viewer that mean something else for a while.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    actions : mapping of str to callable
        What each key does between `bind` and `unbind`.
    """

    def __init__(
        self, viewer: ViewerModel, actions: Mapping[str, Callable[[], None]]
    ) -> None:
        self._viewer = viewer
        self._ours = {key: _of_viewer(action) for key, action in actions.items()}
        self._theirs: dict[str, Any] = {}

    @property
    def are_bound(self) -> bool:
        """Whether the keys mean something else now."""
        return bool(self._theirs)

    def bind(self) -> None:
        """Take the keys."""
        for key, ours in self._ours.items():
            self._theirs[key] = self._viewer.bind_key(key, ours, overwrite=True)

    def unbind(self) -> None:
        """Give the keys back to whoever had them before."""
        for key, ours in self._ours.items():
            theirs = self._theirs.pop(key)
            now = self._viewer.bind_key(key, None)
            # Somebody may have taken it in the meantime.
            restored = theirs if now is ours else now
            if restored is not None:
                self._viewer.bind_key(key, restored, overwrite=True)


def _of_viewer(action: Callable[[], None]) -> Callable[[ViewerModel], None]:
    def act(_viewer: ViewerModel) -> None:
        action()

    return act
