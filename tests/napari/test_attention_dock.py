from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from napari.components import LayerList
from napari.layers import Layer
from napari.utils._test_utils import read_only_mouse_event
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from qtpy.QtCore import QThreadPool

from napari_vit_tfm.config import REFERENCE_POISSON, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.inspection import FrameAttention, frame_attention
from napari_vit_tfm.napari.attention_dock import AttentionDock, color_limits
from napari_vit_tfm.napari.attention_layers import AttentionLayers
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
    return next(layer for layer in viewer.layers if layer.name == name)


def names(viewer) -> list[str]:
    return [layer.name for layer in viewer.layers]


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
    assert inspecting.patch == patch
    assert f"patch in row {patch[0]}, column {patch[1]}" in inspecting.text.text()


def test_the_patch_that_was_clicked_is_outlined(viewer, source, inspecting):
    place = (26.45, 39.45)
    press(viewer, world(source, *place))
    lines = named(viewer, "chosen patch")
    ends = np.concatenate([lines.data[:, 0], lines.data.sum(axis=1)])
    # The lowest patches are cut by the field's edge.
    np.testing.assert_allclose(ends.min(axis=0), (23.5, 31.5))
    np.testing.assert_allclose(ends.max(axis=0), (26.5, 39.5))
    for corner in ((23.5, 31.5), (26.5, 39.5)):
        np.testing.assert_allclose(
            lines.data_to_world(corner), source.data_to_world((0, *corner))[1:]
        )


@pytest.mark.parametrize("place", [(-0.6, 5), (27, 5), (5, -0.6), (5, 40), (-100, 400)])
def test_clicks_beside_the_field_choose_nothing(viewer, source, inspecting, place):
    press(viewer, world(source, *place))
    assert inspecting.patch is None
    assert inspecting.text.text() == "Click a patch of the grid."


def test_drags_and_other_buttons_choose_nothing(viewer, source, inspecting):
    here, there = world(source, 3, 3), world(source, 14, 20)
    press(viewer, here, drag_to=there)
    press(viewer, here, button=2)
    assert inspecting.patch is None
    press(viewer, here, drag_to=np.add(here, 0.1))
    assert inspecting.patch == (0, 0)


def test_the_map_is_the_rollout_and_lies_over_the_field(
    viewer, source, inspecting, expected
):
    press(viewer, world(source, 12, 20))
    overlay = named(viewer, "attention")
    assert inspecting.patch == (1, 2)
    np.testing.assert_allclose(overlay.data, expected(0).overlay(1, 1, 2), rtol=1e-5)
    for corner in ((0, 0), (26, 39)):
        np.testing.assert_allclose(
            overlay.data_to_world(corner), source.data_to_world((0, *corner))[1:]
        )
    assert overlay.units == source.units[1:]


def test_block_and_kind_change_the_map_in_place(viewer, inspecting, expected):
    inspecting.choose_patch(1, 2)
    overlay = named(viewer, "attention")
    before = names(viewer)
    assert (inspecting.block.minimum(), inspecting.block.maximum()) == (1, 2)
    assert inspecting.block.value() == 2
    inspecting.block.setValue(1)
    np.testing.assert_allclose(overlay.data, expected(0).overlay(0, 1, 2), rtol=1e-5)
    assert "after block 1 of 2" in inspecting.text.text()
    inspecting.kind.setCurrentIndex(inspecting.kind.findData("displacement"))
    weighted = expected(0).overlay(0, 1, 2, kind="displacement")
    np.testing.assert_allclose(overlay.data, weighted, rtol=1e-5)
    assert len(viewer.layers) == len(before)
    assert overlay in viewer.layers


def test_the_frame_slider_is_followed(viewer, inspecting, finish, expected):
    inspecting.choose_patch(1, 2)
    overlay = named(viewer, "attention")
    viewer.dims.set_current_step(0, 2)
    finish(inspecting)
    np.testing.assert_allclose(overlay.data, expected(2).overlay(1, 1, 2), rtol=1e-5)
    assert "Frame 2" in inspecting.text.text()
    viewer.dims.set_current_step(0, 0)
    # Kept from before: no worker is needed.
    assert not inspecting.is_busy
    np.testing.assert_allclose(overlay.data, expected(0).overlay(1, 1, 2), rtol=1e-5)


def test_only_the_last_frame_that_was_asked_for_is_shown(
    viewer, inspecting, finish, expected
):
    inspecting.choose_patch(0, 0)
    overlay = named(viewer, "attention")
    seen = []
    overlay.events.data.connect(lambda: seen.append(overlay.data))
    viewer.dims.set_current_step(0, 1)
    viewer.dims.set_current_step(0, 2)
    finish(inspecting)
    (shown,) = seen
    np.testing.assert_allclose(shown, expected(2).overlay(1, 0, 0), rtol=1e-5)


def test_an_answer_after_switching_off_is_dropped(viewer, dock, finish):
    before = names(viewer)
    dock.switch.setChecked(True)
    assert QThreadPool.globalInstance().waitForDone(60_000)
    dock.switch.setChecked(False)
    finish(dock)
    assert names(viewer) == before


def test_the_cache_stays_small(viewer, inspecting, finish, monkeypatch):
    monkeypatch.setattr("napari_vit_tfm.napari.attention_dock._CACHED_FRAMES", 2)
    for frame in (1, 2):
        viewer.dims.set_current_step(0, frame)
        finish(inspecting)
    assert [request.frame for request in inspecting._cache] == [1, 2]


def callbacks(viewer) -> tuple[int, int, int]:
    events = viewer.layers.events
    watched = (events.inserted, events.removed, events.reordered, events.renamed)
    return (
        len(viewer.mouse_drag_callbacks),
        len(viewer.dims.events.current_step.callbacks),
        sum(len(event.callbacks) for event in watched),
    )


def test_switching_off_takes_everything_away(viewer, dock, finish):
    before, layers = callbacks(viewer), names(viewer)
    for _ in range(2):
        dock.switch.setChecked(True)
        finish(dock)
        dock.choose_patch(0, 0)
        assert names(viewer) == [*layers, "attention", "patches", "chosen patch"]
        assert callbacks(viewer) > before
        dock.switch.setChecked(False)
        assert callbacks(viewer) == before
        assert names(viewer) == layers


def test_hiding_the_dock_takes_everything_away_and_showing_brings_it_back(
    viewer, inspecting
):
    inspecting.choose_patch(0, 0)
    layers, watched = names(viewer), callbacks(viewer)
    inspecting.hide()
    hidden = zip(callbacks(viewer), watched, strict=True)
    assert all(fewer < more for fewer, more in hidden)
    assert "attention" not in names(viewer)
    inspecting.show()
    assert names(viewer) == layers
    assert callbacks(viewer) == watched
    assert inspecting.switch.isChecked()


def test_removing_the_displacements_ends_the_inspection(viewer, dock, finish):
    before = callbacks(viewer)
    dock.switch.setChecked(True)
    finish(dock)
    dock.choose_patch(0, 0)
    viewer.layers.clear()
    assert not dock.switch.isChecked()
    assert len(viewer.layers) == 0
    assert callbacks(viewer) == before
    assert not dock.block.isEnabled()
    assert dock.text.text()


@pytest.mark.parametrize("name", ["attention", "patches", "chosen patch"])
def test_removing_one_of_its_layers_switches_off(viewer, inspecting, name):
    before = [n for n in names(viewer) if n != "patches"]
    inspecting.choose_patch(0, 0)
    viewer.layers.remove(named(viewer, name))
    assert not inspecting.switch.isChecked()
    assert names(viewer) == before


def test_the_selection_of_layers_stays(viewer, source, dock, finish):
    viewer.layers.selection = {source}
    dock.switch.setChecked(True)
    finish(dock)
    dock.choose_patch(0, 0)
    assert viewer.layers.selection == {source}


def test_a_model_without_attention_says_so(viewer, dock, finish, caplog):
    before = names(viewer)
    dock.model.choose("fttc")
    dock.switch.setChecked(True)
    finish(dock)
    assert "fttc has no attention" in dock.text.text()
    assert not dock.switch.isChecked()
    assert names(viewer) == before
    assert caplog.text == ""


def test_another_model_is_asked_at_once(viewer, inspecting, finish, weights):
    inspecting.choose_patch(0, 0)
    inspecting.model.choose("fttc")
    finish(inspecting)
    assert "no attention" in inspecting.text.text()
    inspecting.model.choose(str(weights))
    inspecting.switch.setChecked(True)
    assert not inspecting.is_busy
    assert "attention" in names(viewer)


def test_without_a_field_there_is_nothing_to_inspect(viewer, dock):
    viewer.layers.clear()
    dock.switch.setChecked(True)
    assert not dock.switch.isChecked()
    assert "no displacement field" in dock.text.text()


def test_an_unknown_unit_is_said(viewer, displacement, dock, finish, source):
    other = dataclasses.replace(displacement, unit=None)
    viewer.layers.append(Layer.create(*field_layers(other)[0]))
    dock.fields.choose(viewer.layers[-1])
    dock.switch.setChecked(True)
    finish(dock)
    assert "unit is not known" in dock.text.text()
    assert not dock.switch.isChecked()


def test_a_field_of_another_size_has_another_grid(viewer, inspecting, finish):
    inspecting.choose_patch(3, 4)
    rng = np.random.default_rng(0)
    small = DisplacementStack(rng.normal(size=(1, 16, 20, 2)), unit="grid")
    viewer.layers.append(Layer.create(*field_layers(small)[0]))
    inspecting.fields.choose(viewer.layers[-1])
    finish(inspecting)
    assert inspecting.patch is None
    lines = named(viewer, "patches")
    assert len(lines.data) == (2 + 1) + (3 + 1)


def test_the_gel_is_that_of_the_computed_tractions(
    viewer, source, inspecting, finish, expected, traction
):
    soft = dataclasses.replace(traction, poisson=0.3, thickness=4.0)
    assert isinstance(soft, TractionStack)
    show_tractions(viewer.layers, soft, source)
    inspecting.choose_patch(1, 2)

    def assert_shown(poisson: float, thickness: float = math.inf) -> None:
        finish(inspecting)
        gel = Substrate(poisson=poisson, thickness=thickness)
        right = expected(0, substrate=gel).overlay(1, 1, 2)
        np.testing.assert_allclose(named(viewer, "attention").data, right, rtol=1e-5)

    assert_shown(0.3, 4.0)
    # Another run on the same field brings the same layers another stack.
    show_tractions(viewer.layers, dataclasses.replace(traction, poisson=0.4), source)
    assert_shown(0.4)
    for layer in tractions_of(viewer.layers, source):
        viewer.layers.remove(layer)
    assert_shown(REFERENCE_POISSON)


def test_another_unit_is_asked_at_once(viewer, source, inspecting, finish, weights):
    inspecting.choose_patch(1, 2)
    before = named(viewer, "attention").data
    new = describe(viewer.layers, source, unit="grid")
    finish(inspecting)
    assert inspecting._wanted.stack is new
    config = ReconstructionConfig(model=str(weights))
    right = frame_attention(new, 0, config=config).overlay(1, 1, 2, kind="weights")
    overlay = named(viewer, "attention")
    assert overlay.data is not before
    np.testing.assert_allclose(overlay.data, right, rtol=1e-5)


def test_the_layers_move_with_the_displacements(viewer, source, inspecting):
    inspecting.choose_patch(1, 2)
    source.scale = (2, 1.5, 1.2)
    source.translate = (4, 30, -7)
    turn = np.eye(3)
    turn[1:, 1:] = [[0.8, -0.6], [0.6, 0.8]]
    source.rotate = turn
    source.units = ("pixel", "nm", "nm")
    for name in ("attention", "patches", "chosen patch"):
        layer = named(viewer, name)
        for corner in ((0, 0), (26, 39)):
            np.testing.assert_allclose(
                layer.data_to_world(corner), source.data_to_world((0, *corner))[1:]
            )
        assert layer.units == source.units[1:]


def test_lines_are_as_wide_on_the_canvas_whatever_the_field():
    for shape in ((16, 20), (256, 200)):
        stack = DisplacementStack(np.ones((1, *shape, 2)), unit="grid")
        source = Layer.create(*field_layers(stack)[0])
        overlay = AttentionLayers(LayerList([source]), source)
        overlay.show_grid(PatchGrid(shape))
        assert overlay.lines.edge_width == pytest.approx(0.002 * max(shape))


def test_weighted_displacements_stand_alone_and_attention_lets_through(
    viewer, inspecting
):
    inspecting.choose_patch(1, 2)
    overlay = named(viewer, "attention")
    faint = overlay.opacity
    assert faint < 1
    assert overlay.colormap.map(0.0)[0, 3] == 0
    inspecting.kind.setCurrentIndex(inspecting.kind.findData("displacement"))
    assert overlay.opacity == 1
    assert overlay.colormap.map(0.0)[0, 3] == 1
    # What the user sets then stays.
    overlay.opacity = 0.8
    inspecting.choose_patch(1, 3)
    assert overlay.opacity == pytest.approx(0.8)
    inspecting.kind.setCurrentIndex(inspecting.kind.findData("weights"))
    assert overlay.opacity == pytest.approx(faint)
    assert overlay.colormap.map(0.0)[0, 3] == 0


def test_a_patch_that_attends_elsewhere_lies_on_the_scale():
    weights = np.array([[0.1, 0.2], [0.3, 0.4]], dtype=np.float32)
    attention = FrameAttention(
        attention=np.broadcast_to(weights.ravel(), (1, 1, 4, 4)),
        rollout=np.broadcast_to(weights.ravel(), (1, 4, 4)),
        grid=PatchGrid((16, 16)),
        displacement=np.ones((16, 16, 2), dtype=np.float32),
    )
    for patch, high in (((0, 0), 1), ((0, 1), 1), ((1, 1), 0.75)):
        limits = color_limits(attention, 0, patch, "weights")
        assert limits == pytest.approx((0.25, high))


def test_clicks_in_three_dimensions_are_left_alone(viewer, source, inspecting):
    event = read_only_mouse_event(
        "mouse_press",
        button=1,
        position=world(source, 3, 3),
        dims_displayed=[0, 1, 2],
    )
    mouse_press_callbacks(viewer, event)
    mouse_release_callbacks(viewer, event)
    assert inspecting.patch is None


def test_the_scale_of_attention_spans_the_other_patches(viewer, inspecting, expected):
    inspecting.choose_patch(1, 2)
    weights = expected(0).map(1, 1, 2)
    others = np.delete(weights.ravel(), 1 * COLUMNS + 2)
    limits = named(viewer, "attention").contrast_limits
    np.testing.assert_allclose(
        limits, (others.min() / weights.max(), others.max() / weights.max()), rtol=1e-5
    )
    text = inspecting.text.text()
    assert f"{weights[1, 2]:.1%} of the attention" in text
    assert f"{others.min():.2%} to {others.max():.2%}" in text
    assert "even share is 5.00%" in text


def test_the_scale_of_weighted_displacements_ends_likewise(
    viewer, inspecting, expected
):
    inspecting.kind.setCurrentIndex(inspecting.kind.findData("displacement"))
    inspecting.choose_patch(1, 2)
    weights = expected(0).map(1, 1, 2)
    others = np.delete(weights.ravel(), 1 * COLUMNS + 2)
    longest = np.linalg.norm(expected(0).displacement, axis=-1).max()
    np.testing.assert_allclose(
        named(viewer, "displacement \N{MULTIPLICATION SIGN} attention").contrast_limits,
        (0, longest * others.max() / weights.max()),
        rtol=1e-5,
    )


@pytest.mark.parametrize("kind", ["weights", "displacement"])
def test_maps_without_structure_have_a_scale(kind):
    even = FrameAttention(
        attention=np.full((1, 1, 4, 4), 0.25, dtype=np.float32),
        rollout=np.full((1, 4, 4), 0.25, dtype=np.float32),
        grid=PatchGrid((16, 16)),
        displacement=np.zeros((16, 16, 2), dtype=np.float32),
    )
    assert color_limits(even, 0, (0, 0), kind) == (0.0, 1.0)
