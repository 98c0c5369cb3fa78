from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from mat_files import WRITERS, Writer, write_5
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import read_displacement, read_traction, summarise

RNG = np.random.default_rng(0)

both_versions = pytest.mark.parametrize("write", WRITERS)


@both_versions
def test_first_index_is_x_and_second_is_y_upwards(
    tmp_path: Path, write: Writer
) -> None:
    dspl = RNG.normal(size=(9, 8, 2))
    stack = read_displacement(write(tmp_path / "cell.mat", dspl=dspl))
    assert stack.data.shape == (1, 8, 9, 2)
    x, y = 6, 3
    np.testing.assert_array_equal(
        stack.data[0, 7 - y, x], (dspl[x, y] * (1, -1)).astype(np.float32)
    )
    assert (stack.unit, stack.metadata["y"]) == ("grid", "up")


@both_versions
def test_direction_of_y_can_be_set(tmp_path: Path, write: Writer) -> None:
    dspl = RNG.normal(size=(9, 8, 2))
    path = write(tmp_path / "cell.mat", dspl=dspl)
    stack = read_displacement(path, y="down")
    np.testing.assert_array_equal(stack.data[0, 3, 6], dspl[6, 3].astype(np.float32))


@both_versions
def test_tractions_are_in_pascal(tmp_path: Path, write: Writer) -> None:
    trac = RNG.normal(size=(9, 8, 2))
    path = write(tmp_path / "cell.mat", trac=trac)
    stack = read_traction(path)
    assert stack.unit == "Pa"
    np.testing.assert_array_equal(
        stack.data[0, 4, 6], (trac[6, 3] * (1, -1)).astype(np.float32)
    )
    with pytest.raises(FieldFileError, match="has no displacement"):
        read_displacement(path)


@both_versions
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_outlines_are_counted_from_one_and_from_the_bottom(
    tmp_path: Path, write: Writer, dtype: type
) -> None:
    path = write(
        tmp_path / "cell.mat",
        dspl=RNG.normal(size=(9, 8, 2)),
        brdx=np.array([[1, 7, 4]], dtype=dtype),
        brdy=np.array([[1, 2, 0]], dtype=dtype),
    )
    outline = read_displacement(path).outline
    np.testing.assert_array_equal(outline, [[0, 7], [6, 6], [3, 8]])


def test_broken_outlines_are_refused(tmp_path: Path) -> None:
    dspl = np.zeros((9, 8, 2))
    path = write_5(tmp_path / "cell.mat", dspl=dspl, brdx=[[1.0, 2]], brdy=[[1.0]])
    with pytest.raises(FieldFileError, match="found 2 and 1 numbers"):
        read_displacement(path)
    path = write_5(tmp_path / "cell.mat", dspl=dspl, brdx=[[np.nan]], brdy=[[1.0]])
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
    np.testing.assert_array_equal(read_displacement(path).data[0, 4, 6], [2, -1])


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
    path = write_5(tmp_path / "cell.mat", dspl=dspl)
    with pytest.raises(FieldFileError, match=r"cell.mat.*dspl.*expected"):
        read_displacement(path)


@pytest.mark.parametrize("name", ["generic/MLData0018", "neuron/MLData0001"])
def test_simulated_cells(reference: Path, name: str) -> None:
    path = reference / "fields" / f"{name}.mat"
    truth = reference / "fields" / f"{name}_trac.mat"
    assert summarise(path).displacement == "dspl"
    assert summarise(truth).displacement is None
    stored = loadmat(path)["dspl"]
    stack = read_displacement(path)
    np.testing.assert_array_equal(
        stack.data[0, -41, 60], (stored[60, 40] * (1, -1)).astype("f4")
    )
    assert stack.outline is not None
    assert stack.outline.shape == (360, 2)
    # With the right axis order and direction, all tractions are inside the outline.
    from skimage.measure import points_in_poly

    tractions = read_traction(truth)
    rows, columns = np.nonzero(tractions.magnitude()[0] > 1)
    assert tractions.outline is not None
    assert points_in_poly(np.stack([columns, rows], axis=1), tractions.outline).all()
