from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import DisplacementStream
from napari_vit_tfm.io import open_displacement, read_displacement, read_traction

RNG = np.random.default_rng(0)


def vectors(*shape: int) -> npt.NDArray[np.float32]:
    return RNG.normal(size=shape).astype(np.float32)


def save(path: Path, array: npt.NDArray[np.generic]) -> Path:
    np.save(path, array)
    return path


@pytest.mark.parametrize("shape", [(3, 8, 9, 2), (8, 9, 2), (3, 2, 8, 9)])
def test_one_array(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = vectors(*shape)
    stack = read_displacement(save(tmp_path / "cell.npy", array))
    expected = np.moveaxis(array, 1, -1) if shape[1] == 2 else array
    np.testing.assert_array_equal(stack.data, expected.reshape(-1, 8, 9, 2))
    assert stack.unit is None


def test_large_files_are_read_in_parts(tmp_path: Path) -> None:
    array = vectors(5, 8, 9, 2)
    path = save(tmp_path / "cell.npy", array)
    with open_displacement(path, in_memory_bytes=0) as stream:
        assert isinstance(stream, DisplacementStream)
        np.testing.assert_array_equal(stream.part(3, 5).data, array[3:5])


@pytest.mark.parametrize(
    "names", [("01u", "01v"), ("displacement_x", "displacement_y"), ("ux", "uy")]
)
@pytest.mark.parametrize("shape", [(8, 9), (3, 8, 9)])
def test_two_files_are_found_by_either(
    tmp_path: Path, names: tuple[str, str], shape: tuple[int, ...]
) -> None:
    components = vectors(*shape), vectors(*shape)
    paths = [
        save(tmp_path / f"{name}.npy", array)
        for name, array in zip(names, components, strict=True)
    ]
    for path in paths:
        stack = read_displacement(path)
        np.testing.assert_array_equal(
            stack.data, np.stack(components, axis=-1).reshape(-1, 8, 9, 2)
        )
        assert stack.metadata["dataset"] == f"{names[0]}.npy, {names[1]}.npy"


def test_two_files_of_tractions(tmp_path: Path) -> None:
    tx, ty = vectors(8, 9), vectors(8, 9)
    save(tmp_path / "ty.npy", ty)
    path = save(tmp_path / "tx.npy", tx)
    found = read_traction(path, unit="Pa").data[0]
    np.testing.assert_array_equal(found, np.stack([tx, ty], axis=-1))
    with pytest.raises(FieldFileError, match="has no displacement"):
        read_displacement(path)


def test_two_files_that_do_not_fit(tmp_path: Path) -> None:
    path = save(tmp_path / "u.npy", vectors(8, 9))
    save(tmp_path / "v.npy", vectors(9, 8))
    with pytest.raises(FieldFileError, match=r"u\.npy and v\.npy .*\(8, 9\) and \(9"):
        read_displacement(path)


def test_one_component_alone(tmp_path: Path) -> None:
    path = save(tmp_path / "cell_u.npy", vectors(8, 9))
    with pytest.raises(FieldFileError, match=r"cell_v\.npy with the other component"):
        read_displacement(path)
    # Two frames of one component have the shape of vectors.
    path = save(tmp_path / "u.npy", vectors(8, 9, 2))
    with pytest.raises(FieldFileError, match="one component"):
        read_displacement(path)


def test_a_file_of_vectors_beside_one_of_another_kind(tmp_path: Path) -> None:
    array = vectors(3, 8, 9, 2)
    path = save(tmp_path / "u.npy", array)
    save(tmp_path / "v.npy", vectors(3))
    np.testing.assert_array_equal(read_displacement(path).data, array)


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "cell.npy"
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(FieldFileError, match=r"pickle|object"):
        read_displacement(path)
