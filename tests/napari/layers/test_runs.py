"""The layers of a field and of its tractions, together."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from napari.layers import Image, Layer

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.napari.layers.drawing import (
    arrows,
    field_layers,
    outline_layer,
)
from napari_vit_tfm.napari.layers.runs import describe, show_tractions, tractions_of
from napari_vit_tfm.napari.layers.tags import (
    displacement_layers,
    displacement_stack,
    layer_stack,
)


def create(*args, **kwargs) -> list[Layer]:
    return [Layer.create(*data) for data in field_layers(*args, **kwargs)]


@pytest.fixture
def source(viewer, displacement) -> Layer:
    image, _ = create(displacement)
    image.scale = (2, 0.7, 0.7)
    image.translate = (4, -3, 12)
    viewer.layers.append(image)
    return image


def test_describe_speaks_for_all_layers_of_the_field(viewer, displacement):
    unknown = dataclasses.replace(displacement, spacing_um=None, unit=None)
    viewer.layers.extend(create(unknown))
    viewer.layers[1].name = "mine"
    new = describe(viewer.layers, viewer.layers[1], unit="grid", spacing_um=0.8)
    assert [displacement_stack(layer) for layer in viewer.layers] == [new, new]
    assert (new.unit, new.spacing_um) == ("grid", 0.8)
    assert new.data is unknown.data
    assert viewer.layers[0].name == "displacement magnitude (grid steps)"
    assert viewer.layers[1].name == "mine"


def test_describe_leaves_other_fields_alone(viewer, displacement, traction):
    other = dataclasses.replace(displacement, unit=None)
    viewer.layers.extend([*create(displacement), *create(other), *create(traction)])
    describe(viewer.layers, viewer.layers[2], unit="grid")
    assert displacement_stack(viewer.layers[0]) is displacement
    assert layer_stack(viewer.layers[4]) is traction
    assert describe(viewer.layers, viewer.layers[4], unit="px") is None


def test_names_that_napari_numbered_still_tell_the_unit(viewer, displacement, traction):
    unknown = dataclasses.replace(displacement, unit=None)
    for _ in range(2):
        viewer.layers.extend(create(dataclasses.replace(unknown)))
    first, second = viewer.layers[0], viewer.layers[2]
    assert second.name == "displacement magnitude (unit not known) [1]"
    for source in (first, second):
        describe(viewer.layers, source, unit="grid")
        show_tractions(viewer.layers, traction, source)
    assert second.name == "displacement magnitude (grid steps) [1]"
    image, vectors = tractions_of(viewer.layers, second)
    assert image.name == "traction magnitude (Pa) [1]"
    without_young = TractionStack(traction.data / 2000, unit="1", spacing_um=0.5)
    show_tractions(viewer.layers, without_young, second)
    assert image.name == "traction magnitude (t/E)"
    assert vectors.name == "traction arrows (t/E)"
    vectors.name = "traction arrows (t/E) of cell [1]"
    show_tractions(viewer.layers, traction, second)
    assert vectors.name == "traction arrows (t/E) of cell [1]"


def test_another_spacing_moves_the_fields_layers(viewer, displacement, traction):
    outline = np.array([[1.0, 2.0], [7.0, 2.0], [7.0, 9.0]])
    unknown = dataclasses.replace(displacement, spacing_um=None, outline=outline)
    data = field_layers(unknown)
    outlined = [Layer.create(*one) for one in [*data, *outline_layer(data)]]
    viewer.layers.extend([*outlined, *create(dataclasses.replace(unknown))])
    source, other = viewer.layers[0], viewer.layers[3]
    computed = show_tractions(viewer.layers, traction, source)
    viewer.layers[1].scale = (1, 3, 3)
    describe(viewer.layers, source, spacing_um=0.8)
    for layer in (source, outlined[2], *computed):
        np.testing.assert_allclose(layer.scale[-2:], (0.8, 0.8))
        assert str(layer.units[-1]) == "micrometer"
    assert source.scale[0] == 1
    # The user's own, and another field's.
    np.testing.assert_allclose(viewer.layers[1].scale, (1, 3, 3))
    np.testing.assert_allclose(other.scale, (1, 1, 1))
    describe(viewer.layers, source, spacing_um=None)
    np.testing.assert_allclose(source.scale, (1, 1, 1))
    assert str(source.units[-1]) == "pixel"


def test_tractions_stay_with_the_field_that_lost_a_layer(
    viewer, displacement, traction
):
    viewer.layers.extend(create(displacement))
    magnitude, arrows_layer = viewer.layers
    computed = show_tractions(viewer.layers, traction, magnitude)
    viewer.layers.remove(magnitude)
    describe(viewer.layers, arrows_layer, unit="grid")
    assert displacement_layers(viewer.layers) == [arrows_layer]
    assert tractions_of(viewer.layers, arrows_layer) == computed
    assert show_tractions(viewer.layers, traction, arrows_layer) == computed


def test_tractions_lie_where_their_displacements_lie(viewer, source, traction):
    image, vectors = show_tractions(viewer.layers, traction, source)
    for layer in (image, vectors):
        np.testing.assert_allclose(layer.scale, source.scale)
        np.testing.assert_allclose(layer.translate, source.translate)
        assert layer.units == source.units
        assert layer in viewer.layers
        assert layer_stack(layer) is traction
    assert image.colorbar.visible
    assert image.name == "traction magnitude (Pa)"


def test_tractions_lie_above_their_field_and_below_what_lies_over_it(
    viewer, displacement, traction
):
    layers = create(displacement)
    over = Image(np.zeros((4, 4)))
    viewer.layers.extend([*layers, over])
    computed = show_tractions(viewer.layers, traction, layers[0])
    assert list(viewer.layers) == [*layers, *computed, over]
    viewer.layers.remove(computed[0])
    image, vectors = show_tractions(viewer.layers, traction, layers[0])
    assert list(viewer.layers) == [*layers, image, vectors, over]


def test_tractions_are_updated_in_place(viewer, source, traction):
    before = show_tractions(viewer.layers, traction, source)
    before[1].name = "mine"
    again = TractionStack(traction.data * 3 / 2000, unit="1", spacing_um=0.5)
    after = show_tractions(viewer.layers, again, source)
    assert after == before
    assert len(viewer.layers) == 3
    image, vectors = after
    assert tractions_of(viewer.layers, source) == after
    np.testing.assert_allclose(image.data, again.magnitude())
    assert image.contrast_limits[1] == pytest.approx(float(image.data.max()))
    assert image.name == "traction magnitude (t/E)"
    assert vectors.name == "mine"
    drawn = arrows(again, DisplayConfig())
    np.testing.assert_allclose(vectors.data, drawn.data)
    np.testing.assert_allclose(vectors.features["magnitude"], drawn.magnitude)
    assert vectors.edge_contrast_limits[1] == pytest.approx(drawn.magnitude.max())
    fresh = Layer.create(*field_layers(again)[1])
    np.testing.assert_allclose(vectors.edge_color, fresh.edge_color, atol=1e-6)


def test_the_traction_layer_that_is_missing_is_made_anew(viewer, source, traction):
    image, vectors = show_tractions(viewer.layers, traction, source)
    viewer.layers.remove(image)
    new_image, same_vectors = show_tractions(viewer.layers, traction, source)
    assert new_image is not image
    assert same_vectors is vectors
    assert new_image in viewer.layers


def test_every_displacement_layer_has_its_own_tractions(viewer, source, traction):
    (other, _) = create(dataclasses.replace(layer_stack(source)))
    viewer.layers.append(other)
    first = show_tractions(viewer.layers, traction, source)
    second = show_tractions(viewer.layers, traction, other)
    assert not set(first) & set(second)
