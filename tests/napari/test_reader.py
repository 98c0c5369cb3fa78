from __future__ import annotations

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile
from napari.utils.notifications import notification_manager

from layers_of_fields import displacement_at
from napari_vit_tfm import io
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.napari import _reader
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
    displacement[4, 20, 0] = 1
    path = tmp_path / "cell.mat"
    # In these files, y is counted from 1, from the bottom.
    outline = {"brdx": np.array([5, 8, 8]), "brdy": np.array([21, 21, 17])}
    scipy.io.savemat(path, {"dspl": displacement, **outline})
    image, shapes, vectors = viewer.open(path, plugin="napari-vit-tfm")
    assert image.data.shape == (1, 30, 20)
    assert image.data[0, 9, 4] == 1
    np.testing.assert_array_equal(shapes.data[0], [(9, 4), (9, 7), (13, 7)])
    assert image.name == "cell: displacement (grid steps)"
    assert vectors.data[:, 1, 1].max() == 0
    assert viewer.layers.selection.active is vectors


def write_without_field(path) -> None:
    if path.suffix == ".npz":
        np.savez(path, images=np.zeros((3, 64, 64)))
    elif path.suffix == ".tif":
        tifffile.imwrite(path, np.zeros((5, 64, 64), np.uint16))
    elif path.suffix == ".npy":
        np.save(path, np.zeros((64, 64)))
    elif path.suffix == "":
        path.mkdir()
    else:
        path.write_text("not what it says")


@pytest.mark.parametrize("name", ["cell.tif", "cell.npy", "folder"])
def test_images_are_left_to_other_readers(tmp_path, name):
    write_without_field(tmp_path / name)
    assert get_reader(str(tmp_path / name)) is None


@pytest.mark.parametrize("name", ["cell.h5", "cell.npz", "cell.mat", "gone.h5"])
def test_the_reason_is_shown_where_a_file_cannot_be_read(tmp_path, monkeypatch, name):
    if name != "gone.h5":
        write_without_field(tmp_path / name)
    shown = []
    monkeypatch.setattr(_reader, "show_error", shown.append)
    reader = get_reader(str(tmp_path / name))
    assert reader(str(tmp_path / name)) == [(None,)]
    (message,) = shown
    assert message.startswith(f"{tmp_path / name}: ")
    assert "expected" in message or "no such file" in message


def test_a_folder_is_a_film(tmp_path, viewer, displacement):
    for number in (10, 9):
        for name, axis in (("u", 0), ("v", 1)):
            np.save(
                tmp_path / f"{number}{name}.npy",
                number * displacement.data[0, ..., axis],
            )
    image, _ = viewer.open(tmp_path, plugin="napari-vit-tfm")
    stack = layer_stack(image)
    np.testing.assert_allclose(stack.data, displacement.data[:1] * [[[[9]]], [[[10]]]])


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
        read_fields(paths)


def test_several_files_without_displacements(tmp_path, traction):
    paths = [str(tmp_path / f"{k}.h5") for k in (1, 2)]
    for path in paths:
        io.write_traction(path, traction)
    with pytest.raises(FieldFileError, match="has no displacement"):
        read_fields(paths)
    assert get_reader(paths[:1]) is not None
    assert get_reader([]) is None


def test_a_field_with_gaps_is_read(tmp_path, displacement):
    data = displacement.data.copy()
    data[1, 2, 3] = np.nan
    path = write_displacement(tmp_path / "cell.h5", data, units="um")
    reader = get_reader(path)
    assert reader is not None
    magnitude = next(data for data, _, kind in reader(path) if kind == "image")
    assert np.argwhere(np.isnan(magnitude)).tolist() == [[1, 2, 3]]


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


def test_the_finished_frames_of_a_partial_file_are_shown(tmp_path, viewer, traction):
    n_frames = traction.n_frames + 1
    sink = io.open_resumable_traction(tmp_path / "a.h5", n_frames=n_frames, run={})
    with pytest.raises(ValueError, match=f"expected {n_frames} frames"), sink as output:
        output.append(traction)
    notification_manager.records.clear()
    image, _ = viewer.open(tmp_path / "a.partial.h5", plugin="napari-vit-tfm")
    np.testing.assert_array_equal(layer_stack(image).data, traction.data)
    (record,) = notification_manager.records
    done = f"{traction.n_frames} of {n_frames} frames are there"
    assert record.message == f"a.partial.h5: unfinished: {done}"
