"""Positions and marks beside a field, whose vectors are one array or two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from scipy.io import savemat

from napari_vit_tfm.errors import FieldError, FieldFileError
from napari_vit_tfm.io import open_displacement, read_displacement, read_traction

RNG = np.random.default_rng(0)
FIELD = RNG.normal(size=(3, 8, 9, 2)).astype(np.float32)
X, Y = np.arange(9) * 8.0 + 4, np.arange(8) * 8.0 + 4
UP = np.array([1, -1], np.float32)
SUFFIXES = [".npz", ".h5", ".mat"]
Array = npt.NDArray[Any]


def write(path: Path, units: str | None = None, **arrays: Array) -> Path:
    """Write arrays; the unit is that of the field and of the positions."""
    if path.suffix == ".mat":
        assert units is None
        savemat(path, arrays)
    elif path.suffix == ".npz":
        given = {} if units is None else {"units": units}
        np.savez(path, **arrays, **given)
    else:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
            if units is not None:
                file.attrs["units"] = units
    return path


def one_and_two(path: Path, field: Array, **others: Any) -> tuple[Path, Path]:
    """The same field as one array and as two arrays of components."""
    u, v = np.moveaxis(field, -1, 0)
    two = path.with_name(f"two{path.suffix}")
    return write(path, displacement=field, **others), write(two, u=u, v=v, **others)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("are_flat", [False, True])
@pytest.mark.parametrize("order", ["from above", "from below"])
def test_whole_fields_are_read_as_two_components(
    tmp_path: Path, suffix: str, are_flat: bool, order: str
) -> None:
    is_up = order == "from below"
    y = Y[::-1] if is_up else Y
    field = FIELD[0] * UP if is_up else FIELD[0]
    x_y = (X, y) if are_flat else np.meshgrid(X, y)
    positions = dict(zip("xy", x_y, strict=True))
    paths = one_and_two(tmp_path / f"cell{suffix}", field, **positions)
    for path in paths:
        notices: list[str] = []
        stack = read_displacement(path, unit="px", on_notice=notices.append)
        np.testing.assert_array_equal(stack.data, FIELD[:1])
        assert stack.spacing_in_unit == pytest.approx(8)
        assert stack.metadata["y"] == ("up" if is_up else "down")
        (notice,) = notices
        expected = "y is taken as pointing up" if is_up else "down is assumed"
        assert expected in notice


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_y_that_increases_is_said_as_for_a_table(tmp_path: Path, suffix: str) -> None:
    x, y = np.meshgrid(X, Y)
    u, v = np.moveaxis(FIELD[0], -1, 0)
    columns = np.stack([x, y, u, v], axis=-1).reshape(-1, 4)
    table = tmp_path / "table.csv"
    np.savetxt(table, columns, delimiter=",", header="x,y,u,v", comments="")
    expected = read_displacement(table, unit="px").metadata
    assert "down is assumed" in expected["notes"][0]
    arrays = {"x": x, "y": y, "u": u, "v": v}
    path = write(tmp_path / f"cell{suffix}", **arrays)
    assert read_displacement(path, unit="px").metadata["notes"] == expected["notes"]
    assert not read_displacement(path, unit="px", y="down").metadata["notes"]


def test_y_of_fidic_is_known_to_point_down(tmp_path: Path) -> None:
    x, y = np.meshgrid(X, Y)
    u, v = np.moveaxis(FIELD[0], -1, 0)
    path = write(tmp_path / "cell.mat", x=x, y=y, u=u, v=v, d0=np.array(8.0))
    stack = read_displacement(path)
    assert (stack.unit, stack.metadata["y"]) == ("px", "down")
    assert not stack.metadata["notes"]


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize("layout", ["(T, H, W, 2)", "(T, 2, H, W)", "(T, H, W, 3)"])
def test_all_layouts(tmp_path: Path, suffix: str, layout: str) -> None:
    index = RNG.permutation(72).reshape(8, 9)
    x, y = (axis.ravel()[index] for axis in np.meshgrid(X, Y))
    field = FIELD.reshape(3, 72, 2)[:, index]
    if layout == "(T, 2, H, W)":
        field = np.moveaxis(field, -1, 1)
    elif layout == "(T, H, W, 3)":
        # A third component that is not known leaves the others as they are.
        field = np.concatenate([field, np.full_like(field[..., :1], np.nan)], axis=-1)
    path = write(tmp_path / f"cell{suffix}", x=x, y=y, displacement=field)
    stack = read_displacement(path, unit="px", y="down")
    np.testing.assert_array_equal(stack.data, FIELD)
    assert stack.metadata["layout"] == layout
    with open_displacement(path, unit="px", y="down", in_memory_bytes=0) as stream:
        np.testing.assert_array_equal(stream.part(1, 3).data, FIELD[1:])


def test_positions_are_in_the_group_of_the_field(tmp_path: Path) -> None:
    path = tmp_path / "cell.h5"
    for name in ("run/displacement", "displacement"):
        with h5py.File(path, "w") as file:
            file[name] = FIELD
            file["run/x"], file["run/y"] = X, Y
        found = read_displacement(path, unit="px").spacing_in_unit
        assert found == (8 if name.startswith("run/") else None)


def test_missing_rows_are_holes(tmp_path: Path) -> None:
    rows = [0, 1, 2, 3, 4, 6, 7]
    path = write(
        tmp_path / "cell.npz", x=X, y=Y[rows], displacement=FIELD[:, rows], units="px"
    )
    stack = read_displacement(path)
    assert stack.grid_shape == (8, 9)
    assert np.isnan(stack.data[:, 5]).all()
    np.testing.assert_array_equal(stack.data[:, rows], FIELD[:, rows])


def test_a_spacing_that_contradicts_the_positions(tmp_path: Path) -> None:
    path = tmp_path / "cell.npz"
    arrays = {"x": X, "y": Y, "displacement": FIELD, "units": np.array("um")}
    np.savez(path, **arrays)
    assert read_displacement(path).spacing_um == pytest.approx(8)
    np.savez(path, **arrays, spacing_um=np.array(8.05))
    assert read_displacement(path).spacing_um == pytest.approx(8.05)
    np.savez(path, **arrays, spacing_um=np.array(8.2))
    with pytest.raises(FieldError, match=r"8 um apart, but the vector spacing is 8\.2"):
        read_displacement(path)


def test_tractions(tmp_path: Path) -> None:
    path = tmp_path / "cell.npz"
    np.savez(path, x=X, y=Y[::-1], traction=FIELD * UP, pixel_size_um=0.5)
    traction = read_traction(path, unit="Pa")
    np.testing.assert_array_equal(traction.data, FIELD)
    assert traction.spacing_um == pytest.approx(4)


def test_an_array_of_the_original_work_has_no_positions(tmp_path: Path) -> None:
    path = write(tmp_path / "cell.h5", data=FIELD)
    assert read_displacement(path).unit == "field"
    write(path, data=FIELD, x=X, y=Y)
    assert read_displacement(path).unit is None


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_complex_positions_are_refused(tmp_path: Path, suffix: str) -> None:
    u, v = np.moveaxis(FIELD[0], -1, 0)
    path = write(tmp_path / f"cell{suffix}", u=u, v=v, x=X * (1 + 1j), y=Y)
    with pytest.raises(FieldFileError, match="complex128 values, expected real"):
        read_displacement(path)


def test_steps_that_differ_along_x_and_y_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "cell.npz", x=X, y=Y * 2, displacement=FIELD)
    with pytest.raises(FieldFileError, match=r"cell\.npz: .* along x and"):
        read_displacement(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["mask", "valid", "flags"])
def test_marks_that_are_not_used_are_said(
    tmp_path: Path, suffix: str, name: str
) -> None:
    marks = {name: FIELD[0, ..., 0] > 0, "other": FIELD[0, ..., 0] > 0}
    for path in one_and_two(tmp_path / f"cell{suffix}", FIELD[0], **marks):
        (note,) = read_displacement(path).metadata["notes"]
        assert f"the array {name} is not used" in note


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
def test_marks_of_every_frame(tmp_path: Path, suffix: str) -> None:
    u, v = np.moveaxis(FIELD, -1, 0)
    if suffix == ".mat":
        u, v = np.moveaxis(u, 0, -1), np.moveaxis(v, 0, -1)
    path = write(tmp_path / f"cell{suffix}", u=u, v=v, mask=u > 0)
    (note,) = read_displacement(path).metadata["notes"]
    assert "the array mask is not used" in note
    path = write(path, u=u, v=v, mask=u[:4, :2] > 0)
    assert not read_displacement(path).metadata["notes"]
