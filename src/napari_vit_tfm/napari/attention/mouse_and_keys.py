"""Mouse and keys of a viewer."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from typing import Any

from napari.components import ViewerModel

_CLICK_TOLERANCE_PX = 4

ARROWS: Mapping[str, tuple[int, int]] = {
    "Up": (-1, 0),
    "Down": (1, 0),
    "Left": (0, -1),
    "Right": (0, 1),
}
"""Arrow keys, and the rows and columns by which they move the chosen patch."""

Position = tuple[float, ...]


def shows_plane(viewer: ViewerModel) -> bool:
    """Whether a viewer shows rows and columns in 2D, with grid mode switched off."""
    dims = viewer.dims
    are_rows_and_columns = tuple(dims.displayed) == (dims.ndim - 2, dims.ndim - 1)
    is_grid = viewer.canvas.grid.enabled
    return dims.ndisplay == 2 and are_rows_and_columns and not is_grid


class Pointer:
    """Reports mouse moves and clicks on a viewer's canvas.

    A click is a press without a drag, so dragging still pans the canvas. Nothing
    is reported in 3D view, with transposed axes, or in grid mode.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer, whose events are handled between `bind` and `unbind`.
    on_move, on_click : callable, keyword-only
        Called with the position in world coordinates.
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
        """Connect to the viewer."""
        self._viewer.mouse_move_callbacks.append(self._on_mouse_move)
        self._viewer.mouse_drag_callbacks.append(self._on_mouse_press)
        self._viewer.events.mouse_over_canvas.connect(self._on_mouse_over_canvas)

    def unbind(self) -> None:
        """Disconnect from the viewer."""
        self._viewer.mouse_move_callbacks.remove(self._on_mouse_move)
        self._viewer.mouse_drag_callbacks.remove(self._on_mouse_press)
        self._viewer.events.mouse_over_canvas.disconnect(self._on_mouse_over_canvas)

    def _on_mouse_move(self, viewer: ViewerModel, event: Any) -> None:
        if shows_plane(viewer):
            self._on_move(tuple(event.position))

    def _on_mouse_over_canvas(self) -> None:
        if not self._viewer.mouse_over_canvas:
            self._on_leave()

    def _on_mouse_press(
        self, viewer: ViewerModel, event: Any
    ) -> Generator[None, None, None]:
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


class Keys:
    """Temporary key bindings of a viewer.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    actions : mapping of str to callable
        Action of each key between `bind` and `unbind`.
    """

    def __init__(
        self, viewer: ViewerModel, actions: Mapping[str, Callable[[], None]]
    ) -> None:
        self._viewer = viewer
        self._actions = {key: _keybinding(action) for key, action in actions.items()}
        self._previous: dict[str, Any] = {}

    def bind(self) -> None:
        """Bind the keys, and remember their previous bindings."""
        for key, action in self._actions.items():
            self._previous[key] = self._viewer.bind_key(key, action, overwrite=True)

    def unbind(self) -> None:
        """Restore the previous bindings."""
        for key, action in self._actions.items():
            previous = self._previous.pop(key)
            current = self._viewer.bind_key(key, None)
            # Keep a binding that was made in the meantime.
            restored = previous if current is action else current
            if restored is not None:
                self._viewer.bind_key(key, restored, overwrite=True)


def _keybinding(action: Callable[[], None]) -> Callable[[ViewerModel], None]:
    """An action as a key binding, which napari calls with the viewer."""

    def run(_viewer: ViewerModel) -> None:
        action()

    return run
