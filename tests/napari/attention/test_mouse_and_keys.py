"""Clicks, drags, mouse moves and keys."""

from __future__ import annotations

import numpy as np
from napari.utils.key_bindings import coerce_keybinding

from canvas import (
    CHOSEN,
    COLUMNS,
    POINTED_AT,
    ROWS,
    choose,
    corners,
    hover,
    key,
    named,
    outlined,
    press,
    relative_to_uniform,
    world,
)
from layers_of_fields import show_tractions

CORNERS = [
    ((0, 0), (-0.45, -0.45)),
    ((0, 0), (7.45, 7.45)),
    ((0, 1), (7.45, 7.55)),
    ((1, 0), (7.55, 7.45)),
    ((0, COLUMNS - 1), (-0.45, 39.45)),
    ((ROWS - 1, 0), (26.45, -0.45)),
    ((ROWS - 1, 0), (23.55, 7.45)),
    ((ROWS - 1, COLUMNS - 1), (26.45, 39.45)),
    ((ROWS - 1, COLUMNS - 1), (23.55, 31.55)),
]


def test_a_click_at_any_corner_chooses_its_patch(viewer, source, inspecting):
    for patch, place in CORNERS:
        inspecting.inspector.choose(None)
        press(viewer, world(source, *place))
        assert inspecting.inspector.shown.patch == patch
        assert f"patch ({patch[0]}, {patch[1]})" in inspecting.message.text()


def test_the_patch_that_was_clicked_is_outlined(viewer, source, inspecting):
    place = (26.45, 39.45)
    press(viewer, world(source, *place))
    # The patches at the bottom are smaller.
    patch = corners(source, (23.5, 31.5), (26.5, 39.5))
    np.testing.assert_allclose(outlined(viewer, CHOSEN), patch)
    inside = named(viewer, "outlines").world_to_data(patch.mean(axis=0))
    assert named(viewer, "outlines").data[tuple(np.round(inside).astype(int))][3] == 0
    press(viewer, world(source, 3, 3))
    patch = corners(source, (-0.5, -0.5), (7.5, 7.5))
    np.testing.assert_allclose(outlined(viewer, CHOSEN), patch)
    # The mouse is in the clicked patch, so no other patch is outlined.
    assert outlined(viewer, POINTED_AT) is None


def test_clicks_outside_the_field_are_ignored(viewer, source, inspecting):
    for place in ((-0.6, 5), (27, 5), (5, -0.6), (5, 40), (-100, 400)):
        press(viewer, world(source, *place))
        assert inspecting.inspector.shown.patch is None
        assert inspecting.message.text().startswith("Click a patch")


def test_drags_and_other_buttons_are_ignored(viewer, source, inspecting):
    here, there = world(source, 3, 3), world(source, 14, 20)
    press(viewer, here, drag_to=there)
    press(viewer, here, button=2)
    assert inspecting.inspector.shown.patch is None
    press(viewer, here, drag_to=np.add(here, 0.1))
    assert inspecting.inspector.shown.patch == (0, 0)


def test_the_patch_under_the_mouse_is_outlined_and_named(viewer, source, inspecting):
    assert outlined(viewer, POINTED_AT) is None
    hover(viewer, world(source, 12, 20))
    patch = corners(source, (7.5, 15.5), (15.5, 23.5))
    np.testing.assert_allclose(outlined(viewer, POINTED_AT), patch)
    viewer.status = "displacement [0 12 20]: 0.1"
    assert viewer.status.startswith("patch (1, 2), number 7")
    assert viewer.status.endswith("displacement [0 12 20]: 0.1")
    viewer.status = {"layer_base": "a", "coordinates": " [0 12 20]: 0.1"}
    assert viewer.status.startswith("patch (1, 2), number 7")
    choose(inspecting, (0, 0))
    viewer.status = "again"
    assert "uniform attention" in viewer.status
    hover(viewer, world(source, -20, 20))
    assert outlined(viewer, POINTED_AT) is None
    assert outlined(viewer, CHOSEN) is not None
    viewer.status = "beside the field"
    assert viewer.status == "beside the field"


def test_the_outline_is_removed_when_the_mouse_leaves_the_canvas(
    viewer, source, inspecting
):
    viewer.mouse_over_canvas = True
    hover(viewer, world(source, 12, 20))
    assert outlined(viewer, POINTED_AT) is not None
    viewer.mouse_over_canvas = False
    assert outlined(viewer, POINTED_AT) is None


def test_the_status_follows_the_map_without_a_mouse_move(
    viewer, source, inspecting, expected, qtbot
):
    hover(viewer, world(source, 12, 20))
    viewer.status = "[0 12 20]"

    def shares(patch, block):
        weights = expected(0).map(block, *patch)
        relative = weights[1, 2] * weights.size
        times = "\N{MULTIPLICATION SIGN}"
        return f": {relative:.2f} {times} uniform attention    [0 12 20]"

    choose(inspecting, (1, 2))
    qtbot.waitUntil(lambda: viewer.status.endswith(shares((1, 2), 1)))
    key(viewer, "Left")
    qtbot.waitUntil(lambda: viewer.status.endswith(shares((1, 1), 1)))
    inspecting.controls.block.slider.setValue(1)
    qtbot.waitUntil(lambda: viewer.status.endswith(shares((1, 1), 0)))
    # Patches that are not visible are not named.
    viewer.dims.ndisplay = 3
    assert viewer.status == "[0 12 20]"
    viewer.status = "in 3D"
    assert viewer.status == "in 3D"
    viewer.dims.ndisplay = 2
    hover(viewer, world(source, 12, 20))
    viewer.status = "[0 12 20]"
    assert viewer.status.startswith("patch (1, 2)")
    inspecting.switch.setChecked(False)
    assert viewer.status == "[0 12 20]"


def test_keys_switch_on_move_and_switch_off(viewer, dock, finish):
    arrow = coerce_keybinding("Left")
    assert arrow not in viewer.keymap
    key(viewer, "A")
    finish(dock)
    assert dock.switch.isChecked()
    key(viewer, "Left")
    assert dock.inspector.shown.patch == (ROWS // 2, COLUMNS // 2)
    key(viewer, "Left")
    key(viewer, "Up")
    assert dock.inspector.shown.patch == (ROWS // 2 - 1, COLUMNS // 2 - 1)
    for _ in range(7):
        key(viewer, "Right")
        key(viewer, "Down")
    assert dock.inspector.shown.patch == (ROWS - 1, COLUMNS - 1)
    key(viewer, "Escape")
    assert not dock.switch.isChecked()
    assert arrow not in viewer.keymap
    key(viewer, "A")
    assert dock.switch.isChecked()


def test_previous_key_bindings_are_restored(viewer, dock, finish):
    called = []
    dock.hide()
    viewer.bind_key("Left", lambda _viewer: called.append("left"))
    viewer.bind_key("A", lambda _viewer: called.append("a"))
    dock.show()
    dock.switch.setChecked(True)
    key(viewer, "Left")
    dock.hide()
    key(viewer, "Left")
    key(viewer, "A")
    assert called == ["left", "a"]
    finish(dock)


def test_a_click_before_the_frame_is_computed_is_kept(viewer, source, dock, finish):
    dock.switch.setChecked(True)
    press(viewer, world(source, 12, 20))
    finish(dock)
    assert dock.inspector.shown.patch == (1, 2)


def test_an_early_click_outside_the_field_is_ignored(
    viewer, source, inspecting, finish, expected
):
    choose(inspecting, (1, 2))
    viewer.dims.set_current_step(0, 1)
    press(viewer, world(source, -100, -100))
    finish(inspecting)
    assert inspecting.message.text().startswith("Frame 1, patch (1, 2)")
    right = relative_to_uniform(expected(1), (1, 2))
    np.testing.assert_allclose(named(viewer, "map").data, right, rtol=1e-5)


def test_clicks_on_moved_tractions_choose_a_patch(
    viewer, source, inspecting, traction, finish
):
    image, vectors = show_tractions(viewer.layers, traction, source)
    finish(inspecting)
    for layer in (image, vectors):
        layer.translate = (4, 100, -50)
    for layer, patch in ((image, (1, 2)), (vectors, (3, 4))):
        place = layer.data_to_world((0, 8 * patch[0] + 1, 8 * patch[1] + 1))
        press(viewer, place)
        assert inspecting.inspector.shown.patch == patch
        # The map has moved to the clicked layer.
        np.testing.assert_allclose(
            named(viewer, "map").data_to_world((5, 6)),
            layer.data_to_world((0, 5, 6))[1:],
        )
    press(viewer, world(source, 1, 1))
    assert inspecting.inspector.shown.patch == (0, 0)
    np.testing.assert_allclose(
        named(viewer, "map").data_to_world((5, 6)),
        source.data_to_world((0, 5, 6))[1:],
    )


def test_clicks_are_in_the_units_of_the_viewer(viewer, source, inspecting):
    viewer.add_image(np.zeros((8, 8)), units="nm")
    _, row, column = world(source, 12, 20)
    press(viewer, (4, 1000 * row, 1000 * column))
    assert inspecting.inspector.shown.patch == (1, 2)
