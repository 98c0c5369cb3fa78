"""The attention dock: switch, texts and clean-up."""

from __future__ import annotations

import dataclasses
import weakref

import numpy as np
from napari.layers import Layer
from qtpy.QtCore import Qt, QTimer

from canvas import COLUMNS, ROWS, beside, choose, hover, names, pick, press, world
from layers_of_fields import add, describe, remove_garbage, show_tractions
from napari_vit_tfm.napari.attention.dock import AttentionDock
from napari_vit_tfm.napari.layers.arrow_updates import follow_frame_and_zoom
from napari_vit_tfm.napari.layers.drawing import field_layers


def test_the_caption_gives_the_values(inspecting, expected):
    choose(inspecting, (1, 2))
    weights = expected(0).map(1, 1, 2)
    others = np.delete(weights.ravel(), 1 * COLUMNS + 2)
    text = inspecting.message.text()
    assert f"patch itself has {weights[1, 2]:.1%}" in text
    assert f"{others.min():.2%} to {others.max():.2%}" in text
    assert "uniform attention is 5.00%" in text
    assert "number 7" in text


def test_playing_steps_through_the_blocks(viewer, inspecting, finish, qtbot):
    choose(inspecting, (1, 2))
    block = inspecting.controls.block
    direct = Qt.FindChildOption.FindDirectChildrenOnly
    timer = block.findChild(QTimer, options=direct)
    assert timer.interval() > 500
    timer.setInterval(50)
    block.step()
    assert inspecting.inspector.shown.view.block == 0
    with qtbot.waitSignal(block.valueChanged, check_params_cb=lambda value: value == 2):
        block.play.click()
    assert inspecting.inspector.shown.view.block == 1
    # Playing continues in another frame but not with another kind of map.
    viewer.dims.set_current_step(0, 1)
    assert block.play.isChecked()
    finish(inspecting)
    assert block.play.isChecked()
    pick(inspecting.controls, "map", "influence")
    assert not block.play.isChecked()
    assert inspecting.inspector.shown.view.evidence == "influence"
    block.play.click()
    inspecting.switch.setChecked(False)
    assert not block.play.isChecked()
    with qtbot.assertNotEmitted(block.valueChanged, wait=150):
        pass


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
    """Numbers of callbacks of all emitters, mouse events and keys of a viewer."""
    counts = [len(viewer.mouse_drag_callbacks), len(viewer.mouse_move_callbacks)]
    counts.append(len(viewer.keymap))
    for group in emitters(viewer):
        counts += [len(emitter.callbacks) for emitter in group.emitters.values()]
    return counts


def test_opening_and_closing_ten_times_leaves_no_callback(
    viewer, source, weights, qtbot, finish, traction
):
    show_tractions(viewer.layers, traction, source)
    # Any dock starts it once, and it stays with the viewer.
    follow_frame_and_zoom(viewer)
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


def test_switching_off_removes_layers_and_callbacks(viewer, dock, finish):
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


def test_hiding_the_dock_removes_its_layers_and_showing_restores_them(
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


def test_a_hidden_dock_does_not_keep_the_results_of_removed_fields(
    viewer, dock, finish, qtbot, displacement
):
    viewer.layers.clear()
    copy = dataclasses.replace(displacement, data=displacement.data.copy())
    vectors = weakref.ref(copy.data)
    add(viewer, copy)
    del copy
    dock.switch.setChecked(True)
    finish(dock)
    choose(dock, (1, 2))
    dock.test.click()
    finish(dock)
    qtbot.waitUntil(lambda: bool(dock.panel.gallery.names))
    dock.hide()
    qtbot.waitUntil(lambda: not dock.panel.gallery.names)
    assert vectors() is not None
    viewer.layers.clear()
    remove_garbage(viewer)
    assert vectors() is None


def test_a_hidden_dock_does_not_inspect(viewer, inspecting, finish):
    before = names(viewer)
    inspecting.hide()
    hidden = names(viewer)
    inspecting.model.choose("fttc")
    assert names(viewer) == hidden
    assert inspecting.switch.isChecked()
    inspecting.show()
    finish(inspecting)
    assert names(viewer) == before
    assert "fttc has no attention" in inspecting.message.text()


def test_without_a_field_there_is_nothing_to_inspect(viewer, dock, displacement):
    viewer.layers.clear()
    dock.switch.setChecked(True)
    assert not dock.switch.isChecked()
    assert "no displacement field" in dock.message.text()
    # The message disappears when there is a field.
    viewer.layers.append(Layer.create(*field_layers(displacement)[0]))
    assert "no displacement field" not in dock.message.text()


def test_inspecting_starts_when_the_unit_is_set(
    viewer, displacement, dock, finish, source
):
    other = dataclasses.replace(displacement, unit=None)
    beside(viewer, source, other)
    dock.fields.choose(viewer.layers[-1])
    dock.switch.setChecked(True)
    press(viewer, world(source, 3, 3))
    assert "unit is not known" in dock.message.text()
    assert "Traction dock" in dock.message.text()
    assert not dock.is_busy
    describe(viewer.layers, viewer.layers[2], unit="px")
    assert "need the pixel size" in dock.message.text()
    describe(viewer.layers, viewer.layers[2], unit="grid")
    finish(dock)
    assert dock.inspector.shown.frame is not None
    assert dock.message.text().startswith("Click a patch")
