"""Which frame, patch and map are shown, and when they are computed."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool

from canvas import (
    CHOSEN,
    beside,
    choose,
    hover,
    key,
    named,
    names,
    outlined,
    pick,
    press,
    relative_to_uniform,
    world,
)
from layers_of_fields import describe, displacement_at, show_tractions, tractions_of
from napari_vit_tfm.attention import captions
from napari_vit_tfm.attention.frame import FrameAttention, MapChoice, prepare_frame
from napari_vit_tfm.attention.patch import PatchFindings
from napari_vit_tfm.config import (
    REFERENCE_POISSON,
    PreparationConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.displacement import prepare
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari.attention.inspector import Inspector
from napari_vit_tfm.napari.attention.results_cache import CACHED_FRAMES
from napari_vit_tfm.napari.layers import registry
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.reconstruction import reconstruct


def test_the_map_is_the_rollout_and_is_over_the_field(
    viewer, source, inspecting, expected
):
    press(viewer, world(source, 12, 20))
    overlay = named(viewer, "map")
    assert inspecting.inspector.shown.patch == (1, 2)
    np.testing.assert_allclose(
        overlay.data, relative_to_uniform(expected(0), (1, 2)), rtol=1e-5
    )
    for corner in ((0, 0), (26, 39)):
        np.testing.assert_allclose(
            overlay.data_to_world(corner), source.data_to_world((0, *corner))[1:]
        )
    assert overlay.units == source.units[1:]


def test_a_click_is_resolved_once_and_its_map_computed_once(
    viewer, source, inspecting, qtbot, monkeypatch
):
    counts = Counter()

    def count(owner, name):
        method = getattr(owner, name)

        def counted(*args, **options):
            counts[name] += 1
            return method(*args, **options)

        monkeypatch.setattr(owner, name, counted)

    count(FrameAttention, "map")
    count(PatchFindings, "picture")
    count(captions, "caption")
    count(Inspector, "_resolve")
    once = {"map": 1, "picture": 1, "caption": 1, "_resolve": 1}
    gallery = inspecting.panel.gallery
    press(viewer, world(source, 12, 20))
    assert counts == once
    # The gallery adds the other block, and three maps that have not been computed.
    qtbot.waitUntil(lambda: len(gallery.names) == 5)
    assert counts == {"map": 2, "picture": 5, "caption": 1, "_resolve": 1}
    counts.clear()
    inspecting.controls.block.slider.setValue(1)
    qtbot.waitUntil(lambda: gallery.current == 0)
    assert counts == once
    counts.clear()
    # Unchanged results are not computed again.
    inspecting.inspector.look_at(block=0)
    assert counts == {"_resolve": 1}
    counts.clear()
    hover(viewer, world(source, 3, 3))
    qtbot.wait(50)
    assert not counts


def test_controls_change_the_map_in_place(viewer, inspecting, expected):
    choose(inspecting, (1, 2))
    overlay, layers = named(viewer, "map"), len(viewer.layers)
    controls = inspecting.controls
    slider = controls.block.slider
    assert (slider.minimum(), slider.maximum(), slider.value()) == (1, 2, 2)

    def assert_shown(**options) -> None:
        right = relative_to_uniform(expected(0), (1, 2), **options)
        np.testing.assert_allclose(overlay.data, right, rtol=1e-5)

    slider.setValue(1)
    assert_shown(block=0)
    assert "after block 1 of 2" in inspecting.message.text()
    pick(controls, "kind", "displacement")
    assert_shown(block=0, kind="displacement")
    pick(controls, "kind", "weights")
    assert not controls.form["head"].enabled
    pick(controls, "map", "attention")
    assert_shown(block=0, choice=MapChoice("attention"))
    assert "mean of 2 heads" in inspecting.message.text()
    pick(controls, "head", 1)
    assert_shown(block=0, choice=MapChoice("attention", 1))
    assert "head 2 of 2" in inspecting.message.text()
    pick(controls, "direction", "to")
    assert_shown(block=0, choice=MapChoice("attention", 1, "to"))
    assert "attend to it" in inspecting.message.text()
    column = expected(0).map(0, 1, 2, choice=MapChoice("attention", 1, "to"))
    assert (
        f"receives {column[1, 2]:.1%} of its own attention" in inspecting.message.text()
    )
    # Rollout has no heads.
    pick(controls, "map", "rollout")
    assert_shown(block=0, choice=MapChoice("rollout", None, "to"))
    assert len(viewer.layers) == layers
    assert overlay in viewer.layers


def test_the_scale_is_fixed_and_stated(viewer, inspecting, expected, displacement):
    overlay = named(viewer, "attention")
    longest = displacement.magnitude().max()
    for patch in ((0, 0), (1, 2)):
        for block in (0, 1):
            choose(inspecting, patch)
            inspecting.inspector.look_at(block=block, kind="weights")
            assert overlay.contrast_limits == [0, 4]
            assert overlay.colorbar.visible
            assert (
                "ends at 4 \N{MULTIPLICATION SIGN} uniform attention"
                in inspecting.message.text()
            )
    inspecting.inspector.look_at(kind="displacement")
    np.testing.assert_allclose(overlay.contrast_limits, (0, 4 * longest))
    assert overlay.name.startswith("map (µm \N{MULTIPLICATION SIGN} uniform attention)")
    # The scale of the original work, up to the map's maximum.
    pick(inspecting.controls, "scale", "peak")
    np.testing.assert_allclose(overlay.contrast_limits, (0, longest))
    right = expected(0).overlay(1, 1, 2, kind="displacement")
    np.testing.assert_allclose(overlay.data, right, rtol=1e-5)
    assert "ends at the longest displacement" in inspecting.message.text()
    inspecting.inspector.look_at(kind="weights")
    assert overlay.contrast_limits == [0, 1]
    np.testing.assert_allclose(overlay.data, expected(0).overlay(1, 1, 2), rtol=1e-5)
    assert "map's own maximum" in inspecting.message.text()


def test_the_frame_slider_is_followed(viewer, inspecting, finish, expected):
    choose(inspecting, (1, 2))
    overlay = named(viewer, "map")
    viewer.dims.set_current_step(0, 2)
    # The map of the previous frame is not shown.
    assert np.isnan(overlay.data).all()
    assert overlay.colormap.map([np.nan])[0, 3] == 0
    inspecting.inspector.look_at(kind="displacement")
    finish(inspecting)
    assert overlay.colormap.map([np.nan])[0, 3] == 0
    inspecting.inspector.look_at(kind="weights")
    right = relative_to_uniform(expected(2), (1, 2))
    np.testing.assert_allclose(overlay.data, right, rtol=1e-5)
    assert "Frame 2" in inspecting.message.text()
    viewer.dims.set_current_step(0, 0)
    # The frame is in the cache: no worker is needed.
    assert not inspecting.is_busy
    right = relative_to_uniform(expected(0), (1, 2))
    np.testing.assert_allclose(overlay.data, right, rtol=1e-5)


def test_of_quick_clicks_in_many_frames_only_the_last_map_is_shown(
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
    right = relative_to_uniform(expected(2), (0, 3))
    np.testing.assert_allclose(overlay.data, right, rtol=1e-5)
    shown = [data for data in seen if not np.isnan(data).all()]
    assert shown
    for data in shown:
        np.testing.assert_allclose(data, right, rtol=1e-5)


def test_a_frame_that_cannot_be_used_does_not_stop_the_inspection(
    viewer, source, inspecting, finish, displacement, expected
):
    data = displacement.data.copy()
    data[1] = np.nan
    holed = DisplacementStack(data, unit="um", spacing_um=0.5)
    beside(viewer, source, holed)
    inspecting.fields.choose(viewer.layers[-1])
    finish(inspecting)
    choose(inspecting, (1, 2))
    # Gaps are ignored in the longest displacement.
    inspecting.inspector.look_at(kind="displacement")
    longest = np.nanmax(holed.magnitude())
    np.testing.assert_allclose(named(viewer, "map").contrast_limits, (0, 4 * longest))
    assert np.isfinite(viewer.layers[2].contrast_limits).all()
    inspecting.inspector.look_at(kind="weights")
    viewer.dims.set_current_step(0, 1)
    finish(inspecting)
    assert inspecting.switch.isChecked()
    assert "Frame 1 cannot be used: 100% of its vectors" in inspecting.message.text()
    assert np.isnan(named(viewer, "map").data).all()
    shown = {layer.name.split()[0] for layer in viewer.layers if layer.visible}
    assert shown == {"displacement"}
    assert not inspecting.test.isEnabled()
    # A click there is not kept for another frame.
    press(viewer, world(source, 3, 3))
    assert not inspecting.is_busy
    viewer.dims.set_current_step(0, 2)
    finish(inspecting)
    assert inspecting.inspector.shown.patch == (1, 2)
    right = relative_to_uniform(expected(2), (1, 2))
    np.testing.assert_allclose(named(viewer, "map").data, right, rtol=1e-5)
    # The message of one frame is not shown for another.
    viewer.dims.set_current_step(0, 1)
    viewer.dims.set_current_step(0, 0)
    finish(inspecting)
    assert "not finite" not in inspecting.message.text()
    viewer.dims.set_current_step(0, 1)
    finish(inspecting)
    assert "cannot be used" in inspecting.message.text()


def test_a_frame_that_the_field_does_not_have_is_not_shown(
    viewer, source, inspecting, finish, displacement
):
    choose(inspecting, (1, 2))
    many = DisplacementStack(np.tile(displacement.data, (2, 1, 1, 1)), unit="grid")
    beside(viewer, source, many)
    inspecting.controls.block.play.click()
    viewer.dims.set_current_step(0, 4)
    assert not inspecting.controls.block.play.isChecked()
    assert "does not have the frame" in inspecting.message.text()
    assert not named(viewer, "map").visible
    assert not named(viewer, "patches").visible
    press(viewer, world(source, 3, 3))
    key(viewer, "Left")
    viewer.dims.set_current_step(0, 1)
    finish(inspecting)
    assert named(viewer, "map").visible
    assert named(viewer, "patches").visible
    assert inspecting.inspector.shown.patch == (1, 2)


def test_a_model_that_cannot_be_loaded_does_not_stop_the_inspection(
    inspecting, finish, weights, tmp_path, expected
):
    choose(inspecting, (1, 2))
    inspecting.model.choose(str(tmp_path / "missing.safetensors"))
    finish(inspecting)
    assert inspecting.switch.isChecked()
    assert "missing.safetensors" in inspecting.message.text()
    inspecting.model.choose(str(weights))
    finish(inspecting)
    assert "after block 2 of 2" in inspecting.message.text()


def test_a_result_after_switching_off_is_discarded(viewer, dock, finish):
    before = names(viewer)
    dock.switch.setChecked(True)
    assert QThreadPool.globalInstance().waitForDone(60_000)
    dock.switch.setChecked(False)
    finish(dock)
    assert names(viewer) == before


def test_the_cache_keeps_few_frames(viewer, source, inspecting, finish, displacement):
    assert CACHED_FRAMES < 6
    many = DisplacementStack(np.tile(displacement.data, (2, 1, 1, 1)), unit="grid")
    beside(viewer, source, many)
    inspecting.fields.choose(viewer.layers[-1])
    for frame in range(6):
        viewer.dims.set_current_step(0, frame)
        finish(inspecting)
    first = 6 - CACHED_FRAMES
    for frame in range(first, 6):
        viewer.dims.set_current_step(0, frame)
        assert not inspecting.is_busy
        assert inspecting.inspector.shown.frame is not None
    viewer.dims.set_current_step(0, first - 1)
    assert inspecting.is_busy


def test_another_model_is_used_immediately(viewer, inspecting, finish, weights):
    choose(inspecting, (1, 2))
    inspecting.model.choose("fttc")
    finish(inspecting)
    assert "no attention" in inspecting.message.text()
    inspecting.model.choose(str(weights))
    assert not inspecting.is_busy
    assert "after block 2 of 2" in inspecting.message.text()


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
    # The grid of the new field does not have the chosen patch.
    viewer.dims.set_current_step(0, 1)
    finish(inspecting)
    assert inspecting.inspector.shown.frame is not None
    assert outlined(viewer, CHOSEN) is None


def test_the_gel_is_that_of_the_computed_tractions(
    viewer, source, inspecting, finish, expected, traction
):
    soft = dataclasses.replace(traction, gel=Gel(poisson=0.3, thickness_um=4.0))
    assert isinstance(soft, TractionStack)
    show_tractions(viewer.layers, soft, source)
    choose(inspecting, (1, 2))

    def assert_shown(poisson: float, thickness_um: float = math.inf) -> None:
        finish(inspecting)
        gel = Substrate(Gel(poisson=poisson, thickness_um=thickness_um))
        right = relative_to_uniform(expected(0, substrate=gel), (1, 2))
        np.testing.assert_allclose(named(viewer, "map").data, right, rtol=1e-5)

    assert_shown(0.3, 4.0)
    # The gel of the last result is used.
    other = dataclasses.replace(traction, gel=Gel(young_pa=2000.0, poisson=0.4))
    show_tractions(viewer.layers, other, source)
    assert_shown(0.4)
    for layer in tractions_of(viewer.layers, source):
        viewer.layers.remove(layer)
    assert_shown(0.3, 4.0)
    for layer in tractions_of(viewer.layers, source):
        viewer.layers.remove(layer)
    assert_shown(REFERENCE_POISSON)


def test_another_unit_is_used_immediately(viewer, source, inspecting, finish, weights):
    choose(inspecting, (1, 2))
    before = named(viewer, "map").data.copy()
    new = describe(viewer.layers, source, unit="grid")
    finish(inspecting)
    assert inspecting.inspector.shown.request.stack is new
    config = ReconstructionConfig(model=str(weights))
    attention = prepare_frame(new, 0, config=config).attention()
    right = relative_to_uniform(attention, (1, 2))
    overlay = named(viewer, "map")
    np.testing.assert_allclose(overlay.data, right, rtol=1e-5)
    assert overlay.data.shape == before.shape


def uniform_vectors(*, offset: float = 0.0) -> np.ndarray:
    """A Vectors layer's data: 16 x 24 equal vectors, 2 apart."""
    places = np.indices((16, 24)).reshape(2, -1).T * 2.0 + offset
    return np.stack([places, np.ones_like(places)], axis=1)


def test_a_field_that_is_mended_later_is_inspected(viewer, dock, finish):
    viewer.layers.clear()
    vectors = np.repeat(uniform_vectors(), 2, axis=0)
    layer = viewer.add_vectors(vectors, units="um")
    dock.switch.setChecked(True)
    assert "more than one vector" in dock.message.text()
    # It has no place yet, so nothing can follow it.
    layer.scale = (0.5, 0.5)
    layer.data = uniform_vectors()
    assert "unit is not known" in dock.message.text()
    describe(viewer.layers, layer, unit="grid")
    finish(dock)
    press(viewer, layer.data_to_world((20, 36)))
    assert dock.inspector.shown.patch == (1, 2)
    for place in ((0, 0), (8, 7)):
        there = layer.data_to_world(2 * np.array(place))
        np.testing.assert_allclose(named(viewer, "map").data_to_world(place), there)
    # The vectors move in their layer.
    layer.data = uniform_vectors(offset=10)
    finish(dock)
    np.testing.assert_allclose(named(viewer, "map").data_to_world((0, 0)), (5, 5))
    viewer.layers.remove(layer)
    assert not dock.switch.isChecked()


def test_a_field_that_cannot_be_read_and_is_removed_ends_the_inspection(viewer, dock):
    viewer.layers.clear()
    layer = viewer.add_vectors(uniform_vectors()[1:])
    dock.switch.setChecked(True)
    viewer.layers.remove(layer)
    assert not dock.switch.isChecked()


def test_an_edit_in_place_is_noticed_when_the_layer_is_refreshed(
    viewer, dock, finish, displacement, weights, monkeypatch
):
    viewer.layers.clear()
    for name, data in zip("uv", np.moveaxis(displacement.data, -1, 0), strict=True):
        viewer.add_image(data.copy(), name=name)
    describe(viewer.layers, viewer.layers["u"], unit="grid")
    viewer.dims.set_current_step(0, 0)
    dock.switch.setChecked(True)
    finish(dock)
    choose(dock, (1, 2))
    viewer.layers["v"].data[:] *= 2
    viewer.layers["v"].refresh()
    finish(dock)
    edited = DisplacementStack(displacement.data * (1, 2), unit="grid")
    config = ReconstructionConfig(model=str(weights))
    attention = prepare_frame(edited, 0, config=config).attention()
    right = relative_to_uniform(attention, (1, 2))
    np.testing.assert_allclose(named(viewer, "map").data, right, rtol=1e-5)
    # At a step of the frame slider, layers are drawn, but not compared.
    compared, compute = [], registry.fingerprint
    monkeypatch.setattr(
        registry, "fingerprint", lambda data: compared.append(data) or compute(data)
    )
    stack = dock.inspector.shown.request.stack
    for step in (1, 2):
        viewer.dims.set_current_step(0, step)
        finish(dock)
    assert not compared
    viewer.layers["v"].refresh()
    assert len(compared) == 1
    assert dock.inspector.shown.request.stack is stack


def test_data_are_compared_at_the_start_and_when_they_are_reported_to_have_changed(
    viewer, source, inspecting, finish
):
    viewer.layers[0].data[0] *= 2
    viewer.dims.set_current_step(0, 1)
    finish(inspecting)
    assert inspecting.inspector.shown.frame is not None
    source.events.data()
    assert "were changed" in inspecting.message.text()
    inspecting.switch.setChecked(False)
    source.data[0] /= 2
    inspecting.switch.setChecked(True)
    finish(inspecting)
    assert "were changed" not in inspecting.message.text()
    assert inspecting.inspector.shown.frame is not None


@pytest.mark.parametrize("bin_size", [1, 2])
def test_the_field_is_prepared_as_for_the_computed_tractions(
    viewer, source, inspecting, displacement, finish, bin_size
):
    preparation = PreparationConfig(reverse=True, remove_drift=True, bin_size=bin_size)
    config = ReconstructionConfig(model="fttc", device="cpu")
    computed = reconstruct(
        displacement_at(viewer.layers, source), config=config, preparation=preparation
    )
    show_tractions(viewer.layers, computed, source)
    finish(inspecting)
    frame = inspecting.inspector.shown.frame
    prepared = prepare(displacement_at(viewer.layers, source), preparation)
    np.testing.assert_array_equal(frame.displacement, prepared.data[0])
    assert "prepared as for the last result" in inspecting.message.text()
    # In vectors of the measured field.
    press(viewer, world(source, 12, 20))
    assert inspecting.inspector.shown.patch == (
        12 // bin_size // 8,
        20 // bin_size // 8,
    )
    overlay = named(viewer, "map")
    rows, columns = (size // bin_size for size in displacement.grid_shape)
    assert overlay.data.shape == (rows, columns)
    for corner in ((-0.5, -0.5), (rows - 0.5, columns - 0.5)):
        there = [bin_size * (place + 0.5) - 0.5 for place in corner]
        np.testing.assert_allclose(
            overlay.data_to_world(corner), source.data_to_world((0, *there))[1:]
        )
