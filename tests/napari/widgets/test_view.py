"""Fitting the view."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtWidgets import QWidget

from napari_vit_tfm.napari.widgets.view import ViewFitter


@pytest.fixture
def fitter(viewer, qtbot) -> Iterator[ViewFitter]:
    viewer.add_image(np.zeros((40, 40)))
    parent = QWidget()
    qtbot.addWidget(parent)
    fitter = ViewFitter(viewer, parent)
    fitter.fit()
    yield fitter
    # It has lived as long as the test.
    parent.deleteLater()


def rescale(viewer, fitter: ViewFitter, factor: float) -> None:
    with fitter.keeps_fit():
        for layer in viewer.layers:
            layer.scale = np.multiply(layer.scale, factor)


def shown(viewer) -> np.ndarray:
    """Height and width of the canvas, as parts of the field, and its centre."""
    camera, field = viewer.scene.camera, viewer.layers[0].extent.world
    size = np.ptp(field, axis=0)
    canvas = np.array(viewer.canvas.size) / camera.zoom / size
    return np.array([*canvas, *(np.array(camera.center[-2:]) - field[0]) / size])


def test_layers_that_reach_further_do_not_count_as_a_move(viewer, fitter):
    viewer.add_layer(Image(np.zeros((10, 10)), translate=(35, 35)))
    before = shown(viewer)
    rescale(viewer, fitter, 2.0)
    np.testing.assert_allclose(shown(viewer), before, atol=0.2)


def test_a_view_that_the_user_has_moved_is_kept(viewer, fitter):
    moved = viewer.scene.camera.center = (0, 8, 30)
    rescale(viewer, fitter, 2.0)
    fitter.fit()
    assert viewer.scene.camera.center == moved


def test_the_view_fits_a_canvas_that_is_still_changing(viewer, fitter, qtbot):
    fitter.fit_soon()
    qtbot.waitSignal(fitter.timeout).wait()
    before = shown(viewer)
    # Another dock takes half of the canvas after the first look.
    viewer.canvas.size = tuple(side // 2 for side in viewer.canvas.size)
    qtbot.waitUntil(lambda: not fitter.isActive())
    np.testing.assert_allclose(shown(viewer), before)
