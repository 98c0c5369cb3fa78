"""Tests in a real window: docks and real mouse events."""

from __future__ import annotations

import gc

import napari
import numpy as np
import pytest
from napari.layers import Layer
from napari.layers._layer_actions import _duplicate_layer
from qtpy.QtCore import QPoint, Qt

from canvas import named
from layers_of_fields import all_results, tractions_of
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.napari.layers.drawing import field_layers
from napari_vit_tfm.napari.layers.reading import layer_stack

PLUGIN = "napari-vit-tfm"


@pytest.fixture(scope="module")
def open_window(needs_display, qapp):
    """One window for all tests, since opening a window takes longer than a test."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1200, 900)
    # napari collects garbage for every layer that is removed from a window.
    gc.collect()
    gc.freeze()
    yield viewer
    viewer.close()
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@pytest.fixture
def window(open_window, plugin, displacement):
    layers = [Layer.create(*data) for data in field_layers(displacement)]
    open_window.layers.extend(layers)
    open_window.dims.set_current_step(0, 0)
    open_window.reset_view()
    yield open_window
    docks = open_window.window.dock_widgets
    for name in list(docks):
        # Removing a dock may also remove its panel.
        if name in docks:
            open_window.window.remove_dock_widget(docks[name].parent())
    open_window.layers.clear()


def open_dock(window, name, weights, qtbot):
    _, dock = window.window.add_plugin_dock_widget(PLUGIN, name)
    qtbot.waitUntil(dock.isVisible)
    dock.model.choose(weights)
    return dock


def on_canvas(window, position) -> QPoint:
    """Canvas pixel of the world coordinates ``(y, x)``."""
    canvas = window.window._qt_viewer.canvas.native
    middle = np.array([canvas.height(), canvas.width()]) / 2
    offset = np.array(position) - window.scene.camera.center[-2:]
    row, column = middle + offset * window.scene.camera.zoom
    return QPoint(round(column), round(row))


def test_both_docks_fit_a_laptop_and_the_view_is_fitted(window, qtbot):
    window.window.resize(1280, 800)
    window.reset_view()
    shown = window.window._qt_window
    for name in ("Traction", "Attention"):
        open_dock(window, name, "fttc", qtbot)
    assert shown.minimumSizeHint().height() <= 800
    assert shown.minimumSizeHint().width() <= 1280
    assert (shown.width(), shown.height()) == (1280, 800)

    def is_fitted() -> bool:
        zoom = window.scene.camera.zoom
        window.fit_to_view()
        return abs(window.scene.camera.zoom / zoom - 1) < 0.02

    qtbot.wait(300)
    assert is_fitted()


def test_the_texts_of_a_result_fit_with_two_docks_in_a_column(window, qtbot, finish):
    window.window.resize(1280, 800)
    dock = open_dock(window, "Traction", "fttc", qtbot)
    open_dock(window, "Attention", "fttc", qtbot)
    dock.run_button.click()
    finish(dock)
    qtbot.wait(100)
    for label in (dock.message, dock.save_note, dock.residual_note):
        assert label.text()
        assert not label.is_cut, label.text()


@pytest.mark.parametrize("as_tabs", [True, False])
def test_three_docks_fit_a_laptop(window, qtbot, as_tabs):
    window.window.resize(1280, 800)
    for name in ("Traction", "Attention", "Quantities"):
        window.window.add_plugin_dock_widget(PLUGIN, name, tabify=as_tabs)
    qtbot.wait(100)
    shown = window.window._qt_window
    assert shown.minimumSizeHint().height() <= 800
    assert shown.minimumSizeHint().width() <= 1280


def test_a_real_click_in_the_plot_of_quantities_moves_the_slider(
    window, qtbot, finish, traction
):
    window.window.resize(1280, 800)
    window.layers.extend(Layer.create(*data) for data in field_layers(traction))
    _, dock = window.window.add_plugin_dock_widget(PLUGIN, "Quantities")
    qtbot.waitUntil(dock.isVisible)
    dock.show_regions.setChecked(True)
    dock.measure_button.click()
    finish(dock)
    qtbot.waitUntil(dock.plot.isVisible)
    qtbot.wait(100)
    body = dock.rows.parentWidget()
    for part in (dock.plot, dock.tabs, dock.quantity):
        assert part.geometry().right() <= body.width()
    assert len(window.layers) == 5
    for frame in (2, 0, 1):
        place = QPoint(round(dock.plot.position_of(frame)), 60)
        qtbot.mouseClick(dock.plot, Qt.MouseButton.LeftButton, pos=place)
        assert window.dims.current_step[0] == frame
    window.window.remove_dock_widget(dock.parent())
    assert len(window.layers) == 4


def test_a_view_that_the_user_has_moved_is_kept(window, qtbot):
    camera = window.scene.camera
    camera.center, camera.zoom = (0, 3, 4), 7.5
    open_dock(window, "Traction", "fttc", qtbot)
    qtbot.wait(300)
    assert camera.zoom == 7.5
    assert camera.center == (0, 3, 4)


def test_a_run_of_many_batches_in_a_window(window, qtbot, finish):
    # The progress bar processes events while it is updated, including the end of the
    # run.
    rng = np.random.default_rng(0)
    long = DisplacementStack(rng.normal(0, 0.01, (80, 16, 16, 2)), unit="grid")
    source = Layer.create(*field_layers(long)[0])
    window.layers.append(source)
    dock = open_dock(window, "Traction", "fttc", qtbot)
    dock.fields.choose(source)
    dock.run_button.click()
    finish(dock)
    assert "80 frames" in dock.message.text()
    image, vectors = tractions_of(window.layers, source)
    assert layer_stack(image) is layer_stack(vectors)
    assert image.colorbar.visible


def test_layers_of_another_program_in_a_window(window, qtbot, weights, finish):
    # One vector every 16 camera pixels of 0.05 um, not from the first pixel on.
    rows, columns = np.indices((24, 32)).reshape(2, -1)
    places = np.stack([40 + 16 * rows, 300 + 16 * columns], axis=-1)
    vectors = np.random.default_rng(0).normal(size=places.shape)
    data = np.stack([places, vectors], axis=1)
    source = window.add_vectors(data, name="PIV", scale=(0.05, 0.05), units="um")
    dock = open_dock(window, "Traction", "fttc", qtbot)
    dock.fields.choose(source)
    dock.calibration["unit"].value = "px"
    dock.calibration["pixel_size_um"].value = 0.05
    for _ in range(2):
        dock.run_button.click()
        finish(dock)
    first, second = (one.layers for one in all_results(window.layers, source))
    assert [layer.visible for layer in (*first, *second)] == [False] * 2 + [True] * 2
    kept = layer_stack(second[0])
    window.layers.selection = set(second)
    _duplicate_layer(window.layers)
    dock.update_last.setChecked(True)
    dock.gel["young_pa"].value = 3000.0
    dock.run_button.click()
    finish(dock)
    copies = [layer for layer in window.layers if layer.name.endswith("copy")]
    assert [layer_stack(layer).unit for layer in copies] == ["1", "1"]
    assert all(layer_stack(layer).data is kept.data for layer in copies)
    assert layer_stack(second[0]).unit == "Pa"
    place = source.data_to_world((40 + 16 * 12, 300 + 16 * 20))
    np.testing.assert_allclose(second[0].data_to_world((12, 20)), place)
    inspecting = open_dock(window, "Attention", str(weights), qtbot)
    inspecting.fields.choose(source)
    inspecting.switch.setChecked(True)
    finish(inspecting)
    window.reset_view()
    qtbot.wait(100)
    canvas = window.window._qt_viewer.canvas.native
    spot = on_canvas(window, place)
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=spot)
    assert inspecting.inspector.shown.patch == (12 // 8, 20 // 8)


def test_a_real_click_chooses_the_patch_under_it(window, qtbot, weights, finish):
    dock = open_dock(window, "Attention", str(weights), qtbot)
    dock.switch.setChecked(True)
    finish(dock)
    qtbot.wait(100)
    canvas = window.window._qt_viewer.canvas.native
    source = window.layers[0]
    for patch in ((0, 0), (1, 3), (3, 4)):
        x0, y0, x1, y1 = dock.inspector.shown.frame.grid.bounds(*patch)
        middle = source.data_to_world((0, (y0 + y1) / 2, (x0 + x1) / 2))[1:]
        place = on_canvas(window, middle)
        qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=place)
        assert dock.inspector.shown.patch == patch
        visuals = window.window._qt_viewer.canvas.layer_to_visual
        for name in ("map", "outlines"):
            layer = named(window, name)
            np.testing.assert_array_equal(visuals[layer].node._data, layer.data)
    pictures = [window.screenshot(flash=False)]
    # The first changes only the map, the second only the outlines.
    dock.inspector.look_at(block=0)
    pictures.append(window.screenshot(flash=False))
    dock.inspector.hover(source.data_to_world((0, 12, 12)))
    pictures.append(window.screenshot(flash=False))
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1], pictures[2])


def test_a_real_drag_pans_the_canvas_and_chooses_no_patch(
    window, qtbot, weights, finish
):
    dock = open_dock(window, "Attention", str(weights), qtbot)
    dock.switch.setChecked(True)
    finish(dock)
    qtbot.wait(100)
    canvas = window.window._qt_viewer.canvas.native
    before = np.array(window.scene.camera.center)
    start = on_canvas(window, (6, 10))
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=start)
    for step in range(1, 6):
        qtbot.mouseMove(canvas, start + QPoint(10 * step, 0))
        qtbot.wait(20)
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=start + QPoint(50, 0))
    assert dock.inspector.shown.patch is None
    assert not np.allclose(window.scene.camera.center, before)


def test_real_keys_and_a_real_mouse_move(window, qtbot, weights, finish):
    dock = open_dock(window, "Attention", str(weights), qtbot)
    canvas = window.window._qt_viewer.canvas.native
    canvas.setFocus()
    qtbot.keyClick(canvas, Qt.Key.Key_A)
    finish(dock)
    assert dock.switch.isChecked()
    qtbot.wait(100)
    source = window.layers[0]
    place = on_canvas(window, source.data_to_world((0, 12, 20))[1:])
    qtbot.mouseMove(canvas, place - QPoint(3, 3))
    qtbot.mouseMove(canvas, place)
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=place)
    assert dock.inspector.shown.patch == (1, 2)
    frame = window.dims.current_step[0]
    qtbot.keyClick(canvas, Qt.Key.Key_Right)
    qtbot.keyClick(canvas, Qt.Key.Key_Up)
    assert dock.inspector.shown.patch == (0, 3)
    assert window.dims.current_step[0] == frame
    gallery = dock.panel.gallery
    qtbot.waitUntil(lambda: gallery.isVisible() and len(gallery.names) == 5)
    tile = gallery.tile_rect(0).center().toPoint()
    qtbot.mouseClick(gallery, Qt.MouseButton.LeftButton, pos=tile)
    assert dock.inspector.shown.view.block == 0
    qtbot.keyClick(canvas, Qt.Key.Key_Escape)
    assert not dock.switch.isChecked()
    assert not gallery.isVisible()
