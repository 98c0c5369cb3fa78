"""Fixtures: the attention dock, and a field with scale and translation."""

from __future__ import annotations

import dataclasses

import pytest
from napari.layers import Layer

from napari_vit_tfm.attention.frame import prepare_frame
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.napari.attention.dock import AttentionDock
from napari_vit_tfm.napari.layers.drawing import field_layers


@pytest.fixture
def source(viewer, displacement) -> Layer:
    place = {"scale": (2, 0.7, 0.7), "translate": (4, -3, 12)}
    layers = [Layer.create(*data) for data in field_layers(displacement, **place)]
    viewer.layers.extend(layers)
    viewer.dims.set_current_step(0, 0)
    return layers[0]


@pytest.fixture
def dock(viewer, source, qtbot, weights, finish):
    def leave(dock: AttentionDock) -> None:
        finish(dock)
        dock.hide()

    dock = AttentionDock(viewer)
    # Widgets are closed and deleted before fixtures are torn down.
    qtbot.addWidget(dock, before_close_func=leave)
    dock.model.choose(str(weights))
    dock.show()
    return dock


@pytest.fixture
def expected(displacement, weights):
    # The spacing is the scale of the layers.
    scaled = dataclasses.replace(displacement, spacing_um=0.7)

    def compute(index: int, **options):
        config = ReconstructionConfig(model=str(weights))
        frame = prepare_frame(scaled, index, config=config, **options)
        return frame.attention()

    return compute


@pytest.fixture
def inspecting(dock, finish):
    dock.switch.setChecked(True)
    finish(dock)
    return dock
