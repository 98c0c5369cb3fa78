from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import (
    read_displacement,
    read_traction,
    summarise,
)

RNG = np.random.default_rng(0)


def write(path: Path, **datasets: npt.ArrayLike) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values
    return path


def vectors(*shape: int) -> npt.NDArray[np.float64]:
    return RNG.normal(size=shape)


def test_original_form(tmp_path: Path) -> None:
    data = vectors(3, 8, 9, 2)
    stack = read_displacement(write(tmp_path / "run.h5", data=data))
    np.testing.assert_array_equal(stack.data, data.astype(np.float32))
    assert stack.unit == "field"
    assert stack.spacing_um is None
    assert stack.metadata["dataset"] == "data"


@pytest.mark.parametrize("name", ["displacement", "u_px", "group/field"])
def test_components_before_rows(tmp_path: Path, name: str) -> None:
    data = vectors(3, 2, 8, 9)
    stack = read_displacement(write(tmp_path / "run.h5", **{name: data}))
    assert stack.data.shape == (3, 8, 9, 2)
    np.testing.assert_array_equal(stack.data[1, 4, 7], data[1, :, 4, 7].astype("f4"))
    assert stack.unit is None


def test_one_frame(tmp_path: Path) -> None:
    data = vectors(8, 9, 2)
    stack = read_displacement(write(tmp_path / "run.h5", displacement=data))
    np.testing.assert_array_equal(stack.data, data[np.newaxis].astype(np.float32))


def test_two_frames_are_not_components(tmp_path: Path) -> None:
    data = vectors(2, 8, 9, 2)
    stack = read_displacement(write(tmp_path / "run.h5", data=data))
    np.testing.assert_array_equal(stack.data, data.astype(np.float32))


def test_a_third_component_is_left_out(tmp_path: Path) -> None:
    data, notices = vectors(5, 8, 9, 3), list[str]()
    path = write(tmp_path / "run.h5", displacement=data)
    stack = read_displacement(path, on_notice=notices.append)
    np.testing.assert_array_equal(stack.data, data[..., :2].astype(np.float32))
    assert notices == ["run.h5: the third component is left out"]
    # Without a name that tells, it could be colours.
    path = write(tmp_path / "image.h5", data=data)
    with pytest.raises(FieldFileError, match="has no displacement"):
        read_displacement(path)
    assert read_displacement(path, dataset="data").n_frames == 5


def test_components_first_when_asked_for(tmp_path: Path) -> None:
    data = vectors(2, 8, 9)
    path = write(tmp_path / "run.h5", displacement=data)
    with pytest.raises(FieldFileError, match="--components-first"):
        read_displacement(path)
    stack = read_displacement(path, components_first=True)
    np.testing.assert_array_equal(
        stack.data[0], np.moveaxis(data, 0, -1).astype(np.float32)
    )


@pytest.mark.parametrize(
    "shape",
    [(5, 2, 8, 2), (5, 8, 2, 2), (2, 8, 9), (2, 8, 2), (8, 9), (2,), ()],
)
def test_other_shapes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = write(tmp_path / "run.h5", data=vectors(*shape))
    with pytest.raises(FieldFileError, match=r"run.h5.*data \(float64.*expected float"):
        read_displacement(path)
    with pytest.raises(FieldFileError, match=r"run.h5.*data \(float64.*expected float"):
        read_displacement(path, dataset="data")


@pytest.mark.parametrize("dtype", ["i4", "u1", "?", "c16", "S3"])
def test_other_types_are_refused(tmp_path: Path, dtype: str) -> None:
    path = write(tmp_path / "run.h5", data=np.zeros((3, 8, 9, 2), dtype=dtype))
    with pytest.raises(FieldFileError, match=r"found data .*expected floating-point"):
        read_displacement(path)


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", ">f8"])
def test_all_floats_are_read(tmp_path: Path, dtype: str) -> None:
    data = vectors(3, 8, 9, 2).astype(dtype)
    stack = read_displacement(write(tmp_path / "run.h5", data=data))
    assert stack.data.dtype == np.float32
    np.testing.assert_array_equal(stack.data, data.astype(np.float32))


def test_empty_arrays_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "run.h5", data=np.zeros((0, 8, 9, 2)))
    with h5py.File(path, "a") as file:
        file["nothing"] = h5py.Empty("f8")
    with pytest.raises(FieldFileError, match=r"shape \(0, 8, 9, 2\)"):
        read_displacement(path)


def test_attributes_are_read_unless_values_are_given(tmp_path: Path) -> None:
    path = write(tmp_path / "run.h5", data=vectors(3, 8, 9, 2))
    with h5py.File(path, "a") as file:
        file.attrs["spacing_um"] = 0.5
        file["data"].attrs["units"] = np.bytes_(b"px")
        file["data"].attrs["pixel_size_um"] = np.array([0.1])
        file["data"].attrs["comment"] = h5py.Empty("S1")
    stack = read_displacement(path)
    assert (stack.unit, stack.spacing_um, stack.pixel_size_um) == ("px", 0.5, 0.1)
    assert "comment" not in stack.metadata["attributes"]
    given = read_displacement(path, unit="um", spacing_um=2.0, pixel_size_um=0.2)
    assert (given.unit, given.spacing_um, given.pixel_size_um) == ("um", 2.0, 0.2)


def test_two_fields_in_one_file(tmp_path: Path) -> None:
    path = write(
        tmp_path / "run.h5",
        displacement=vectors(2, 8, 9, 2),
        traction=vectors(2, 8, 9, 2),
        segmentation=np.zeros((2, 8, 9), dtype=np.uint8),
    )
    summary = summarise(path)
    assert (summary.displacement, summary.traction) == ("displacement", "traction")
    assert read_displacement(path).metadata["dataset"] == "displacement"
    assert read_traction(path, unit="1").metadata["dataset"] == "traction"


def test_keras_weights_are_refused(reference: Path) -> None:
    path = reference / "cnn" / "model_noise_1e-4.h5"
    summary = summarise(path)
    assert summary.format == "HDF5"
    assert (summary.displacement, summary.traction) == (None, None)
    with pytest.raises(FieldFileError, match=r"model_noise_1e-4.h5: has no displ"):
        read_displacement(path)


def test_original_files(reference: Path) -> None:
    path = reference / "fields" / "displacement.h5"
    stack = read_displacement(path)
    assert stack.data.shape == (2, 104, 104, 2)
    assert stack.unit == "field"
    with h5py.File(path) as file:
        np.testing.assert_array_equal(stack.data, file["data"][...].astype(np.float32))


def test_original_tractions_are_recognised_by_the_file_name(reference: Path) -> None:
    path = reference / "fields" / "tractions.h5"
    assert summarise(path).displacement is None
    with pytest.raises(FieldFileError, match=r"tractions.h5.*traction; if one of"):
        read_displacement(path)
    assert read_traction(path).unit == "1"
    assert read_displacement(path, dataset="data").unit == "field"
