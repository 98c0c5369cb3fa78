"""Closing a window removes everything; napari's fixture checks for leaks."""

from __future__ import annotations

import pytest
from napari.layers import Layer

from napari_vit_tfm.napari.layers.drawing import field_layers


@pytest.mark.usefixtures("needs_display", "plugin")
def test_closing_the_dock_removes_its_overlay(
    make_napari_viewer, displacement, qtbot, weights, finish
):
    viewer = make_napari_viewer(show=True)
    viewer.layers.extend(Layer.create(*data) for data in field_layers(displacement))
    _, dock = viewer.window.add_plugin_dock_widget("napari-vit-tfm", "Attention")
    qtbot.waitUntil(dock.isVisible)
    dock.model.choose(str(weights))
    clean = len(viewer.layers), len(viewer.mouse_drag_callbacks)
    dock.switch.setChecked(True)
    finish(dock)
    dock.inspector.choose((0, 0))
    assert len(viewer.layers) == clean[0] + 3
    assert dock.panel in viewer.window.dock_widgets.values()
    viewer.window.remove_dock_widget(dock)
    assert (len(viewer.layers), len(viewer.mouse_drag_callbacks)) == clean
    assert dock.panel not in viewer.window.dock_widgets.values()
