"""The map, the grid and the outlines over the field."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import LayerList
from napari.layers import Layer
from napari.utils._proxies import PublicOnlyProxy

from canvas import (
    CHOSEN,
    POINTED_AT,
    choose,
    corners,
    key,
    named,
    names,
    outlined,
    pick,
    press,
    relative_to_uniform,
    world,
)
from layers_of_fields import describe, show_tractions
from napari_vit_tfm.attention.patches import PatchGrid
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.napari.attention.dock import AttentionDock
from napari_vit_tfm.napari.attention.layers import AttentionLayers
from napari_vit_tfm.napari.layers.drawing import field_layers


def test_a_map_that_the_user_hides_stays_hidden(viewer, inspecting, finish, expected):
    choose(inspecting, (1, 2))
    overlay = named(viewer, "map")
    overlay.visible = False
    choose(inspecting, (1, 3))
    viewer.dims.set_current_step(0, 1)
    finish(inspecting)
    assert not overlay.visible
    overlay.visible = True
    right = relative_to_uniform(expected(1), (1, 3))
    np.testing.assert_allclose(overlay.data, right, rtol=1e-5)


def test_a_map_layer_that_the_user_has_shown_early_has_its_colours(viewer, inspecting):
    overlay = named(viewer, "attention")
    overlay.visible = True
    choose(inspecting, (1, 2))
    assert overlay.colorbar.visible
    overlay.visible = False
    choose(inspecting, (1, 3))
    assert not overlay.visible


def test_a_hidden_map_does_not_show_another_frame_later(viewer, inspecting, finish):
    choose(inspecting, (1, 2))
    overlay = named(viewer, "map")
    overlay.visible = False
    viewer.dims.set_current_step(0, 1)
    overlay.visible = True
    assert np.isnan(overlay.data).all()
    finish(inspecting)
    assert not np.isnan(overlay.data).any()
    # Nor the map of a block, if an influence is chosen that has not been computed.
    inspecting.inspector.look_at(evidence="influence")
    assert np.isnan(overlay.data).all()


def test_removing_the_displacements_ends_the_inspection(viewer, dock, finish):
    before = list(viewer.mouse_drag_callbacks)
    dock.switch.setChecked(True)
    finish(dock)
    choose(dock, (0, 0))
    viewer.layers.clear()
    assert "was removed" in dock.message.text() or "has stopped" in dock.message.text()
    assert not dock.switch.isChecked()
    assert len(viewer.layers) == 0
    assert viewer.mouse_drag_callbacks == before
    assert not dock.controls.isEnabled()
    assert dock.message.text()


def test_inspecting_continues_if_one_layer_of_the_field_is_removed(
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


@pytest.mark.parametrize("name", ["u", "v"])
def test_removing_a_component_ends_the_inspection(viewer, dock, finish, name):
    rng = np.random.default_rng(0)
    for component in ("u", "v"):
        viewer.add_image(
            rng.normal(size=(48, 64)), name=component, scale=(0.5, 0.5), units="um"
        )
    dock.fields.choose(named(viewer, "u"))
    describe(viewer.layers, named(viewer, "u"), unit="um")
    dock.model.choose("fttc")
    dock.switch.setChecked(True)
    finish(dock)
    dock.inspector.choose((1, 1))
    viewer.layers.remove(named(viewer, "displacement"))
    viewer.layers.remove(named(viewer, "displacement arrows"))
    viewer.layers.remove(named(viewer, name))
    finish(dock)
    assert not dock.inspector.shown.is_on
    assert not dock.switch.isChecked()
    assert "displacement" in dock.message.text()


@pytest.mark.parametrize("name", ["map", "patches", "outlines"])
def test_removing_a_layer_of_the_inspector_switches_it_off(
    viewer, inspecting, name, qtbot
):
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
    # napari removes selected layers in any order.
    for layer in doomed[::step]:
        viewer.layers.remove(layer)
    left = 0 if among == ("",) else 2
    qtbot.waitUntil(lambda: len(viewer.layers) == left)
    assert not inspecting.switch.isChecked()


def test_the_selection_of_layers_is_kept(viewer, source, dock, finish):
    viewer.layers.selection = {source}
    dock.switch.setChecked(True)
    finish(dock)
    choose(dock, (0, 0))
    assert viewer.layers.selection == {source}


def test_the_layers_move_with_the_displacements(viewer, source, inspecting):
    choose(inspecting, (1, 2))
    turn = np.eye(3)
    turn[1:, 1:] = [[0.8, -0.6], [0.6, 0.8]]
    for layer in (source, named(viewer, "displacement arrows")):
        layer.scale = (2, 1.5, 1.5)
        layer.translate = (4, 30, -7)
        layer.rotate = turn
        layer.units = ("pixel", "nm", "nm")
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
def test_outlines_are_at_the_borders_of_the_patches(shape, model_shape):
    stack = DisplacementStack(np.ones((1, *shape, 2)), unit="grid")
    layers = LayerList([Layer.create(*field_layers(stack)[0])])
    overlay = AttentionLayers(layers, layers[0])
    grid = PatchGrid(shape, model_shape)
    overlay.show_grid(grid)
    for patch in ((0, 0), (grid.rows // 2, 1), (grid.rows - 1, grid.columns - 1)):
        overlay.outline(chosen=patch, hovered=patch)
        image = next(layer for layer in layers if layer.name == "outlines")
        # The mouse is in the chosen patch, whose outline is on top.
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


def test_the_width_of_lines_does_not_depend_on_the_field_size():
    for shape in ((16, 20), (256, 200)):
        stack = DisplacementStack(np.ones((1, *shape, 2)), unit="grid")
        layers = LayerList([Layer.create(*field_layers(stack)[0])])
        AttentionLayers(layers, layers[0]).show_grid(PatchGrid(shape))
        lines = next(layer for layer in layers if layer.name == "patches")
        assert lines.edge_width == pytest.approx(0.003 * max(shape))


def test_weighted_displacements_are_opaque_and_attention_darkens_the_field(
    viewer, inspecting
):
    choose(inspecting, (1, 2))
    overlay = named(viewer, "map")
    faint = overlay.opacity
    assert faint < 1
    np.testing.assert_array_equal(overlay.colormap.map(0.0)[0], (0, 0, 0, 0.5))
    pick(inspecting.controls, "kind", "displacement")
    assert overlay.opacity == 1
    assert overlay.colormap.map(0.0)[0, :3].any()
    # Settings of the user are kept.
    overlay.opacity = 0.8
    choose(inspecting, (1, 3))
    assert overlay.opacity == pytest.approx(0.8)
    pick(inspecting.controls, "kind", "weights")
    assert overlay.opacity == pytest.approx(faint)
    np.testing.assert_array_equal(overlay.colormap.map(0.0)[0], (0, 0, 0, 0.5))


def test_the_map_moves_to_another_layer_if_its_layer_is_removed(
    viewer, source, qtbot, weights, finish, traction
):
    # Docks get a proxy of the viewer and therefore proxies of the layers.
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


def test_nothing_is_drawn_in_3d_view(viewer, source, inspecting):
    viewer.dims.ndisplay = 3
    press(viewer, world(source, 3, 3))
    assert inspecting.inspector.shown.patch is None
    assert "2D view" in inspecting.message.text()
    viewer.dims.ndisplay = 2
    press(viewer, world(source, 3, 3))
    assert inspecting.inspector.shown.patch == (0, 0)
    viewer.dims.order = (1, 0, 2)
    assert "2D view" in inspecting.message.text()
    assert not named(viewer, "map").visible
    key(viewer, "Right")
    assert inspecting.inspector.shown.patch == (0, 0)
    viewer.dims.order = (0, 1, 2)
    assert named(viewer, "map").visible
    assert not np.isnan(named(viewer, "map").data).any()


def test_nothing_is_drawn_in_grid_mode(viewer, source, inspecting):
    viewer.canvas.grid.enabled = True
    press(viewer, world(source, 3, 3))
    assert inspecting.inspector.shown.patch is None
    assert "grid mode" in inspecting.message.text()
    viewer.canvas.grid.enabled = False
    press(viewer, world(source, 3, 3))
    assert inspecting.inspector.shown.patch == (0, 0)
