"""What layers say that they show."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from napari.layers import Image, Layer

from napari_vit_tfm.napari.layers.drawing import (
    field_layers,
)
from napari_vit_tfm.napari.layers.tags import (
    KEY,
    displacement_layers,
    displacement_stack,
    field_tag,
    layer_stack,
)


def create(*args, **kwargs) -> list[Layer]:
    return [Layer.create(*data) for data in field_layers(*args, **kwargs)]


def test_a_duplicate_shows_the_same_field(displacement):
    image, _ = create(displacement)
    data, options, kind = copy.deepcopy(image.as_layer_data_tuple())
    duplicate = Layer.create(data, options, kind)
    assert displacement_stack(duplicate) is displacement
    assert displacement_layers([image, duplicate]) == [image]


def test_other_layers_show_no_field():
    layer = Image(np.zeros((4, 4)), metadata={KEY: "something else"})
    assert field_tag(layer) is None
    with pytest.raises(KeyError, match="shows no field"):
        layer_stack(layer)
