from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from napari.components import LayerList
from napari.layers import Layer
from napari.utils._proxies import PublicOnlyProxy
from napari.utils._test_utils import read_only_mouse_event
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtGui import QColor, QGuiApplication
from qtpy.QtWidgets import QFileDialog

from napari_vit_tfm.config import REFERENCE_POISSON, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.findings import EVIDENCE
from napari_vit_tfm.inspection import ROLLOUT, MapChoice, frame_attention
from napari_vit_tfm.napari import attention_dock
from napari_vit_tfm.napari.attention_dock import AttentionDock
from napari_vit_tfm.napari.attention_layers import AttentionLayers
from napari_vit_tfm.napari.inspector import CACHED_FRAMES
from napari_vit_tfm.napari.layers import (
    describe,
    field_layers,
    show_tractions,
    tractions_of,
)
from napari_vit_tfm.patches import PatchGrid
from napari_vit_tfm.physics.substrate import Substrate

# The fields are 27 x 40: 4 x 5 patches, the lowest of three rows.
ROWS, COLUMNS = 4, 5


@pytest.fixture
def source(viewer, displacement) -> Layer:
    layers = [Layer.create(*data) for data in field_layers(displacement)]
    for layer in layers:
        layer.scale = (2, 0.7, 0.9)
        layer.translate = (4, -3, 12)
    viewer.layers.extend(layers)
    viewer.dims.set_current_step(0, 0)
    return layers[0]


def beside(viewer, source, stack) -> Layer:
    """Another field, with its frames where the first one has them."""
    layer = Layer.create(*field_layers(stack)[0])
    layer.scale, layer.translate = source.scale, source.translate
    viewer.layers.append(layer)
    return layer


@pytest.fixture
def dock(viewer, source, qtbot, weights, finish):
    dock = AttentionDock(viewer)
    qtbot.addWidget(dock)
    dock.model.choose(str(weights))
    dock.show()
    yield dock
    finish(dock)
    dock.hide()


@pytest.fixture
def expected(displacement, weights):
    def compute(frame: int, **options):
        config = ReconstructionConfig(model=str(weights))
        return frame_attention(displacement, frame, config=config, **options)

    return compute


@pytest.fixture
def inspecting(dock, finish):
    dock.switch.setChecked(True)
    finish(dock)
    return dock


def named(viewer, name: str) -> Layer:
    return next(layer for layer in viewer.layers if layer.name.startswith(name))


CHOSEN, POINTED_AT = (255, 77, 157), (255, 255, 255)


def outlined(viewer, colour):
    """First and last place of an outline, as far as its pixels reach, or None."""
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


def in_even_shares(attention, patch, *, block=1, choice=ROLLOUT, kind="weights"):
    """The overlay of the original definition, in even shares."""
    weights = attention.map(block, *patch, choice=choice)
    drawn = attention.overlay(block, *patch, choice=choice, kind=kind)
    return drawn * weights.max() * weights.size


def choose(dock, patch) -> None:
    dock.inspector.look_at(patch=patch)


def pick(combo, data) -> None:
    """As a user does it."""
    index = combo.findData(data)
    combo.setCurrentIndex(index)
    combo.activated.emit(index)


def hover(viewer, position) -> None:
    mouse_move_callbacks(
        viewer,
        read_only_mouse_event(
            "mouse_move", position=tuple(position), pos=(0, 0), is_dragging=False
        ),
    )


def key(viewer, name: str) -> None:
    """What the key does, whose action the viewer calls with itself."""
    viewer.keymap[coerce_keybinding(name)](viewer)


def press(viewer, position, *, button=1, drag_to=None) -> None:
    """A press and a release at a place in the world, in canvas pixels 10 a unit."""

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


@pytest.mark.parametrize(("patch", "place"), CORNERS)
def test_a_click_at_any_corner_chooses_its_patch(
    viewer, source, inspecting, patch, place
):
    press(viewer, world(source, *place))
    assert inspecting.inspector.shown.patch == patch
    assert f"patch ({patch[0]}, {patch[1]})" in inspecting.text.text()


def test_the_patch_that_was_clicked_is_outlined(viewer, source, inspecting):
    place = (26.45, 39.45)
    press(viewer, world(source, *place))
    # The lowest patches are cut by the field's edge.
    patch = corners(source, (23.5, 31.5), (26.5, 39.5))
    np.testing.assert_allclose(outlined(viewer, CHOSEN), patch)
    inside = named(viewer, "outlines").world_to_data(patch.mean(axis=0))
    assert named(viewer, "outlines").data[tuple(np.round(inside).astype(int))][3] == 0
    press(viewer, world(source, 3, 3))
    patch = corners(source, (-0.5, -0.5), (7.5, 7.5))
    np.testing.assert_allclose(outlined(viewer, CHOSEN), patch)
    # The mouse is where it clicked: no other patch is outlined as if it were there.
    assert outlined(viewer, POINTED_AT) is None


@pytest.mark.parametrize("place", [(-0.6, 5), (27, 5), (5, -0.6), (5, 40), (-100, 400)])
def test_clicks_beside_the_field_choose_nothing(viewer, source, inspecting, place):
    press(viewer, world(source, *place))
    assert inspecting.inspector.shown.patch is None
    assert inspecting.text.text().startswith("Click a patch of the grid")


def test_drags_and_other_buttons_choose_nothing(viewer, source, inspecting):
    here, there = world(source, 3, 3), world(source, 14, 20)
    press(viewer, here, drag_to=there)
    press(viewer, here, button=2)
    assert inspecting.inspector.shown.patch is None
    press(viewer, here, drag_to=np.add(here, 0.1))
    assert inspecting.inspector.shown.patch == (0, 0)


def test_the_map_is_the_rollout_and_lies_over_the_field(
    viewer, source, inspecting, expected
):
    press(viewer, world(source, 12, 20))
    overlay = named(viewer, "map")
    assert inspecting.inspector.shown.patch == (1, 2)
    np.testing.assert_allclose(
        overlay.data, in_even_shares(expected(0), (1, 2)), rtol=1e-5
    )
    for corner in ((0, 0), (26, 39)):
        np.testing.assert_allclose(
            overlay.data_to_world(corner), source.data_to_world((0, *corner))[1:]
        )
    assert overlay.units == source.units[1:]


def test_what_is_chosen_changes_the_map_in_place(viewer, inspecting, expected):
    choose(inspecting, (1, 2))
    overlay, layers = named(viewer, "map"), len(viewer.layers)
    controls = inspecting.controls
    slider = controls.block.slider
    assert (slider.minimum(), slider.maximum(), slider.value()) == (1, 2, 2)

    def assert_shown(**options) -> None:
        right = in_even_shares(expected(0), (1, 2), **options)
        np.testing.assert_allclose(overlay.data, right, rtol=1e-5)

    slider.setValue(1)
    assert_shown(block=0)
    assert "after block 1 of 2" in inspecting.text.text()
    pick(controls.kind, "displacement")
    assert_shown(block=0, kind="displacement")
    pick(controls.kind, "weights")
    assert not controls.head.isEnabled()
    pick(controls.map, "attention")
    assert_shown(block=0, choice=MapChoice("attention"))
    assert "mean of 2 heads" in inspecting.text.text()
    pick(controls.head, 1)
    assert_shown(block=0, choice=MapChoice("attention", 1))
    assert "head 2 of 2" in inspecting.text.text()
    pick(controls.direction, "to")
    assert_shown(block=0, choice=MapChoice("attention", 1, "to"))
    assert "look at it" in inspecting.text.text()
    column = expected(0).map(0, 1, 2, choice=MapChoice("attention", 1, "to"))
    assert f"is {column[1, 2]:.1%} of what it has" in inspecting.text.text()
    # Rollout has no heads.
    pick(controls.map, "rollout")
    assert_shown(block=0, choice=MapChoice("rollout", None, "to"))
    assert len(viewer.layers) == layers
    assert overlay in viewer.layers


def test_the_scale_stays_and_is_stated(viewer, inspecting, expected, displacement):
    overlay = named(viewer, "attention")
    longest = displacement.magnitude().max()
    for patch in ((0, 0), (1, 2)):
        for block in (0, 1):
            inspecting.inspector.look_at(patch=patch, block=block, kind="weights")
            assert overlay.contrast_limits == [0, 4]
            assert overlay.colorbar.visible
            assert "end at 4 even shares" in inspecting.text.text()
    inspecting.inspector.look_at(kind="displacement")
    np.testing.assert_allclose(overlay.contrast_limits, (0, 2 * longest))
    assert overlay.name.startswith("map (µm \N{MULTIPLICATION SIGN} even shares)")
    # The original's own scale: up to the map's maximum.
    pick(inspecting.controls.scale, "peak")
    np.testing.assert_allclose(overlay.contrast_limits, (0, longest))
    right = expected(0).overlay(1, 1, 2, kind="displacement")
    np.testing.assert_allclose(overlay.data, right, rtol=1e-5)
    assert "end at the longest displacement" in inspecting.text.text()
    inspecting.inspector.look_at(kind="weights")
    assert overlay.contrast_limits == [0, 1]
    np.testing.assert_allclose(overlay.data, expected(0).overlay(1, 1, 2), rtol=1e-5)
    assert "map's own maximum" in inspecting.text.text()


def test_the_sentence_gives_the_numbers(inspecting, expected):
    choose(inspecting, (1, 2))
    weights = expected(0).map(1, 1, 2)
    others = np.delete(weights.ravel(), 1 * COLUMNS + 2)
    text = inspecting.text.text()
    assert f"has {weights[1, 2]:.1%} itself" in text
    assert f"{others.min():.2%} to {others.max():.2%}" in text
    assert "even share is 5.00%" in text
    assert "number 7" in text


def test_playing_goes_round_the_blocks(viewer, inspecting, finish, qtbot):
    choose(inspecting, (1, 2))
    block = inspecting.controls.block
    block.step()
    assert inspecting.inspector.shown.block == 0
    block._timer.setInterval(1)
    block.play.click()
    qtbot.waitUntil(lambda: inspecting.inspector.shown.block == 1)
    # Another frame lets it run on, another kind of map does not.
    viewer.dims.set_current_step(0, 1)
    assert block.play.isChecked()
    finish(inspecting)
    assert block.play.isChecked()
    pick(inspecting.controls.map, "influence")
    assert not block.play.isChecked()
    assert inspecting.inspector.shown.evidence == "influence"
    block.play.click()
    inspecting.switch.setChecked(False)
    assert not block.play.isChecked()
    assert not block._timer.isActive()


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
    assert "even shares" in viewer.status
    hover(viewer, world(source, -20, 20))
    assert outlined(viewer, POINTED_AT) is None
    assert outlined(viewer, CHOSEN) is not None
    viewer.status = "beside the field"
    assert viewer.status == "beside the field"


def test_a_mouse_that_leaves_the_canvas_points_at_nothing(viewer, source, inspecting):
    viewer.mouse_over_canvas = True
    hover(viewer, world(source, 12, 20))
    assert outlined(viewer, POINTED_AT) is not None
    viewer.mouse_over_canvas = False
    assert outlined(viewer, POINTED_AT) is None


def test_the_status_follows_the_map_under_a_mouse_that_rests(
    viewer, source, inspecting, expected, qtbot
):
    hover(viewer, world(source, 12, 20))
    viewer.status = "[0 12 20]"

    def shares(patch, block):
        weights = expected(0).map(block, *patch)
        return f": {weights[1, 2] * weights.size:.2f} even shares    [0 12 20]"

    choose(inspecting, (1, 2))
    qtbot.waitUntil(lambda: viewer.status.endswith(shares((1, 2), 1)))
    key(viewer, "Left")
    qtbot.waitUntil(lambda: viewer.status.endswith(shares((1, 1), 1)))
    inspecting.controls.block.slider.setValue(1)
    qtbot.waitUntil(lambda: viewer.status.endswith(shares((1, 1), 0)))
    # Where no patches are seen, none is named.
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


def test_keys_switch_move_and_leave(viewer, dock, finish):
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


def test_keys_are_given_back(viewer, dock, finish):
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


def test_the_frame_slider_is_followed(viewer, inspecting, finish, expected):
    choose(inspecting, (1, 2))
    overlay = named(viewer, "map")
    viewer.dims.set_current_step(0, 2)
    # The map of another frame is not shown for this one's.
    assert np.isnan(overlay.data).all()
    assert overlay.colormap.map([np.nan])[0, 3] == 0
    inspecting.inspector.look_at(kind="displacement")
    finish(inspecting)
    assert overlay.colormap.map([np.nan])[0, 3] == 0
    inspecting.inspector.look_at(kind="weights")
    right = in_even_shares(expected(2), (1, 2))
    np.testing.assert_allclose(overlay.data, right, rtol=1e-5)
    assert "Frame 2" in inspecting.text.text()
    viewer.dims.set_current_step(0, 0)
    # Kept from before: no worker is needed.
    assert not inspecting.is_busy
    right = in_even_shares(expected(0), (1, 2))
    np.testing.assert_allclose(overlay.data, right, rtol=1e-5)


def test_of_quick_clicks_in_many_frames_only_the_last_leaves_a_map(
    viewer, source, inspecting, finish, expected
):
    overlay = named(viewer, "attention")
    seen = []
    overlay.events.set_data.connect(lambda: seen.append(overlay.data.copy()))
    for frame, column in ((1, 3), (2, 12), (1, 20), (2, 28)):
        viewer.dims.set_current_step(0, frame)
        press(viewer, world(source, 3, column))
    finish(inspecting)
    assert inspecting.inspector.shown.patch == (0, 3)
    right = in_even_shares(expected(2), (0, 3))
    np.testing.assert_allclose(overlay.data, right, rtol=1e-5)
    shown = [data for data in seen if not np.isnan(data).all()]
    assert shown
    for data in shown:
        np.testing.assert_allclose(data, right, rtol=1e-5)


def test_a_frame_that_cannot_be_used_is_passed_over(
    viewer, source, inspecting, finish, displacement, expected
):
    data = displacement.data.copy()
    data[1, 3, 5] = np.nan
    holed = DisplacementStack(data, unit="um", spacing=0.5)
    beside(viewer, source, holed)
    inspecting.fields.choose(viewer.layers[-1])
    finish(inspecting)
    choose(inspecting, (1, 2))
    # A hole has no length.
    inspecting.inspector.look_at(kind="displacement")
    longest = np.nanmax(holed.magnitude())
    np.testing.assert_allclose(named(viewer, "map").contrast_limits, (0, 2 * longest))
    assert np.isfinite(viewer.layers[2].contrast_limits).all()
    inspecting.inspector.look_at(kind="weights")
    viewer.dims.set_current_step(0, 1)
    finish(inspecting)
    assert inspecting.switch.isChecked()
    assert "Frame 1 holds vectors that are not finite" in inspecting.text.text()
    assert np.isnan(named(viewer, "map").data).all()
    shown = {layer.name.split()[0] for layer in viewer.layers if layer.visible}
    assert shown == {"displacement"}
    assert not inspecting.test.isEnabled()
    # A click there is none that waits for a frame.
    press(viewer, world(source, 3, 3))
    assert not inspecting.is_busy
    viewer.dims.set_current_step(0, 2)
    finish(inspecting)
    assert inspecting.inspector.shown.patch == (1, 2)
    right = in_even_shares(expected(2), (1, 2))
    np.testing.assert_allclose(named(viewer, "map").data, right, rtol=1e-5)
    # What is said of one frame is not said of another.
    viewer.dims.set_current_step(0, 1)
    viewer.dims.set_current_step(0, 0)
    finish(inspecting)
    assert "not finite" not in inspecting.text.text()
    viewer.dims.set_current_step(0, 1)
    finish(inspecting)
    assert "not finite" in inspecting.text.text()


def test_a_frame_that_the_field_does_not_have_is_not_shown(
    viewer, source, inspecting, finish, displacement
):
    choose(inspecting, (1, 2))
    many = DisplacementStack(np.tile(displacement.data, (2, 1, 1, 1)), unit="grid")
    beside(viewer, source, many)
    inspecting.controls.block.play.click()
    viewer.dims.set_current_step(0, 4)
    assert not inspecting.controls.block.play.isChecked()
    assert "a frame that this field does not have" in inspecting.text.text()
    assert not named(viewer, "map").visible
    assert not named(viewer, "patches").visible
    press(viewer, world(source, 3, 3))
    key(viewer, "Left")
    viewer.dims.set_current_step(0, 1)
    finish(inspecting)
    assert named(viewer, "map").visible
    assert named(viewer, "patches").visible
    assert inspecting.inspector.shown.patch == (1, 2)


def test_a_model_that_cannot_be_loaded_is_waited_out(
    inspecting, finish, weights, tmp_path, expected
):
    choose(inspecting, (1, 2))
    inspecting.model.choose(str(tmp_path / "missing.safetensors"))
    finish(inspecting)
    assert inspecting.switch.isChecked()
    assert "missing.safetensors" in inspecting.text.text()
    inspecting.model.choose(str(weights))
    finish(inspecting)
    assert "after block 2 of 2" in inspecting.text.text()


def test_what_the_user_hides_stays_hidden(viewer, inspecting, finish, expected):
    choose(inspecting, (1, 2))
    overlay = named(viewer, "map")
    overlay.visible = False
    choose(inspecting, (1, 3))
    viewer.dims.set_current_step(0, 1)
    finish(inspecting)
    assert not overlay.visible
    overlay.visible = True
    right = in_even_shares(expected(1), (1, 3))
    np.testing.assert_allclose(overlay.data, right, rtol=1e-5)


def test_who_shows_the_map_before_there_is_one_has_it_with_its_colours(
    viewer, inspecting
):
    overlay = named(viewer, "attention")
    overlay.visible = True
    choose(inspecting, (1, 2))
    assert overlay.colorbar.visible
    overlay.visible = False
    choose(inspecting, (1, 3))
    assert not overlay.visible


def test_a_map_that_was_hidden_is_never_that_of_another_frame(
    viewer, inspecting, finish
):
    choose(inspecting, (1, 2))
    overlay = named(viewer, "map")
    overlay.visible = False
    viewer.dims.set_current_step(0, 1)
    overlay.visible = True
    assert np.isnan(overlay.data).all()
    finish(inspecting)
    assert not np.isnan(overlay.data).any()
    # Nor that of a block, where an influence is looked at that is not known.
    inspecting.inspector.look_at(evidence="influence")
    assert np.isnan(overlay.data).all()


def test_the_gallery_is_not_put_off_by_what_comes_after(inspecting, qtbot):
    choose(inspecting, (1, 2))
    inspecting._later.stop()
    inspecting._later.setTimerType(Qt.TimerType.PreciseTimer)
    inspecting._later.setInterval(60_000)
    inspecting.refresh()
    qtbot.wait(20)
    left = inspecting._later.remainingTime()
    assert 0 < left < 60_000
    inspecting.refresh()
    assert inspecting._later.remainingTime() <= left


def test_a_click_on_a_gallery_that_is_behind_is_none(inspecting):
    choose(inspecting, (1, 2))
    inspecting.inspector.look_at(patch=None)
    inspecting.panel.gallery.clicked.emit(3)
    assert inspecting.inspector.shown.evidence is None


def test_a_click_before_there_are_patches_counts(viewer, source, dock, finish):
    dock.switch.setChecked(True)
    press(viewer, world(source, 12, 20))
    finish(dock)
    assert dock.inspector.shown.patch == (1, 2)


def test_a_click_beside_the_field_before_there_are_patches_is_none(
    viewer, source, inspecting, finish, expected
):
    choose(inspecting, (1, 2))
    viewer.dims.set_current_step(0, 1)
    press(viewer, world(source, -100, -100))
    finish(inspecting)
    assert inspecting.text.text().startswith("Frame 1, patch (1, 2)")
    right = in_even_shares(expected(1), (1, 2))
    np.testing.assert_allclose(named(viewer, "map").data, right, rtol=1e-5)


def test_an_answer_after_switching_off_is_dropped(viewer, dock, finish):
    before = names(viewer)
    dock.switch.setChecked(True)
    assert QThreadPool.globalInstance().waitForDone(60_000)
    dock.switch.setChecked(False)
    finish(dock)
    assert names(viewer) == before


def test_few_frames_are_kept(viewer, source, inspecting, finish, displacement):
    assert CACHED_FRAMES < 6
    many = DisplacementStack(np.tile(displacement.data, (2, 1, 1, 1)), unit="grid")
    beside(viewer, source, many)
    inspecting.fields.choose(viewer.layers[-1])
    for frame in range(6):
        viewer.dims.set_current_step(0, frame)
        finish(inspecting)
    kept = [request.frame for request in inspecting.inspector._frames]
    assert kept == list(range(6))[-CACHED_FRAMES:]


def emitters(viewer) -> list:
    return [
        viewer.events,
        viewer.dims.events,
        viewer.layers.events,
        viewer.layers.selection.events,
        viewer.canvas.grid.events,
        *(layer.events for layer in viewer.layers),
    ]


def callbacks(viewer) -> list[int]:
    """How many callbacks everything that can be connected to has."""
    counts = [len(viewer.mouse_drag_callbacks), len(viewer.mouse_move_callbacks)]
    counts.append(len(viewer.keymap))
    for group in emitters(viewer):
        counts += [len(emitter.callbacks) for emitter in group.emitters.values()]
    return counts


def test_opening_and_closing_ten_times_leaves_no_callback(
    viewer, source, weights, qtbot, finish, traction
):
    show_tractions(viewer.layers, traction, source)
    before, layers = callbacks(viewer), names(viewer)
    dock = AttentionDock(viewer)
    qtbot.addWidget(dock)
    dock.model.choose(str(weights))
    dock.switch.setChecked(True)
    for number in range(10):
        dock.show()
        finish(dock)
        choose(dock, (number % ROWS, 1))
        hover(viewer, world(source, 3, 3))
        assert sum(callbacks(viewer)) > sum(before)
        dock.hide()
        assert callbacks(viewer) == before
        assert names(viewer) == layers


def test_switching_off_takes_everything_away(viewer, dock, finish):
    before, layers = callbacks(viewer), names(viewer)
    for _ in range(2):
        dock.switch.setChecked(True)
        finish(dock)
        choose(dock, (0, 0))
        assert len(names(viewer)) == len(layers) + 3
        assert sum(callbacks(viewer)) > sum(before)
        dock.switch.setChecked(False)
        assert callbacks(viewer) == before
        assert names(viewer) == layers


def test_hiding_the_dock_takes_its_layers_away_and_showing_brings_them_back(
    viewer, inspecting
):
    choose(inspecting, (0, 0))
    layers = names(viewer)
    inspecting.hide()
    assert len(names(viewer)) == len(layers) - 3
    inspecting.show()
    assert names(viewer) == layers
    assert inspecting.switch.isChecked()
    assert inspecting.inspector.shown.patch == (0, 0)


def test_removing_the_displacements_ends_the_inspection(viewer, dock, finish):
    before = list(viewer.mouse_drag_callbacks)
    dock.switch.setChecked(True)
    finish(dock)
    choose(dock, (0, 0))
    viewer.layers.clear()
    assert "was removed" in dock.text.text() or "has ended" in dock.text.text()
    assert not dock.switch.isChecked()
    assert len(viewer.layers) == 0
    assert viewer.mouse_drag_callbacks == before
    assert not dock.controls.isEnabled()
    assert dock.text.text()


def test_of_a_field_that_loses_one_layer_the_other_is_looked_at(
    viewer, source, inspecting, finish
):
    choose(inspecting, (1, 2))
    viewer.layers.remove(source)
    finish(inspecting)
    assert inspecting.switch.isChecked()
    assert named(viewer, "map").visible
    rest = named(viewer, "displacement arrows")
    press(viewer, rest.data_to_world((0, 3, 3)))
    assert inspecting.inspector.shown.patch == (0, 0)


@pytest.mark.parametrize("name", ["map", "patches", "outlines"])
def test_removing_one_of_its_layers_switches_off(viewer, inspecting, name, qtbot):
    choose(inspecting, (0, 0))
    viewer.layers.remove(named(viewer, name))
    assert not inspecting.switch.isChecked()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2)
    assert [n.split()[0] for n in names(viewer)] == ["displacement"] * 2


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("among", [("map", "patches"), ("",)])
def test_layers_may_be_removed_together(viewer, inspecting, among, step, qtbot):
    choose(inspecting, (0, 0))
    doomed = [layer for layer in viewer.layers if layer.name.startswith(among)]
    # As napari removes what is selected, in any order.
    for layer in doomed[::step]:
        viewer.layers.remove(layer)
    left = 0 if among == ("",) else 2
    qtbot.waitUntil(lambda: len(viewer.layers) == left)
    assert not inspecting.switch.isChecked()


def test_clicks_on_tractions_that_lie_elsewhere_choose_too(
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
        # The map has come along.
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


def test_the_selection_of_layers_stays(viewer, source, dock, finish):
    viewer.layers.selection = {source}
    dock.switch.setChecked(True)
    finish(dock)
    choose(dock, (0, 0))
    assert viewer.layers.selection == {source}


def test_a_model_without_attention_says_so_and_offers_its_influence(
    viewer, source, dock, finish, caplog, qtbot
):
    # The scale of a model before is not left standing.
    dock.switch.setChecked(True)
    finish(dock)
    choose(dock, (0, 0))
    qtbot.waitUntil(lambda: dock.panel.gallery.has_scale)
    dock.model.choose("fttc")
    finish(dock)
    assert "fttc has no attention" in dock.text.text()
    press(viewer, world(source, 12, 20))
    assert "for the influence of patch (1, 2)" in dock.text.text()
    qtbot.waitUntil(lambda: len(dock.panel.gallery.names) == 2)
    assert not dock.panel.gallery.has_scale
    assert not named(viewer, "attention").visible
    # There is nothing to draw yet.
    assert not dock.save.isEnabled()
    assert not dock.copy.isEnabled()
    dock.test.click()
    assert dock.test.text().startswith("Cancel the test of patch")
    finish(dock)
    found = dock.inspector.evidence
    assert found.influence.shape == (ROWS, COLUMNS)
    qtbot.waitUntil(lambda: dock.panel.gallery.has_scale)
    assert found.faithfulness.changes
    overlay = named(viewer, "map")
    assert overlay.visible
    assert dock.save.isEnabled()
    dock.copy.click()
    assert QGuiApplication.clipboard().image().width() > 500
    assert "as fttc gives it, changes with the displacement" in dock.text.text()
    assert not dock.test.isEnabled()
    pick(dock.controls.map, "reference")
    assert "gel's physics" in dock.text.text()
    assert caplog.text == ""


def test_a_map_is_tested_on_demand_only(viewer, source, inspecting, finish):
    choose(inspecting, (1, 2))
    assert inspecting.inspector.evidence is None
    inspecting.test.click()
    finish(inspecting)
    found = inspecting.inspector.evidence
    assert len(found.correlations(found.influence)) == 2
    assert not inspecting.test.isEnabled()
    pick(inspecting.controls.map, "influence")
    drawn = named(viewer, "map").data
    row, column = np.unravel_index(np.argmax(drawn), drawn.shape)
    assert (row // 8, column // 8) == (1, 2)
    # Another block is another map, whose faithfulness is not known.
    inspecting.controls.block.slider.setValue(1)
    assert inspecting.test.isEnabled()
    assert inspecting.inspector.findings().faithfulness is None
    # Not even while the influence is looked at.
    pick(inspecting.controls.map, "influence")
    assert inspecting.inspector.findings().block == 0
    assert inspecting.inspector.findings().faithfulness is None
    inspecting.test.click()
    finish(inspecting)
    assert inspecting.inspector.evidence.block == 0
    again = inspecting.inspector.evidence
    assert again.influence is found.influence
    # Random orders are the same for every map.
    assert again.faithfulness.random is found.faithfulness.random
    for name in EVIDENCE:
        np.testing.assert_allclose(
            again.faithfulness.changes[name], found.faithfulness.changes[name]
        )


def test_tests_of_several_maps_are_kept(inspecting, finish):
    choose(inspecting, (1, 2))
    curves = []
    for block in (1, 0):
        inspecting.inspector.look_at(block=block)
        inspecting.test.click()
        finish(inspecting)
        curves.append(inspecting.inspector.findings().faithfulness)
    assert curves[0] is not curves[1]
    inspecting.inspector.look_at(block=1)
    assert inspecting.inspector.findings().faithfulness is curves[0]
    assert not inspecting.test.isEnabled()


def test_other_layers_places_do_not_cancel_a_test(viewer, source, inspecting, finish):
    choose(inspecting, (1, 2))
    inspecting.test.click()
    viewer.layers.move(0, 2)
    finish(inspecting)
    assert inspecting.inspector.evidence is not None


def test_tractions_of_another_model_are_said_to_be(
    viewer, source, inspecting, finish, traction
):
    choose(inspecting, (1, 2))
    assert "were computed by" not in inspecting.text.text()
    frame = inspecting.inspector.frame
    for model, sha256, said in (
        ("fttc", "", "those shown were computed by fttc"),
        (frame.model, "1" * 64, "were computed by other weights of that name"),
        (frame.model, frame.model_sha256, ""),
    ):
        other = dataclasses.replace(traction, model=model, model_sha256=sha256)
        show_tractions(viewer.layers, other, source)
        finish(inspecting)
        choose(inspecting, (0, 0))
        choose(inspecting, (1, 2))
        assert said in inspecting.text.text()
        assert ("were computed by" in inspecting.text.text()) is bool(said)


def test_what_is_tested_is_not_said_of_another_patch(inspecting, finish):
    choose(inspecting, (1, 2))
    inspecting.test.click()
    assert "number 7" in inspecting.text.text()
    assert inspecting.text.text().endswith("…")
    choose(inspecting, (2, 3))
    assert "number 13: from which patches" in inspecting.text.text()
    assert inspecting.test.text() == "Cancel the test of patch (1, 2), number 7"
    finish(inspecting)
    assert inspecting.test.text() == "Test this map"
    assert inspecting.test.isEnabled()
    assert inspecting.inspector.evidence is None
    choose(inspecting, (1, 2))
    assert inspecting.inspector.evidence is not None
    assert not inspecting.test.isEnabled()


def test_the_readout_is_of_the_map_that_is_looked_at(inspecting, qtbot, finish):
    readout = inspecting.panel.readout
    choose(inspecting, (1, 2))
    inspecting.test.click()
    finish(inspecting)
    qtbot.waitUntil(lambda: not readout.isHidden())
    of_rollout = readout._label.pixmap().toImage()
    pick(inspecting.controls.map, "attention")
    pick(inspecting.controls.direction, "to")

    def shown() -> MapChoice:
        return readout._shown.choice

    qtbot.waitUntil(lambda: shown() == MapChoice("attention", None, "to"))
    # Its correlations, and no curve: this map has not been tested.
    assert readout._shown.influence is not None
    assert readout._shown.faithfulness is None
    assert readout._label.pixmap().toImage() != of_rollout
    pick(inspecting.controls.direction, "from")
    pick(inspecting.controls.map, "rollout")
    qtbot.waitUntil(lambda: shown() == ROLLOUT)
    assert readout._shown.faithfulness is not None
    assert readout._label.pixmap().toImage() == of_rollout


def test_the_plots_are_drawn_anew_in_another_theme_only(
    inspecting, finish, qtbot, monkeypatch
):
    choose(inspecting, (1, 2))
    inspecting.test.click()
    finish(inspecting)
    readout = inspecting.panel.readout
    qtbot.waitUntil(lambda: not readout.isHidden())
    drawn = []
    plots = readout._plots
    monkeypatch.setattr(readout, "_plots", lambda *_: drawn.append(1) or plots(*_))
    readout.setStyleSheet("QWidget { background: gray }")
    assert not drawn
    palette = readout.palette()
    palette.setColor(palette.ColorRole.WindowText, QColor("orange"))
    readout.setStyleSheet("")
    readout.setPalette(palette)
    assert drawn == [1]


def test_an_error_nobody_thought_of_is_logged_whenever_it_comes(
    inspecting, finish, viewer, caplog
):
    before = inspecting.inspector.request
    viewer.dims.set_current_step(0, 1)
    finish(inspecting)
    inspecting._on_frame_error(before, ZeroDivisionError("boom"))
    assert "the inspection failed" in caplog.text
    assert inspecting.switch.isChecked()


def test_a_test_can_be_cancelled(inspecting, finish):
    choose(inspecting, (1, 2))
    inspecting.test.click()
    inspecting.test.click()
    finish(inspecting)
    assert inspecting.inspector.evidence is None
    assert inspecting.test.text() == "Test this map"
    assert inspecting.test.isEnabled()


def test_all_maps_are_in_the_gallery(inspecting, qtbot, finish):
    gallery = inspecting.panel.gallery
    choose(inspecting, (1, 2))
    qtbot.waitUntil(lambda: len(gallery.names) == 4)
    assert gallery.names == ["block 1", "block 2", "influence", "physical reference"]
    assert gallery.current == 1
    gallery.clicked.emit(0)
    assert inspecting.inspector.shown.block == 0
    qtbot.waitUntil(lambda: gallery.current == 0)
    # A tile that is empty computes what it would show.
    gallery.clicked.emit(2)
    finish(inspecting)
    assert inspecting.inspector.shown.evidence == "influence"
    assert inspecting.inspector.evidence is not None
    qtbot.waitUntil(lambda: not inspecting.panel.readout.isHidden())
    assert gallery.current == 2


def test_what_is_known_can_be_taken_along(inspecting, tmp_path):
    choose(inspecting, (1, 2))
    for ending in (".png", ".npz", ".h5"):
        path = tmp_path / f"attention{ending}"
        inspecting.save_as(path)
        assert path.stat().st_size > 1000
    with np.load(tmp_path / "attention.npz", allow_pickle=False) as file:
        rollout = file["rollout"]
    attention = inspecting.inspector.frame.attention
    np.testing.assert_allclose(rollout[1], attention.map(1, 1, 2), rtol=1e-6)
    inspecting.copy.click()
    image = QGuiApplication.clipboard().image()
    assert image.width() > 500


def test_the_save_button(inspecting, tmp_path, monkeypatch):
    choose(inspecting, (1, 2))
    answer = (str(tmp_path / "cell 0.5um"), "NumPy (*.npz)")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: answer)
    inspecting.save.click()
    assert (tmp_path / "cell 0.5um.npz").exists()


def test_what_cannot_be_saved_is_told(inspecting, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(attention_dock, "show_error", told.append)
    choose(inspecting, (1, 2))
    inspecting.save_as(tmp_path / "attention.txt")
    assert not (tmp_path / "attention.txt").exists()
    assert len(told) == 1
    assert ".h5" in told[0]


def test_another_model_is_asked_at_once(viewer, inspecting, finish, weights):
    choose(inspecting, (1, 2))
    inspecting.model.choose("fttc")
    finish(inspecting)
    assert "no attention" in inspecting.text.text()
    inspecting.model.choose(str(weights))
    assert not inspecting.is_busy
    assert "after block 2 of 2" in inspecting.text.text()


def test_without_a_field_there_is_nothing_to_inspect(viewer, dock, displacement):
    viewer.layers.clear()
    dock.switch.setChecked(True)
    assert not dock.switch.isChecked()
    assert "no displacement field" in dock.text.text()
    # Until there is one.
    viewer.layers.append(Layer.create(*field_layers(displacement)[0]))
    assert "no displacement field" not in dock.text.text()


def test_a_unit_that_is_not_known_is_asked_for_and_waited_for(
    viewer, displacement, dock, finish, source
):
    other = dataclasses.replace(displacement, unit=None)
    beside(viewer, source, other)
    dock.fields.choose(viewer.layers[-1])
    dock.switch.setChecked(True)
    press(viewer, world(source, 3, 3))
    assert "unit is not known" in dock.text.text()
    assert "Traction dock" in dock.text.text()
    assert not dock.is_busy
    describe(viewer.layers, viewer.layers[2], unit="px")
    assert "need the pixel size" in dock.text.text()
    describe(viewer.layers, viewer.layers[2], unit="grid")
    finish(dock)
    assert dock.inspector.frame is not None
    assert dock.text.text().startswith("Click a patch")


def test_a_field_of_another_size_has_another_grid(viewer, source, inspecting, finish):
    choose(inspecting, (3, 4))
    rng = np.random.default_rng(0)
    small = DisplacementStack(rng.normal(size=(2, 16, 20, 2)), unit="grid")
    beside(viewer, source, small)
    inspecting.fields.choose(viewer.layers[-1])
    finish(inspecting)
    assert inspecting.inspector.shown.patch is None
    lines = named(viewer, "patches")
    assert len(lines.data) == (2 + 1) + (3 + 1)
    # The patch that was chosen is not there in any frame, known or not.
    viewer.dims.set_current_step(0, 1)
    finish(inspecting)
    assert inspecting.inspector.frame is not None
    assert outlined(viewer, CHOSEN) is None


def test_the_gel_is_that_of_the_computed_tractions(
    viewer, source, inspecting, finish, expected, traction
):
    soft = dataclasses.replace(traction, poisson=0.3, thickness=4.0)
    assert isinstance(soft, TractionStack)
    show_tractions(viewer.layers, soft, source)
    choose(inspecting, (1, 2))

    def assert_shown(poisson: float, thickness: float = math.inf) -> None:
        finish(inspecting)
        gel = Substrate(poisson=poisson, thickness=thickness)
        right = in_even_shares(expected(0, substrate=gel), (1, 2))
        np.testing.assert_allclose(named(viewer, "map").data, right, rtol=1e-5)

    assert_shown(0.3, 4.0)
    # Another run on the same field brings the same layers another stack.
    show_tractions(viewer.layers, dataclasses.replace(traction, poisson=0.4), source)
    assert_shown(0.4)
    for layer in tractions_of(viewer.layers, source):
        viewer.layers.remove(layer)
    assert_shown(REFERENCE_POISSON)


def test_another_unit_is_asked_at_once(viewer, source, inspecting, finish, weights):
    choose(inspecting, (1, 2))
    before = named(viewer, "map").data.copy()
    new = describe(viewer.layers, source, unit="grid")
    finish(inspecting)
    assert inspecting.inspector.request.stack is new
    config = ReconstructionConfig(model=str(weights))
    right = in_even_shares(frame_attention(new, 0, config=config), (1, 2))
    overlay = named(viewer, "map")
    np.testing.assert_allclose(overlay.data, right, rtol=1e-5)
    assert overlay.data.shape == before.shape


def test_the_layers_move_with_the_displacements(viewer, source, inspecting):
    choose(inspecting, (1, 2))
    source.scale = (2, 1.5, 1.2)
    source.translate = (4, 30, -7)
    turn = np.eye(3)
    turn[1:, 1:] = [[0.8, -0.6], [0.6, 0.8]]
    source.rotate = turn
    source.units = ("pixel", "nm", "nm")
    patch = corners(source, (7.5, 15.5), (15.5, 23.5))
    np.testing.assert_allclose(outlined(viewer, CHOSEN), patch)
    for name in ("map", "patches"):
        layer = named(viewer, name)
        for corner in ((0, 0), (26, 39)):
            np.testing.assert_allclose(
                layer.data_to_world(corner), source.data_to_world((0, *corner))[1:]
            )
        assert layer.units == source.units[1:]


@pytest.mark.parametrize(
    ("shape", "model_shape"),
    [
        ((160, 160), None),
        ((256, 17), None),
        ((256, 200), None),
        ((160, 160), (104, 104)),
        ((20, 50), (104, 104)),
    ],
)
def test_outlines_are_where_the_patches_are_and_leave_them_open(shape, model_shape):
    stack = DisplacementStack(np.ones((1, *shape, 2)), unit="grid")
    layers = LayerList([Layer.create(*field_layers(stack)[0])])
    overlay = AttentionLayers(layers, layers[0])
    grid = PatchGrid(shape, model_shape)
    overlay.show_grid(grid)
    for patch in ((0, 0), (grid.rows // 2, 1), (grid.rows - 1, grid.columns - 1)):
        overlay.outline(chosen=patch, pointed_at=patch)
        image = next(layer for layer in layers if layer.name == "outlines")
        # The mouse is in the chosen patch: the chosen one's outline is above.
        assert not (image.data == (*POINTED_AT, 255)).all(axis=-1).any()
        drawn = (image.data == (*CHOSEN, 255)).all(axis=-1)
        found = np.argwhere(drawn)
        y0, x0 = image.data_to_world(found.min(axis=0) - 0.5)
        y1, x1 = image.data_to_world(found.max(axis=0) + 0.5)
        pixel = 0.5 * image.scale[0]
        np.testing.assert_allclose(
            (x0, y0, x1, y1), grid.bounds(*patch), atol=pixel + 1e-6
        )
        rows, columns = np.ptp(found, axis=0) + 1
        assert min(rows, columns) < 3 or drawn.sum() < rows * columns


def test_lines_are_as_wide_on_the_canvas_whatever_the_field():
    for shape in ((16, 20), (256, 200)):
        stack = DisplacementStack(np.ones((1, *shape, 2)), unit="grid")
        layers = LayerList([Layer.create(*field_layers(stack)[0])])
        AttentionLayers(layers, layers[0]).show_grid(PatchGrid(shape))
        lines = next(layer for layer in layers if layer.name == "patches")
        assert lines.edge_width == pytest.approx(0.003 * max(shape))


def test_weighted_displacements_stand_alone_and_attention_lets_through(
    viewer, inspecting
):
    choose(inspecting, (1, 2))
    overlay = named(viewer, "map")
    faint = overlay.opacity
    assert faint < 1
    assert overlay.colormap.map(0.0)[0, 3] == 0
    pick(inspecting.controls.kind, "displacement")
    assert overlay.opacity == 1
    assert overlay.colormap.map(0.0)[0, 3] == 1
    # What the user sets then stays.
    overlay.opacity = 0.8
    choose(inspecting, (1, 3))
    assert overlay.opacity == pytest.approx(0.8)
    pick(inspecting.controls.kind, "weights")
    assert overlay.opacity == pytest.approx(faint)
    assert overlay.colormap.map(0.0)[0, 3] == 0


def test_a_layer_that_lies_apart_and_is_removed_leaves_the_map_to_the_others(
    viewer, source, qtbot, weights, finish, traction
):
    # As a plugin's dock gets the viewer, and by it the layers.
    dock = AttentionDock(PublicOnlyProxy(viewer))
    qtbot.addWidget(dock)
    dock.model.choose(str(weights))
    dock.show()
    dock.switch.setChecked(True)
    finish(dock)
    image, _ = show_tractions(viewer.layers, traction, source)
    image.translate = np.add(source.translate, (0, 0, 100))
    finish(dock)
    viewer.layers.selection.active = image
    press(viewer, world(image, 3, 3))
    overlay = named(viewer, "map")
    place = image.data_to_world((0, 0, 0))[1:]
    np.testing.assert_allclose(overlay.data_to_world((0, 0)), place)
    viewer.layers.remove(image)
    place = source.data_to_world((0, 0, 0))[1:]
    np.testing.assert_allclose(overlay.data_to_world((0, 0)), place)
    finish(dock)
    dock.hide()


def test_three_dimensions_are_left_alone_and_said(viewer, source, inspecting):
    viewer.dims.ndisplay = 3
    press(viewer, world(source, 3, 3))
    assert inspecting.inspector.shown.patch is None
    assert "two-dimensional" in inspecting.text.text()
    viewer.dims.ndisplay = 2
    press(viewer, world(source, 3, 3))
    assert inspecting.inspector.shown.patch == (0, 0)
    viewer.dims.order = (1, 0, 2)
    assert "two-dimensional" in inspecting.text.text()
    assert not named(viewer, "map").visible
    key(viewer, "Right")
    assert inspecting.inspector.shown.patch == (0, 0)
    viewer.dims.order = (0, 1, 2)
    assert named(viewer, "map").visible
    assert not np.isnan(named(viewer, "map").data).any()


def test_layers_in_a_grid_are_left_alone_and_said(viewer, source, inspecting):
    viewer.canvas.grid.enabled = True
    press(viewer, world(source, 3, 3))
    assert inspecting.inspector.shown.patch is None
    assert "not in a grid" in inspecting.text.text()
    viewer.canvas.grid.enabled = False
    press(viewer, world(source, 3, 3))
    assert inspecting.inspector.shown.patch == (0, 0)
