from __future__ import annotations

import h5py
import numpy as np
import pytest
import scipy.io
from napari.utils.notifications import notification_manager

from layers_of_fields import displacement_at
from napari_vit_tfm import io
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.napari._reader import get_reader, read_fields
from napari_vit_tfm.napari.layers.reading import layer_stack


def write_displacement(path, data, **attributes) -> str:
    io.write_arrays(path, {"displacement": data}, {"displacement": attributes})
    return str(path)


def test_a_dropped_displacement_file_becomes_layers(tmp_path, viewer, displacement):
    path = write_displacement(
        tmp_path / "cell.h5", displacement.data, units="um", spacing_um=0.5
    )
    image, vectors = viewer.open(path, plugin="napari-vit-tfm")
    np.testing.assert_allclose(image.scale, (1, 0.5, 0.5))
    stack = displacement_at(viewer.layers, image)
    assert displacement_at(viewer.layers, vectors) is stack
    np.testing.assert_array_equal(stack.data, displacement.data)
    assert stack.unit == "um"


def test_a_traction_file_becomes_layers(tmp_path, viewer, traction):
    path = tmp_path / "cell.npz"
    io.write_traction(path, traction)
    image, _ = viewer.open(path, plugin="napari-vit-tfm")
    stack = layer_stack(image)
    assert isinstance(stack, TractionStack)
    assert stack.model_sha256 == traction.model_sha256
    assert image.visible


def test_tractions_beside_displacements_are_hidden(tmp_path, displacement, traction):
    path = tmp_path / "both.h5"
    io.write_arrays(
        path,
        {"displacement": displacement.data, "traction": traction.data},
        {"displacement": {"units": "um"}, "traction": {"units": "Pa"}},
    )
    layers = read_fields(str(path))
    names = [options["name"] for _, options, _ in layers]
    assert names == [
        "both: traction (Pa)",
        "both: traction arrows (Pa)",
        "both: displacement (µm)",
        "both: displacement arrows (µm)",
    ]
    assert [o["visible"] for _, o, _ in layers[:2]] == [False, False]


def test_the_outline_of_matlab_files_is_in_rows_and_columns(tmp_path, viewer):
    displacement = np.zeros((20, 30, 2))
    displacement[4, 9, 0] = 1
    path = tmp_path / "cell.mat"
    outline = {"brdx": np.array([5, 8, 8]), "brdy": np.array([10, 10, 14])}
    scipy.io.savemat(path, {"dspl": displacement, **outline})
    image, shapes, vectors = viewer.open(path, plugin="napari-vit-tfm")
    assert image.data.shape == (1, 30, 20)
    # y of these files is counted from the bottom.
    assert image.data[0, 20, 4] == 1
    np.testing.assert_array_equal(shapes.data[0], [(20, 4), (20, 7), (16, 7)])
    assert image.name == "cell: displacement (grid steps)"
    assert vectors.data[:, 1, 1].max() == 0
    assert viewer.layers.selection.active is vectors


@pytest.mark.parametrize(
    "name", ["text.h5", "images.npz", "empty.mat", "not_there.h5", "folder.h5"]
)
def test_files_without_fields_are_left_to_other_readers(tmp_path, name):
    path = tmp_path / name
    if name == "text.h5":
        path.write_text("a table, really")
    elif name == "images.npz":
        np.savez(path, images=np.zeros((3, 64, 64)))
    elif name == "empty.mat":
        path.touch()
    elif name == "folder.h5":
        path.mkdir()
    assert get_reader(str(path)) is None


def test_several_files_are_one_time_lapse(tmp_path, viewer, displacement):
    attributes = {"units": "um", "spacing_um": 0.5}
    paths = [
        write_displacement(
            tmp_path / f"cell_{k}.h5", displacement.data * k, **attributes
        )
        for k in (10, 2)
    ]
    image, _ = viewer.open(paths, stack=True, plugin="napari-vit-tfm")
    stack = layer_stack(image)
    assert stack.n_frames == 2 * displacement.n_frames
    np.testing.assert_array_equal(
        stack.data, np.concatenate([displacement.data * k for k in (2, 10)])
    )
    paths.append(write_displacement(tmp_path / "cell_11.h5", displacement.data))
    with pytest.raises(FieldFileError, match=r"cell_11\.h5: unit: found None"):
        get_reader(paths)(paths)


def test_several_files_without_displacements_are_left_to_other_readers(
    tmp_path, traction
):
    paths = [str(tmp_path / f"{k}.h5") for k in (1, 2)]
    for path in paths:
        io.write_traction(path, traction)
    assert get_reader(paths) is None
    assert get_reader(paths[:1]) is read_fields
    assert get_reader([]) is None


def test_a_field_with_gaps_is_refused_with_a_reason(tmp_path, displacement):
    data = displacement.data.copy()
    data[1, 2, 3] = np.nan
    path = write_displacement(tmp_path / "cell.h5", data, units="um")
    reader = get_reader(path)
    assert reader is not None
    with pytest.raises(FieldFileError, match="frame 1, row 2, column 3"):
        reader(path)


def test_the_original_files_are_in_field_units(tmp_path, displacement):
    path = tmp_path / "original.h5"
    with h5py.File(path, "w") as file:
        file["data"] = displacement.data.astype(np.float64)
    (_, options, _), _ = read_fields(str(path))
    assert options["name"] == "original: displacement (field widths)"


def test_displacements_are_read_even_if_tractions_cannot_be_read(
    tmp_path, displacement, traction
):
    path = tmp_path / "both.npz"
    np.savez(path, displacement=displacement.data, traction=traction.data)
    layers = read_fields(str(path))
    message = notification_manager.records[-1].message
    assert "left out" in message
    assert "traction has no unit" in message
    assert [options["name"] for _, options, _ in layers] == [
        "both: displacement (unit not known)",
        "both: displacement arrows (unit not known)",
    ]
