"""The registry, which keeps the vectors of fields as long as their layers exist."""

from __future__ import annotations

import copy
import gc
import weakref

import numpy as np
import pytest
from napari.layers import Image, Layer, Vectors
from napari.layers._layer_actions import _duplicate_layer
from napari.utils._proxies import PublicOnlyProxy

from layers_of_fields import create, displacement_at, remove_garbage
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.napari.layers.drawing import field_layers
from napari_vit_tfm.napari.layers.reading import find_displacements, layer_stack
from napari_vit_tfm.napari.layers.registry import description_of, entry_of, is_unchanged


def fresh(displacement) -> DisplacementStack:
    return DisplacementStack(displacement.data.copy(), unit="um", spacing_um=0.5)


def test_layers_have_the_vectors_of_their_tuples(displacement):
    stack = fresh(displacement)
    image, vectors = create(stack)
    assert layer_stack(image).data is stack.data
    assert layer_stack(image) is layer_stack(vectors)


def test_entries_of_unused_tuples_are_removed(displacement):
    stack = fresh(displacement)
    vectors = weakref.ref(stack.data)
    shown = field_layers(stack)
    del stack
    assert vectors() is not None
    del shown
    gc.collect()
    assert vectors() is None


@pytest.mark.parametrize("looked_at", [True, False])
def test_entries_of_removed_layers_are_removed(viewer, displacement, looked_at):
    stack = fresh(displacement)
    vectors = weakref.ref(stack.data)
    viewer.layers.extend(create(stack))
    del stack
    if looked_at:
        layer_stack(viewer.layers[0])
    gc.collect()
    assert vectors() is not None
    viewer.layers.clear()
    remove_garbage(viewer)
    assert vectors() is None


def test_entries_of_removed_adopted_layers_are_removed(viewer):
    data = np.ones((16, 16, 2), dtype=np.float32)
    viewer.layers.append(Image(data))
    vectors = weakref.ref(displacement_at(viewer.layers, viewer.layers[0]).data)
    gc.collect()
    assert vectors() is not None
    viewer.layers.clear()
    remove_garbage(viewer)
    assert vectors() is None


def test_a_proxy_has_the_entry_of_its_layer(viewer, displacement):
    viewer.layers.extend(create(displacement))
    viewer.layers.selection = {viewer.layers[0]}
    _duplicate_layer(viewer.layers)
    # A duplicate becomes a new field only once, also by proxies.
    seen = {
        description_of(PublicOnlyProxy(viewer).layers[1]).field_id for _ in range(2)
    }
    gc.collect()
    seen.add(description_of(viewer.layers[1]).field_id)
    assert len(seen) == 1
    assert layer_stack(viewer.layers[1]).data is displacement.data


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("how", ["new data", "edit", "edit before it is looked at"])
def test_changed_data_are_noticed(displacement, part, how):
    layer = create(displacement)[part]
    if how != "edit before it is looked at":
        assert is_unchanged(layer)
    if how == "new data":
        layer.data = layer.data[1:].copy()
    else:
        layer.data[0] *= 2
    assert not is_unchanged(layer)
    with pytest.raises(FieldError, match="were changed"):
        layer_stack(layer)


def test_a_copy_of_changed_data_has_no_field(viewer, displacement):
    viewer.layers.append(create(displacement)[0])
    viewer.layers[0].data[0] *= 2
    viewer.layers.selection = {viewer.layers[0]}
    _duplicate_layer(viewer.layers)
    with pytest.raises(FieldError, match="were changed"):
        layer_stack(viewer.layers[1])


def test_layers_that_are_duplicated_together_are_one_field(viewer, displacement):
    viewer.layers.extend(create(displacement))
    original = description_of(viewer.layers[0])
    for n_copies in (1, 2):
        viewer.layers.selection = set(viewer.layers[:1]) | {
            layer for layer in viewer.layers if layer.name.endswith("arrows (µm)")
        }
        _duplicate_layer(viewer.layers)
        fields = find_displacements(viewer.layers)
        assert [len(field.layers) for field in fields] == [2] * (n_copies + 1)
    assert description_of(viewer.layers[0]) == original
    ids = {description_of(field.first).field_id for field in fields}
    assert len(ids) == 3


def test_components_that_are_duplicated_before_and_after_a_change(viewer):
    for name in ("cell x", "cell y"):
        viewer.add_image(np.ones((8, 8)), name=name)
    x, y = viewer.layers
    displacement_at(viewer.layers, x)
    copies = []
    for layer in (x, y):
        viewer.layers.selection = {layer}
        before = list(viewer.layers)
        _duplicate_layer(viewer.layers)
        copies += [one for one in viewer.layers if one not in before]
        assert description_of(copies[-1]) is not None
        y.data = np.full((8, 8), 5.0)
        displacement_at(viewer.layers, x)
    copied = displacement_at(viewer.layers, copies[0])
    assert displacement_at(viewer.layers, copies[1]) is copied
    np.testing.assert_array_equal(copied.data[0, 3, 3], (1, 5))


def test_a_copy_of_a_copy_has_the_vectors_without_the_original(displacement):
    image, _ = create(displacement)
    data, options, kind = copy.deepcopy(image.as_layer_data_tuple())
    first = Layer.create(data, options, kind)
    assert layer_stack(first).data is displacement.data
    del image
    gc.collect()
    second = Layer.create(*copy.deepcopy(first.as_layer_data_tuple()))
    assert layer_stack(second).data is displacement.data
    assert entry_of(second).description.copied_from == description_of(first).field_id


@pytest.mark.parametrize("value", ["furlong", "Pa", 3, None])
def test_an_invalid_unit_is_ignored(displacement, value):
    image, _ = create(displacement)
    image.metadata["napari_vit_tfm.unit"] = value
    image.metadata["napari_vit_tfm.young_pa"] = "soft"
    stack = layer_stack(image)
    assert (stack.unit, stack.gel.young_pa) == (None, None)


@pytest.mark.parametrize("value", [5000, np.float32(5000), np.int64(5000), 5e3])
def test_all_kinds_of_numbers_are_known(displacement, value):
    image, _ = create(displacement)
    image.metadata["napari_vit_tfm.young_pa"] = value
    image.metadata["napari_vit_tfm.poisson"] = True
    gel = layer_stack(image).gel
    assert (gel.young_pa, gel.poisson) == (5000.0, None)
    assert type(gel.young_pa) is float


def test_tractions_without_a_unit_are_refused(traction):
    image, _ = create(traction)
    del image.metadata["napari_vit_tfm.unit"]
    with pytest.raises(FieldError, match="unknown traction unit"):
        layer_stack(image)


def test_other_layers_show_no_field():
    for metadata in ({}, {"napari_vit_tfm.field_id": 3}, {"napari_vit_tfm.part": "?"}):
        layer = Vectors(np.zeros((4, 2, 2)), metadata=metadata)
        assert description_of(layer) is None
        with pytest.raises(FieldError, match="shows no field"):
            layer_stack(layer)
