from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer, Vectors

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.napari.layers.companions import STYLES, show_companion
from napari_vit_tfm.napari.layers.drawing import field_layers
from napari_vit_tfm.napari.layers.reading import find_displacements, layer_stack


@pytest.fixture
def traction() -> TractionStack:
    rng = np.random.default_rng(0)
    data, model, residual = rng.normal(size=(3, 2, 16, 24, 2)).astype(np.float32)
    return TractionStack(
        data,
        unit="Pa",
        spacing_um=0.5,
        model="vit",
        companions={"displacement_model": model, "residual": residual},
        displacement_unit="um",
    )


@pytest.fixture
def shown(traction: TractionStack) -> tuple[ViewerModel, Layer]:
    viewer = ViewerModel()
    layers = [
        Layer.create(*one)
        for one in field_layers(traction, title="cell", translate=(0, 3, 5))
    ]
    viewer.layers.extend(layers)
    return viewer, layers[0]


@pytest.mark.parametrize("name", STYLES)
def test_companion_lies_over_its_tractions(name, traction, shown):
    viewer, field = shown
    image, arrows = show_companion(viewer.layers, traction, name, field)
    assert isinstance(image, Image)
    assert isinstance(arrows, Vectors)
    vectors = traction.companions[name]
    np.testing.assert_allclose(image.data, np.hypot(vectors[..., 0], vectors[..., 1]))
    for layer in (image, arrows):
        np.testing.assert_allclose(layer.scale, field.scale)
        np.testing.assert_allclose(layer.translate, field.translate)
        assert layer.units == field.units
    assert image.name == f"cell: {STYLES[name].words} (vit) (µm)"
    assert image.colorbar.visible


def test_companion_is_no_displacement(traction, shown):
    viewer, field = shown
    image, arrows = show_companion(viewer.layers, traction, "residual", field)
    assert find_displacements(viewer.layers) == []
    for layer in (image, arrows):
        with pytest.raises(FieldError, match="shows no field"):
            layer_stack(layer)


def test_companion_is_replaced(traction, shown):
    viewer, field = shown
    show_companion(viewer.layers, traction, "residual", field)
    new = show_companion(viewer.layers, traction, "residual", field)
    assert list(viewer.layers)[2:] == new
