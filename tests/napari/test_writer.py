from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from napari.layers import Image, Layer

from napari_vit_tfm import io
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.napari._reader import read_fields
from napari_vit_tfm.napari._writer import write_tractions
from napari_vit_tfm.napari.layers.drawing import field_layers, outline_layer
from napari_vit_tfm.napari.layers.tags import layer_stack


def create(stack) -> list[Layer]:
    return [Layer.create(*data) for data in field_layers(stack)]


def tuples(*layers: Layer):
    return [layer.as_layer_data_tuple() for layer in layers]


@pytest.mark.parametrize("ending", [".h5", ".npz"])
@pytest.mark.parametrize("which", [slice(0, 1), slice(1, 2), slice(0, 2)])
def test_napari_saves_the_field_behind_either_layer(
    tmp_path, viewer, traction, ending, which
):
    viewer.layers.extend(create(traction))
    viewer.layers.selection = set(viewer.layers[which])
    path = str(tmp_path / f"saved{ending}")
    assert viewer.layers.save(path, selected=True, plugin="napari-vit-tfm") == [path]
    saved = io.read_traction(path)
    np.testing.assert_array_equal(saved.data, traction.data)
    for name in ("unit", "spacing_um", "gel", "model", "model_sha256"):
        assert getattr(saved, name) == getattr(traction, name), name


def test_other_layers_beside_it_do_no_harm(tmp_path, traction, displacement):
    path = str(tmp_path / "saved.h5")
    layers = [*create(displacement), create(traction)[0], Image(np.zeros((4, 4)))]
    assert write_tractions(path, tuples(*layers)) == [path]


def test_napari_saves_the_tractions_with_the_outline_selected(
    tmp_path, viewer, traction
):
    outline = np.array([[1.0, 2.0], [7.0, 2.0], [7.0, 9.0]])
    outlined = dataclasses.replace(traction, outline=outline)
    shapes = Layer.create(*outline_layer(field_layers(outlined))[0])
    viewer.layers.extend([*create(outlined), shapes])
    viewer.layers.selection = set(viewer.layers)
    path = str(tmp_path / "saved.h5")
    assert viewer.layers.save(path, selected=True, plugin="napari-vit-tfm") == [path]
    saved = io.read_traction(path)
    np.testing.assert_array_equal(saved.data, traction.data)
    np.testing.assert_array_equal(saved.outline, outline)


@pytest.mark.parametrize("ending", [".h5", ".npz"])
def test_the_drift_that_was_taken_off_is_saved_and_opened_again(
    tmp_path, traction, ending
):
    drift = np.arange(2.0 * traction.n_frames).reshape(-1, 2)
    path = str(tmp_path / f"saved{ending}")
    write_tractions(path, tuples(*create(dataclasses.replace(traction, drift=drift))))
    for data in read_fields(path):
        opened = layer_stack(Layer.create(*data))
        np.testing.assert_array_equal(opened.drift, drift)


def test_without_tractions_nothing_is_written(tmp_path, displacement):
    path = tmp_path / "saved.h5"
    layers = [*create(displacement), Image(np.zeros((4, 4)))]
    with pytest.raises(FieldError, match="show no tractions"):
        write_tractions(str(path), tuples(*layers))
    assert not path.exists()


def test_two_fields_are_not_mixed(tmp_path, traction):
    path = tmp_path / "saved.h5"
    layers = [*create(traction), *create(dataclasses.replace(traction))]
    with pytest.raises(FieldError, match="several traction fields"):
        write_tractions(str(path), tuples(*layers))
    assert not path.exists()
