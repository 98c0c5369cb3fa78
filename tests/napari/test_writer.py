from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
from napari.layers import Image, Layer, Vectors
from napari.layers._layer_actions import _duplicate_layer

from layers_of_fields import create, displacement_at
from napari_vit_tfm import io
from napari_vit_tfm.errors import FieldError, FieldFileError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari import _writer
from napari_vit_tfm.napari._reader import read_fields
from napari_vit_tfm.napari._writer import write_field
from napari_vit_tfm.napari.layers.drawing import field_layers, with_outline
from napari_vit_tfm.napari.layers.reading import layer_stack


def tuples(*layers: Layer):
    return [layer.as_layer_data_tuple() for layer in layers]


@pytest.mark.parametrize("ending", [".h5", ".npz"])
@pytest.mark.parametrize("which", [slice(0, 1), slice(1, 2), slice(0, 2)])
def test_napari_saves_the_field_of_either_layer(
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


def test_other_selected_layers_are_ignored(tmp_path, traction):
    path = str(tmp_path / "saved.h5")
    layers = [create(traction)[0], Image(np.zeros((4, 4)))]
    assert write_field(path, tuples(*layers)) == [path]


def test_napari_saves_the_tractions_with_the_outline_selected(
    tmp_path, viewer, traction
):
    outline = np.array([[1.0, 2.0], [7.0, 2.0], [7.0, 9.0]])
    outlined = dataclasses.replace(traction, outline=outline)
    shown = with_outline(outlined, field_layers(outlined))
    viewer.layers.extend(Layer.create(*one) for one in shown)
    viewer.layers.selection = set(viewer.layers)
    path = str(tmp_path / "saved.h5")
    assert viewer.layers.save(path, selected=True, plugin="napari-vit-tfm") == [path]
    saved = io.read_traction(path)
    np.testing.assert_array_equal(saved.data, traction.data)
    np.testing.assert_array_equal(saved.outline, outline)


@pytest.mark.parametrize("ending", [".h5", ".npz"])
def test_the_subtracted_drift_is_saved_and_opened_again(tmp_path, traction, ending):
    drift = np.arange(2.0 * traction.n_frames).reshape(-1, 2)
    path = str(tmp_path / f"saved{ending}")
    write_field(path, tuples(*create(dataclasses.replace(traction, drift=drift))))
    for data in read_fields(path):
        opened = layer_stack(Layer.create(*data))
        np.testing.assert_array_equal(opened.drift, drift)


def test_without_a_field_nothing_is_written(tmp_path):
    path = tmp_path / "saved.h5"
    with pytest.raises(FieldError, match="neither displacements nor tractions"):
        write_field(str(path), tuples(Image(np.zeros((4, 4)))))
    assert not path.exists()


@pytest.mark.parametrize("second", ["traction", "displacement"])
def test_two_fields_are_not_mixed(tmp_path, request, traction, second):
    path = tmp_path / "saved.h5"
    other = request.getfixturevalue(second)
    layers = [*create(traction), *create(dataclasses.replace(other))]
    with pytest.raises(FieldError, match="several fields"):
        write_field(str(path), tuples(*layers))
    assert not path.exists()


@pytest.mark.parametrize("ending", [".h5", ".npz"])
@pytest.mark.parametrize("which", [slice(0, 1), slice(1, 2), slice(0, 2)])
def test_displacements_open_again_as_the_same_field(
    tmp_path, viewer, displacement, ending, which
):
    known = dataclasses.replace(
        displacement,
        unit="px",
        pixel_size_um=0.1,
        gel=Gel(5000.0, 0.45, 30.0),
        outline=np.array([[1.0, 2.0], [7.0, 2.0], [7.0, 9.0]]),
    )
    viewer.layers.extend(create(known))
    viewer.layers.selection = set(viewer.layers[which])
    path = str(tmp_path / f"cell_07{ending}")
    for _ in range(2):
        viewer.layers.save(path, selected=True, plugin="napari-vit-tfm")
    opened = viewer.open(path, plugin="napari-vit-tfm")[0]
    stack = displacement_at(viewer.layers, opened)
    np.testing.assert_array_equal(stack.data, known.data)
    for name in ("unit", "spacing_um", "pixel_size_um", "gel"):
        assert getattr(stack, name) == getattr(known, name), name
    np.testing.assert_array_equal(stack.outline, known.outline)
    assert opened.name == "cell_07: displacement (pixels)"


def test_unknown_values_are_not_written(tmp_path, displacement):
    unknown = dataclasses.replace(displacement, unit=None, spacing_um=None)
    path = str(tmp_path / "saved.h5")
    write_field(path, tuples(*create(unknown)))
    saved = io.read_displacement(path)
    assert (saved.unit, saved.spacing_um, saved.gel) == (None, None, Gel())


def test_duplicates_can_be_saved(tmp_path, viewer, traction):
    viewer.layers.extend(create(traction))
    image, vectors = viewer.layers
    for originals in ({image}, {image, vectors}):
        before = list(viewer.layers)
        viewer.layers.selection = originals
        _duplicate_layer(viewer.layers)
        copies = [layer for layer in viewer.layers if layer not in before]
        assert len(copies) == len(originals)
        path = str(tmp_path / "saved.h5")
        write_field(path, tuples(*copies))
        np.testing.assert_array_equal(io.read_traction(path).data, traction.data)


@pytest.mark.parametrize("kind", ["displacement", "traction"])
def test_changed_layers_are_refused(tmp_path, request, kind):
    image, _ = create(request.getfixturevalue(kind))
    path = tmp_path / "saved.h5"
    image.data[0] *= 2
    with pytest.raises(FieldError, match="were changed"):
        write_field(str(path), tuples(image))
    image.data = image.data[:, 2:].copy()
    with pytest.raises(FieldError, match="were changed"):
        write_field(str(path), tuples(image))
    assert not path.exists()


@pytest.mark.parametrize("scaled", [0, 1])
@pytest.mark.parametrize("kind", ["displacement", "traction"])
def test_layers_with_different_scales_are_refused(tmp_path, request, kind, scaled):
    layers = create(request.getfixturevalue(kind))
    layers[scaled].scale = (1, 0.8, 0.8)
    path = tmp_path / "saved.h5"
    with pytest.raises(FieldError, match="have different scales"):
        write_field(str(path), tuples(*layers))
    assert not path.exists()


def test_layers_of_other_programs_are_saved_in_their_current_state(tmp_path, viewer):
    rows, columns = np.indices((4, 5)).reshape(2, -1) * 16.0
    data = np.stack(
        [np.stack([rows, columns], axis=-1), np.ones((20, 2)) * (1, 2)], axis=1
    )
    layer = Vectors(data, scale=(0.1, 0.1), units="um")
    viewer.layers.append(layer)
    assert displacement_at(viewer.layers, layer).spacing_um == pytest.approx(1.6)
    layer.data[:, 1] *= 3
    path = str(tmp_path / "saved.h5")
    write_field(path, tuples(layer))
    saved = io.read_displacement(path)
    np.testing.assert_array_equal(saved.data[0, 2, 3], (6, 3))
    assert saved.spacing_um == pytest.approx(1.6)
    assert saved.unit is None


def test_napari_shows_why_nothing_was_saved(tmp_path, viewer, traction, monkeypatch):
    shown = []
    monkeypatch.setattr(_writer, "show_error", shown.append)
    viewer.layers.extend(create(traction))
    viewer.layers[0].data = viewer.layers[0].data * 2
    path = tmp_path / "saved.h5"
    with warnings.catch_warnings():
        # napari's own words, which do not say why.
        warnings.simplefilter("ignore")
        assert viewer.layers.save(str(path), plugin="napari-vit-tfm") == []
    (message,) = shown
    assert "changed" in message
    assert not path.exists()


def test_displacements_do_not_replace_their_file(tmp_path, viewer):
    stack = DisplacementStack(np.ones((1, 16, 16, 2)), unit="um", spacing_um=0.5)
    path = tmp_path / "cell.h5"
    io.write_displacement(path, stack)
    before = path.read_bytes()
    layers = viewer.open(str(path), plugin="napari-vit-tfm")
    with pytest.raises(FieldFileError, match="output file is an input file"):
        write_field(str(path), tuples(*layers))
    assert path.read_bytes() == before
    other = str(tmp_path / "other.h5")
    assert write_field(other, tuples(*layers)) == [other]
