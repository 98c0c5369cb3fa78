"""What only a real window shows: docks in it, real mouse events, pictures."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from napari.layers import Layer
from qtpy.QtCore import QPoint, Qt
from skimage.io import imread

from napari_vit_tfm import io
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.napari import demo
from napari_vit_tfm.napari.layers import field_layers, layer_stack, tractions_of

PLUGIN = "napari-vit-tfm"


@pytest.fixture
def window(window_viewer, npe2pm, displacement, qtbot):
    with npe2pm.tmp_plugin(package=PLUGIN):
        layers = [Layer.create(*data) for data in field_layers(displacement)]
        window_viewer.layers.extend(layers)
        window_viewer.dims.set_current_step(0, 0)
        window_viewer.window.resize(1200, 900)
        yield window_viewer
        docks = window_viewer.window.dock_widgets
        for name in list(docks):
            # One dock may take another along.
            if name in docks:
                window_viewer.window.remove_dock_widget(docks[name].parent())


def open_dock(window, name, weights, qtbot):
    _, dock = window.window.add_plugin_dock_widget(PLUGIN, name)
    qtbot.waitUntil(dock.isVisible)
    dock.model.choose(weights)
    return dock


def on_canvas(window, position) -> QPoint:
    """Where on the canvas, in pixels, a position ``(y, x)`` in the world is."""
    canvas = window.window._qt_viewer.canvas.native
    middle = np.array([canvas.height(), canvas.width()]) / 2
    offset = np.array(position) - window.scene.camera.center[-2:]
    row, column = middle + offset * window.scene.camera.zoom
    return QPoint(round(column), round(row))


def test_a_run_of_many_batches_in_a_window(window, qtbot, finish):
    # The bar in the activity dock handles events while it is updated: the end
    # of the run, too.
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


@pytest.mark.parametrize("patch", [(0, 0), (1, 3), (3, 4)])
def test_a_real_click_chooses_the_patch_under_it(window, qtbot, weights, patch, finish):
    dock = open_dock(window, "Attention", str(weights), qtbot)
    dock.switch.setChecked(True)
    finish(dock)
    qtbot.wait(100)
    canvas = window.window._qt_viewer.canvas.native
    x0, y0, x1, y1 = dock.inspector.frame.grid.bounds(*patch)
    source = window.layers[0]
    middle = source.data_to_world((0, (y0 + y1) / 2, (x0 + x1) / 2))[1:]
    place = on_canvas(window, middle)
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=place)
    assert dock.inspector.shown.patch == patch


def test_a_real_drag_moves_the_picture_and_chooses_nothing(
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


def test_closing_the_dock_takes_its_overlay_along(window, qtbot, weights, finish):
    dock = open_dock(window, "Attention", str(weights), qtbot)
    clean = len(window.layers), len(window.mouse_drag_callbacks)
    dock.switch.setChecked(True)
    finish(dock)
    dock.inspector.look_at(patch=(0, 0))
    assert len(window.layers) == clean[0] + 3
    assert dock.panel in window.window.dock_widgets.values()
    window.window.remove_dock_widget(dock)
    assert (len(window.layers), len(window.mouse_drag_callbacks)) == clean
    assert dock.panel not in window.window.dock_widgets.values()


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
    qtbot.waitUntil(lambda: gallery.isVisible() and len(gallery.names) == 4)
    tile = gallery.tile_rect(0).center().toPoint()
    qtbot.mouseClick(gallery, Qt.MouseButton.LeftButton, pos=tile)
    assert dock.inspector.shown.block == 0
    qtbot.keyClick(canvas, Qt.Key.Key_Escape)
    assert not dock.switch.isChecked()
    assert not gallery.isVisible()


@pytest.fixture
def folder(tmp_path, displacement, traction):
    io.write_arrays(
        tmp_path / "displacement.h5",
        {"displacement": displacement.data},
        {"displacement": {"units": "um", "spacing_um": 0.5, "young_pa": 2000.0}},
    )
    for name in ("traction.h5", "truth.h5"):
        io.write_traction(tmp_path / name, traction)
    return tmp_path


def test_the_demo_shows_all_fields_and_a_run_would_update_them(viewer, folder):
    source = demo.show_fields(viewer, demo.read_fields(folder))
    assert [layer.name for layer in viewer.layers if layer.visible] == [
        "traction magnitude (Pa)",
        "traction arrows (Pa)",
    ]
    assert tractions_of(viewer.layers, source) == tuple(viewer.layers[-2:])
    frame, position = demo.strongest(viewer.layers[-2])
    lengths = viewer.layers[-2].data
    assert lengths[frame].max() == lengths.max()
    at = tuple(int(i) for i in viewer.layers[-2].world_to_data((frame, *position)))
    assert lengths[at] == lengths.max()


def run_demo(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "napari_vit_tfm.napari.demo", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.usefixtures("needs_display")
def test_the_demo_saves_a_picture_of_its_window(folder):
    picture = folder / "demo.png"
    done = run_demo(folder, "--screenshot", picture)
    assert done.returncode == 0, done.stderr
    assert str(picture) in done.stdout
    pixels = imread(picture)[..., :3].astype(int)
    assert min(pixels.shape[:2]) > 500
    # The outline of the chosen patch, and nothing else, is of this pink.
    pink = np.abs(pixels - (255, 77, 157)).max(axis=-1) < 12
    assert pink.sum() > 50


@pytest.mark.usefixtures("needs_display")
def test_the_inspector_is_timed_in_a_window(tmp_path):
    module = "napari_vit_tfm.napari.inspection_speed"
    command = [sys.executable, "-m", module, str(tmp_path), "--clicks", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "inspect.json").read_text(encoding="utf-8"))
    # Clicks in two frames; then as many clicks as steps of the slider.
    assert len(found["first_click_all_ms"]) == 2
    assert len(found["same_frame_all_ms"]) == 4
    for name in ("first_click", "same_frame"):
        values = found[f"{name}_all_ms"]
        assert found[f"{name}_ms"] == pytest.approx(np.median(values))
        assert min(values) > 0


def test_the_demo_without_files_ends_with_one_line(tmp_path):
    done = run_demo(tmp_path)
    assert done.returncode == 2
    assert "displacement.h5: there is no such file" in done.stderr
    assert "Traceback" not in done.stderr
