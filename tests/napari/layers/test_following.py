from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_vit_tfm.napari.layers.following import keeps_selection, replace_overlays
from napari_vit_tfm.napari.layers.metadata import overlay_metadata


def image(name: str, field_id: str | None = None) -> Image:
    marks = {} if field_id is None else overlay_metadata(field_id, "overlay")
    return Image(np.zeros((4, 4)), name=name, metadata=marks)


@pytest.fixture
def layers():
    layers = ViewerModel().layers
    layers.extend([image("one"), image("two"), image("three")])
    return layers


def selected(layers) -> set[Layer]:
    return set(layers.selection)


def test_the_selection_stays_when_layers_are_added(layers):
    layers.selection.active = layers[0]
    with keeps_selection(layers):
        layers.append(image("new"))
    assert layers.selection.active is layers[0]


def test_the_selection_stays_when_the_block_fails(layers):
    layers.selection = {layers[0], layers[1]}

    def fail() -> None:
        layers.append(image("new"))
        raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"), keeps_selection(layers):
        fail()
    assert selected(layers) == {layers[0], layers[1]}


def test_what_is_left_of_the_selection_stays(layers):
    one, two = layers[0], layers[1]
    layers.selection.active = one
    with keeps_selection(layers):
        layers.remove(one)
        layers.append(image("new"))
    assert selected(layers) == set()
    layers.selection = {two, layers[1]}
    with keeps_selection(layers):
        layers.remove(two)
    assert selected(layers) == {layers[0]}


def test_overlays_replace_those_of_the_same_name_and_field(layers):
    # napari numbers the third one.
    for field_id in ("a", "b"):
        layers.append(image("map", field_id))
    of_user = image("map")
    layers.append(of_user)
    old, other = layers[3], layers[4]
    new = image("map", "a")
    replace_overlays(layers, [new])
    assert old not in layers
    assert other in layers
    assert of_user in layers
    assert layers[-1] is new
