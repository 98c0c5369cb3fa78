from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from scipy.io import loadmat, savemat

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import (
    read_displacement,
    read_traction,
    summarise,
)

RNG = np.random.default_rng(0)


def write(path: Path, **arrays: Any) -> Path:
    savemat(path, arrays, do_compression=True)
    return path


def write_73(path: Path, **arrays: npt.NDArray[Any]) -> Path:
    """Write a file as MATLAB 7.3 does: HDF5 after 512 bytes, last axis first."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            file[name] = values.T
        file.create_group("#refs#")
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")
    return path


@pytest.mark.parametrize("writer", [write, write_73])
def test_first_index_is_x(tmp_path: Path, writer: Any) -> None:
    dspl = RNG.normal(size=(9, 8, 2))
    stack = read_displacement(writer(tmp_path / "cell.mat", dspl=dspl))
    assert stack.data.shape == (1, 8, 9, 2)
    x, y = 6, 3
    np.testing.assert_array_equal(stack.data[0, y, x], dspl[x, y].astype(np.float32))
    assert stack.unit is None


@pytest.mark.parametrize("writer", [write, write_73])
def test_tractions_are_in_pascal(tmp_path: Path, writer: Any) -> None:
    path = writer(tmp_path / "cell.mat", trac=RNG.normal(size=(9, 8, 2)))
    stack = read_traction(path)
    assert stack.unit == "Pa"
    assert stack.data.shape == (1, 8, 9, 2)
    with pytest.raises(FieldFileError, match="has no displacement"):
        read_displacement(path)


@pytest.mark.parametrize("writer", [write, write_73])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_outlines_are_counted_from_one(
    tmp_path: Path, writer: Any, dtype: type
) -> None:
    path = writer(
        tmp_path / "cell.mat",
        dspl=RNG.normal(size=(9, 8, 2)),
        brdx=np.array([[1, 7, 4]], dtype=dtype),
        brdy=np.array([[1, 2, 0]], dtype=dtype),
    )
    outline = read_displacement(path).outline
    assert outline is not None
    np.testing.assert_array_equal(outline, [[0, 0], [6, 1], [3, -1]])


def test_broken_outlines_are_refused(tmp_path: Path) -> None:
    dspl = np.zeros((9, 8, 2))
    path = write(tmp_path / "cell.mat", dspl=dspl, brdx=[[1.0, 2]], brdy=[[1.0]])
    with pytest.raises(FieldFileError, match="found 2 and 1 numbers"):
        read_displacement(path)
    path = write(tmp_path / "cell.mat", dspl=dspl, brdx=[[np.nan]], brdy=[[1.0]])
    with pytest.raises(FieldFileError, match="not a cell outline"):
        read_displacement(path)


def test_doubles_stored_as_whole_numbers(tmp_path: Path) -> None:
    dspl = np.zeros((9, 8, 2), dtype=np.uint8)
    dspl[6, 3] = 2, 1
    path = tmp_path / "cell.mat"
    savemat(path, {"dspl": dspl})
    with pytest.raises(FieldFileError, match="uint8"):
        read_displacement(path)
    content = bytearray(path.read_bytes())
    content[144] = 6  # class of the array: from uint8 to double
    path.write_bytes(content)
    np.testing.assert_array_equal(read_displacement(path).data[0, 3, 6], [2, 1])


@pytest.mark.parametrize(
    "dspl",
    [
        np.zeros((8, 9)),
        np.zeros((3, 8, 9, 2)),
        np.zeros((8, 9, 3)),
        np.zeros((8, 9, 2), dtype=complex) + 1j,
        np.zeros((8, 9, 2), dtype=np.int16),
        np.zeros((0, 9, 2)),
        "text",
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, dspl: Any) -> None:
    path = write(tmp_path / "cell.mat", dspl=dspl)
    with pytest.raises(FieldFileError, match=r"cell.mat.*dspl.*expected dspl or trac"):
        read_displacement(path)


def test_complex_in_version_73_is_refused(tmp_path: Path) -> None:
    parts = np.zeros((2, 9, 8), dtype=[("real", "f8"), ("imag", "f8")])
    path = write_73(tmp_path / "cell.mat", dspl=parts.T)
    with pytest.raises(FieldFileError, match="has no displacement"):
        read_displacement(path)


def struct(pos: Any, vec: Any) -> dict[str, Any]:
    return {"displacement": {"pos": pos, "vec": vec}, "noise": {"pos": pos, "vec": vec}}


def test_positions_and_vectors(tmp_path: Path) -> None:
    pos = np.array([[x, y] for y in (10, 14, 18) for x in (3, 7, 11, 15)], dtype=float)
    vec = RNG.normal(size=pos.shape)
    order = RNG.permutation(len(pos))
    path = write(tmp_path / "in.mat", input_data=struct(pos[order], vec[order]))
    stack = read_displacement(path)
    assert stack.data.shape == (1, 3, 4, 2)
    np.testing.assert_array_equal(stack.data[0, 2, 1], vec[9].astype(np.float32))
    assert stack.unit is None


def test_positions_and_vectors_of_several_frames(tmp_path: Path) -> None:
    pos = np.array([[x, y] for x in range(4) for y in range(3)], dtype=float)
    cells_pos, cells_vec = (
        np.empty((1, 2), dtype=object),
        np.empty((1, 2), dtype=object),
    )
    for frame in range(2):
        cells_pos[0, frame], cells_vec[0, frame] = pos, pos + 100 * frame
    path = write(tmp_path / "in.mat", input_data=struct(cells_pos, cells_vec))
    stack = read_displacement(path)
    assert stack.data.shape == (2, 3, 4, 2)
    np.testing.assert_array_equal(stack.data[1, 2, 3], [103, 102])


@pytest.mark.parametrize("keep", [slice(1, None), [0, *range(11)]])
def test_positions_off_a_grid_are_refused(tmp_path: Path, keep: Any) -> None:
    pos = np.array([[x, y] for x in range(4) for y in range(3)], dtype=float)[keep]
    path = write(tmp_path / "in.mat", input_data=struct(pos, pos))
    with pytest.raises(FieldFileError, match="every node of a regular grid"):
        read_displacement(path)


def test_unequal_steps_are_refused(tmp_path: Path) -> None:
    pos = np.array([[x, y] for x in (0, 1, 3) for y in range(3)], dtype=float)
    path = write(tmp_path / "in.mat", input_data=struct(pos, pos))
    with pytest.raises(FieldFileError, match="every node of a regular grid"):
        read_displacement(path)


def test_other_structs_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "in.mat", input_data={"something": 1.0})
    with pytest.raises(FieldFileError, match=r"displacement\.pos"):
        read_displacement(path)


def test_structs_of_version_73_are_listed(tmp_path: Path) -> None:
    path = write_73(tmp_path / "in.mat")
    with h5py.File(path, "a") as file:
        file.create_group("input_data")
    with pytest.raises(FieldFileError, match=r"found input_data \(struct"):
        read_displacement(path)


@pytest.mark.parametrize("name", ["generic/MLData0018", "neuron/MLData0001"])
def test_simulated_cells(reference: Path, name: str) -> None:
    path = reference / "fields" / f"{name}.mat"
    truth = reference / "fields" / f"{name}_trac.mat"
    assert summarise(path).displacement == "dspl"
    assert summarise(truth).displacement is None
    stored = loadmat(path)["dspl"]
    stack = read_displacement(path)
    np.testing.assert_array_equal(stack.data[0, 40, 60], stored[60, 40].astype("f4"))
    assert stack.outline is not None
    assert stack.outline.shape == (360, 2)
    # With the right axis order, all tractions are inside the outline.
    from skimage.measure import points_in_poly

    tractions = read_traction(truth)
    rows, columns = np.nonzero(tractions.magnitude()[0] > 1)
    assert tractions.outline is not None
    assert points_in_poly(np.stack([columns, rows], axis=1), tractions.outline).all()


def test_bayesian_fttc_input(reference: Path) -> None:
    stack = read_displacement(reference / "fields" / "bfttc" / "input_data.mat")
    original = read_displacement(reference / "fields" / "displacement.h5")
    # Component 0 of the MATLAB file is component 1 of the HDF5 file.
    np.testing.assert_array_equal(stack.data[0, ..., 0], original.data[0, ..., 1])
    assert not stack.data[..., 1].any()
