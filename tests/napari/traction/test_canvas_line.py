from __future__ import annotations

import pytest
from napari.components import ViewerModel

from napari_vit_tfm.napari.traction.canvas_line import CanvasLine

LOOK = ("visible", "position", "color", "font_size", "box", "box_color")


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def look(viewer: ViewerModel) -> dict[str, object]:
    overlay = viewer.canvas.overlays.text
    values = {name: getattr(overlay, name) for name in LOOK}
    colours = ("color", "box_color")
    # Arrays cannot be compared with ==.
    known = {name: values[name] for name in colours if values[name] is not None}
    return {**values, **{name: tuple(value) for name, value in known.items()}}


def style(viewer: ViewerModel) -> None:
    """The look that a user has chosen, without a text yet."""
    overlay = viewer.canvas.overlays.text
    overlay.visible, overlay.position, overlay.color = True, "top_left", "red"
    overlay.font_size, overlay.box, overlay.box_color = 24, False, "blue"


@pytest.mark.parametrize("is_styled", [False, True])
def test_overlay_looks_as_before_after_warnings(viewer, is_styled):
    if is_styled:
        style(viewer)
    before, overlay = look(viewer), viewer.canvas.overlays.text
    line = CanvasLine(viewer)
    line.show("noise")
    assert overlay.visible
    assert overlay.position == "bottom_left"
    line.show("more noise")
    line.show("")
    assert overlay.text == ""
    assert look(viewer) == before
    # Each time again.
    line.show("noise")
    assert overlay.text == "noise"
    assert overlay.visible
    line.show("")
    assert look(viewer) == before


def test_overlay_looks_as_before_if_the_user_removes_the_warning(viewer):
    before = look(viewer)
    line = CanvasLine(viewer)
    line.show("noise")
    viewer.canvas.overlays.text.text = ""
    line.show("")
    assert look(viewer) == before


def test_text_of_the_user_is_not_changed(viewer):
    overlay = viewer.canvas.overlays.text
    overlay.text = "mine"
    style(viewer)
    before = look(viewer)
    line = CanvasLine(viewer)
    line.show("noise")
    line.show("")
    assert overlay.text == "mine"
    assert look(viewer) == before
