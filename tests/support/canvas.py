"""Helpers for user input on a canvas, and for what the canvas then shows."""

from __future__ import annotations

import numpy as np
from napari.layers import Layer
from napari.utils._test_utils import read_only_mouse_event
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from napari.utils.key_bindings import coerce_keybinding

from napari_vit_tfm.attention.frame import ROLLOUT
from napari_vit_tfm.napari.layers.drawing import field_layers

# The fields are 27 x 40: 4 x 5 patches; those at the bottom have three rows.
ROWS, COLUMNS = 4, 5


def beside(viewer, source, stack) -> Layer:
    """Another field, with the frames at the same coordinates as in the first field."""
    layer = Layer.create(*field_layers(stack)[0])
    layer.scale, layer.translate = source.scale, source.translate
    viewer.layers.append(layer)
    return layer


def named(viewer, name: str) -> Layer:
    return next(layer for layer in viewer.layers if layer.name.startswith(name))


CHOSEN, POINTED_AT = (255, 77, 157), (255, 255, 255)


def outlined(viewer, colour):
    """First and last coordinates of an outline's pixels; None without an outline."""
    outlines = named(viewer, "outlines")
    found = np.argwhere((outlines.data == (*colour, 255)).all(axis=-1))
    if not len(found):
        return None
    ends = found.min(axis=0) - 0.5, found.max(axis=0) + 0.5
    return np.array([outlines.data_to_world(end) for end in ends])


def corners(source, *places):
    return np.array([source.data_to_world((0, *place))[1:] for place in places])


def names(viewer) -> list[str]:
    return [layer.name for layer in viewer.layers]


def relative_to_uniform(attention, patch, *, block=1, choice=ROLLOUT, kind="weights"):
    """The overlay as defined in the original work, relative to uniform attention."""
    weights = attention.map(block, *patch, choice=choice)
    drawn = attention.overlay(block, *patch, choice=choice, kind=kind)
    return drawn * weights.max() * weights.size


def choose(dock, patch) -> None:
    dock.inspector.choose(patch)


def pick(controls, name, value) -> None:
    """Choose a value in a form, as a user does."""
    controls.form[name].value = value


def hover(viewer, position) -> None:
    mouse_move_callbacks(
        viewer,
        read_only_mouse_event(
            "mouse_move", position=tuple(position), pos=(0, 0), is_dragging=False
        ),
    )


def key(viewer, name: str) -> None:
    """Call the action of a key, as the viewer does."""
    viewer.keymap[coerce_keybinding(name)](viewer)


def press(viewer, position, *, button=1, drag_to=None) -> None:
    """Press and release at world coordinates; a unit is 10 canvas pixels."""

    def event(kind, place, is_dragging=False):
        return read_only_mouse_event(
            kind,
            button=button,
            position=tuple(place),
            pos=np.asarray(place)[-2:] * 10,
            is_dragging=is_dragging,
        )

    mouse_press_callbacks(viewer, event("mouse_press", position))
    end = position
    if drag_to is not None:
        mouse_move_callbacks(viewer, event("mouse_move", drag_to, is_dragging=True))
        end = drag_to
    mouse_release_callbacks(viewer, event("mouse_release", end))


def world(source, row: float, column: float) -> tuple[float, ...]:
    return tuple(source.data_to_world((0, row, column)))
