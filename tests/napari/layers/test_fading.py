from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer, Vectors

from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.napari.layers.drawing import field_layers
from napari_vit_tfm.napari.layers.fading import fade, unfade, veil_of
from napari_vit_tfm.napari.layers.reading import find_displacements
from napari_vit_tfm.napari.layers.registry import entry_of
from napari_vit_tfm.trust.certainty import deviation_of_magnitude


@pytest.fixture
def traction() -> TractionStack:
    """Columns of 0 to 5 standard deviations, in two frames."""
    data = np.zeros((2, 12, 18, 2), np.float32)
    data[0, ..., 0] = np.repeat(np.arange(6), 3) * 10
    data[1, ..., 1] = 15
    halfwidth = np.full_like(data, 10)
    return TractionStack(
        data, unit="Pa", spacing_um=0.5, companions={"halfwidth_68": halfwidth}
    )


def show(viewer: ViewerModel, stack: TractionStack, **options) -> tuple[Image, Vectors]:
    new = [Layer.create(*one) for one in field_layers(stack, title="cell", **options)]
    viewer.layers.extend(new)
    return tuple(new)


def fade_all(viewer: ViewerModel, *layers: Layer) -> None:
    for layer in layers:
        fade(viewer.layers, layer, entry_of(layer).arrays)


def test_magnitude_is_veiled_below_two_deviations(traction):
    viewer = ViewerModel()
    image, _ = show(viewer, traction)
    before = image.data.copy()
    fade_all(viewer, image)
    veil = veil_of(viewer.layers, image)
    np.testing.assert_allclose(veil.data[0, 0, ::3], [1, 1, 0, 0, 0, 0])
    np.testing.assert_allclose(veil.data[1], 0.5)
    np.testing.assert_array_equal(image.data, before)
    order = [one.name for one in viewer.layers]
    assert order == [
        "cell: traction (Pa)",
        "cell: uncertain tractions",
        "cell: traction arrows (Pa)",
    ]
    assert veil not in viewer.layers.selection
    assert find_displacements(viewer.layers) == []


def test_arrows_fade_and_come_back(traction):
    viewer = ViewerModel()
    _, vectors = show(viewer, traction)
    before, limits = vectors.edge_color.copy(), vectors.edge_contrast_limits
    fade_all(viewer, vectors)
    ratio = vectors.features["magnitude"] / vectors.features["standard deviation"]
    visible = np.clip(ratio - 1, 0, 1)
    assert {0.0, 0.5, 1.0} <= set(np.round(visible, 5))
    faded = vectors.edge_color
    np.testing.assert_allclose(faded[:, :3], before[:, :3])
    np.testing.assert_allclose(faded[:, 3], before[:, 3] * visible, atol=1e-6)
    unfade(viewer.layers, vectors)
    np.testing.assert_allclose(vectors.edge_color, before)
    assert vectors.edge_contrast_limits == limits
    assert vectors.edge_color_mode == "colormap"


def test_an_arrow_is_not_surer_than_its_vectors(traction):
    viewer = ViewerModel()
    _, vectors = show(viewer, traction)
    np.testing.assert_allclose(vectors.features["standard deviation"], 10, rtol=1e-5)


def test_veil_follows_the_magnitude(traction, qtbot):
    viewer = ViewerModel()
    image, _ = show(viewer, traction)
    fade_all(viewer, image)
    veil = veil_of(viewer.layers, image)
    image.scale, image.units = (1, 2, 2), ("pixel", "mm", "mm")
    image.visible = False
    np.testing.assert_allclose(veil.scale, (1, 2, 2))
    assert veil.units == image.units
    assert not veil.visible
    viewer.layers.remove(image)
    qtbot.waitUntil(lambda: veil not in viewer.layers)


def test_veil_is_replaced_and_removed(traction):
    viewer = ViewerModel()
    image, _ = show(viewer, traction)
    fade_all(viewer, image)
    fade_all(viewer, image)
    assert len(viewer.layers) == 3
    unfade(viewer.layers, image)
    assert len(viewer.layers) == 2
    assert veil_of(viewer.layers, image) is None


def test_one_frame_without_an_axis(traction):
    viewer = ViewerModel()
    image, vectors = show(viewer, traction.first(1), has_frames=False)
    fade_all(viewer, image, vectors)
    assert veil_of(viewer.layers, image).data.shape == image.data.shape


def test_deviation_of_an_arrow_is_along_it():
    data = np.full((1, 3, 3, 2), [0, 5], np.float32)
    halfwidth = np.full_like(data, [3, 1])
    stack = TractionStack(data, unit="Pa", companions={"halfwidth_68": halfwidth})
    _, vectors = show(ViewerModel(), stack)
    expected = deviation_of_magnitude(data, halfwidth)[0, 0, 0]
    np.testing.assert_allclose(vectors.features["standard deviation"], expected)
