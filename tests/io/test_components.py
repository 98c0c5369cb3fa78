from __future__ import annotations

import itertools
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest
import tifffile

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import read_displacement, read_traction
from napari_vit_tfm.io.components import component_of

RNG = np.random.default_rng(0)
U, V = RNG.normal(size=(2, 3, 8, 9)).astype(np.float32)
BOTH = np.stack([U, V], axis=-1)
SUFFIXES_OF_PAIRS = list(itertools.permutations([".npy", ".txt", ".tif"], 2))


def write(path: Path, **arrays: npt.ArrayLike) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("name", "partner"),
    [
        ("u", "v"),
        ("V", "U"),
        ("ux", "uy"),
        ("dispX", "dispY"),
        ("disp_x", "disp_y"),
        ("u_001", "v_001"),
        ("01v", "01u"),
        ("u [1]", "v [1]"),
        ("u (px)", "v (px)"),
        ("dx", "dy"),
        ("cell dy", "cell dx"),
        ("group/u", "group/v"),
    ],
)
def test_names_of_components(name: str, partner: str) -> None:
    component = component_of(name)
    assert component is not None
    assert component.partner == partner
    other = component_of(partner)
    assert other is not None
    assert (other.partner, other.axis) == (name, 1 - component.axis)


@pytest.mark.parametrize(
    "name", ["x", "Y", "matrix", "menu", "displacement", "max", "data", "my cell"]
)
def test_other_names(name: str) -> None:
    assert component_of(name) is None


@pytest.mark.parametrize("names", [("u", "v"), ("disp_x", "disp_y"), ("dx", "dy")])
def test_two_arrays_of_one_file(tmp_path: Path, names: tuple[str, str]) -> None:
    path = write(tmp_path / "cell.npz", **dict(zip(names, (U, V), strict=True)))
    stack = read_displacement(path)
    np.testing.assert_array_equal(stack.data, BOTH)
    assert stack.metadata["dataset"] == f"{names[0]}, {names[1]}"
    path = write(tmp_path / "one.npz", **dict(zip(names, (U[0], V[0]), strict=True)))
    np.testing.assert_array_equal(read_displacement(path).data, BOTH[:1])


def test_frames_are_read_by_themselves(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "cell.h5", "w") as file:
        file["run/u"], file["run/v"] = U, V
        file["run/u"].attrs["units"] = "nm"
    stack = read_displacement(tmp_path / "cell.h5")
    assert stack.unit == "um"
    np.testing.assert_allclose(stack.data, BOTH * 1e-3, rtol=1e-6)


def test_tractions(tmp_path: Path) -> None:
    path = write(tmp_path / "cell.npz", tx=U, ty=V)
    np.testing.assert_array_equal(read_traction(path, unit="Pa").data, BOTH)
    with pytest.raises(FieldFileError, match=r"tx, ty .* taken as a traction"):
        read_displacement(path)


def test_velocities_are_no_displacements(tmp_path: Path) -> None:
    path = write(tmp_path / "cell.npz", velocity_x=U, velocity_y=V)
    with pytest.raises(FieldFileError, match="has no displacement"):
        read_displacement(path)


@pytest.mark.parametrize("name", ["force", "velocity", "coords", "pos", "noise"])
def test_what_is_no_displacement_is_asked_for(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "cell.npz", **{name: BOTH})
    with pytest.raises(FieldFileError, match=f"found {name} .*--dataset"):
        read_displacement(path)
    notices: list[str] = []
    stack = read_displacement(path, dataset=name, on_notice=notices.append)
    np.testing.assert_array_equal(stack.data, BOTH)
    assert len(notices) == 1
    assert "is read as displacement" in notices[0]
    # A file may have any name.
    path = write(tmp_path / f"{name}.npz", field=BOTH)
    assert read_displacement(path).n_frames == 3


@pytest.mark.parametrize("order", ["by rows", "from below", "mixed"])
def test_vectors_are_placed_by_their_positions(tmp_path: Path, order: str) -> None:
    x, y = np.meshgrid(np.arange(9) * 8.0 + 4, np.arange(8) * 8.0 + 4)
    index = np.arange(72).reshape(8, 9)
    if order == "from below":
        index = index[::-1]
    elif order == "mixed":
        index = RNG.permutation(index.ravel()).reshape(8, 9)
    taken = {
        name: values.ravel()[index]
        for name, values in (("x", x), ("y", y), ("u", U[0]), ("v", V[0]))
    }
    stack = read_displacement(
        write(tmp_path / "cell.npz", **taken), y="down", unit="px"
    )
    np.testing.assert_array_equal(stack.data, BOTH[:1])
    assert stack.spacing_in_unit == pytest.approx(8)
    assert stack.grid_steps_per_unit() == pytest.approx(1 / 8)


def test_y_is_up_where_the_first_row_has_the_largest_y(tmp_path: Path) -> None:
    x, y = np.meshgrid(np.arange(9) * 8.0, np.arange(8)[::-1] * 8.0)
    path = write(tmp_path / "cell.npz", x=x, y=y, u=U, v=-V)
    notices: list[str] = []
    stack = read_displacement(path, on_notice=notices.append)
    np.testing.assert_array_equal(stack.data, BOTH)
    assert stack.metadata["y"] == "up"
    assert len(notices) == 1
    assert 'y is taken as pointing up (otherwise y="down"' in notices[0]
    turned = read_displacement(path, y="down").data
    np.testing.assert_array_equal(turned, BOTH[:, ::-1] * (1, -1))


@pytest.mark.parametrize("names", ["xy", "XY"])
@pytest.mark.parametrize("are_flat", [False, True])
def test_positions_may_be_flat_and_have_capitals(
    tmp_path: Path, names: str, are_flat: bool
) -> None:
    x, y = np.arange(9) * 8.0, np.arange(8)[::-1] * 8.0
    positions = (x, y) if are_flat else np.meshgrid(x, y)
    arrays = dict(zip(names, positions, strict=True))
    path = write(tmp_path / "cell.npz", u=U, v=-V, **arrays)
    stack = read_displacement(path, unit="px")
    np.testing.assert_array_equal(stack.data, BOTH)
    assert stack.metadata["y"] == "up"
    assert stack.spacing_in_unit == 8


@pytest.mark.parametrize(
    ("of_positions", "of_vectors", "spacing_in_unit", "spacing_um"),
    [
        ("um", "px", None, 8.0),
        ("nm", "um", 0.008, 0.008),
        ("px", "um", None, None),
        ("px", "px", 8.0, None),
        ("um", "", None, 8.0),
    ],
)
def test_positions_may_have_another_unit(
    tmp_path: Path,
    of_positions: str,
    of_vectors: str,
    spacing_in_unit: float | None,
    spacing_um: float | None,
) -> None:
    x, y = np.meshgrid(np.arange(9) * 8.0, np.arange(8) * 8.0)
    units = {f"{name}.units": of_positions for name in "xy"}
    if of_vectors:
        units |= {f"{name}.units": of_vectors for name in "uv"}
    stack = read_displacement(write(tmp_path / "cell.npz", x=x, y=y, u=U, v=V, **units))
    assert stack.spacing_in_unit == pytest.approx(spacing_in_unit)
    assert stack.spacing_um == pytest.approx(spacing_um)


def test_components_have_one_unit(tmp_path: Path) -> None:
    path = tmp_path / "cell.npz"
    write(path, u=U, v=V, **{"u.units": "um", "v.units": "px"})
    with pytest.raises(FieldFileError, match="the units um and px, expected the same"):
        read_displacement(path)
    write(path, u=U, v=V, **{"v.units": "px"})
    assert read_displacement(path).unit == "px"
    write(path, u=U, v=V, **{"u.units": "micron", "v.units": "um"})
    assert read_displacement(path).unit == "um"


def test_frames_are_last_where_positions_say_so(tmp_path: Path) -> None:
    x, y = np.meshgrid(np.arange(9) * 8.0, np.arange(8) * 8.0)
    u, v = (np.moveaxis(one, 0, -1) for one in (U, V))
    path = write(tmp_path / "cell.npz", x=x, y=y, u=u, v=v)
    np.testing.assert_array_equal(read_displacement(path).data, BOTH)


@pytest.mark.parametrize("name", ["std_u", "strain_x", "speed_u", "points", "grad_x"])
def test_other_quantities(tmp_path: Path, name: str) -> None:
    component = component_of(name)
    arrays = {name: BOTH} if component is None else {name: U, component.partner: V}
    path = write(tmp_path / "cell.npz", **arrays)
    with pytest.raises(FieldFileError, match="has no displacement"):
        read_displacement(path)


def save_component(path: Path, values: npt.NDArray[np.float32]) -> Path:
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".txt":
        np.savetxt(path, values)
    else:
        tifffile.imwrite(path, values)
    return path


@pytest.mark.parametrize("suffixes", SUFFIXES_OF_PAIRS)
def test_components_in_files_of_two_formats(
    tmp_path: Path, suffixes: tuple[str, str]
) -> None:
    u = save_component(tmp_path / f"01u{suffixes[0]}", U[0])
    v = save_component(tmp_path / f"01v{suffixes[1]}", V[0])
    for path in (u, v):
        stack = read_displacement(path)
        np.testing.assert_allclose(stack.data, BOTH[:1], rtol=1e-6)
        assert stack.unit == "px"


@pytest.mark.parametrize("suffix", [".npy", ".txt", ".tif"])
@pytest.mark.parametrize(
    ("names", "unit"),
    [(("01u", "01v"), "px"), (("u", "v"), None), (("01_tx", "01_ty"), "Pa")],
)
def test_units_of_pytfm(
    tmp_path: Path, names: tuple[str, str], unit: str | None, suffix: str
) -> None:
    for name, values in zip(names, (U[0], V[0]), strict=True):
        save_component(tmp_path / f"{name}{suffix}", values)
    path = tmp_path / f"{names[0]}{suffix}"
    stack = read_traction(path) if unit == "Pa" else read_displacement(path)
    assert stack.unit == unit
    notes = stack.metadata["notes"]
    assert [f"called as in pyTFM: its unit is taken as {unit}" in n for n in notes] == (
        [] if unit is None else [True]
    )


def test_several_files_with_the_other_component_are_refused(tmp_path: Path) -> None:
    u = save_component(tmp_path / "u.npy", U[0])
    for suffix in (".txt", ".tif"):
        save_component(tmp_path / f"v{suffix}", V[0])
    with pytest.raises(FieldFileError, match=r"v\.tif and v\.txt may have the other"):
        read_displacement(u)
    save_component(tmp_path / "v.npy", V[0])
    np.testing.assert_array_equal(read_displacement(u).data, BOTH[:1])


@pytest.mark.parametrize("suffix", [".npy", ".txt", ".tif"])
@pytest.mark.parametrize(
    ("name", "partner"), [("u", "v"), ("01v", "01u"), ("disp_x", "disp_y")]
)
def test_a_file_with_a_missing_component_names_it(
    tmp_path: Path, name: str, partner: str, suffix: str
) -> None:
    path = save_component(tmp_path / f"{name}{suffix}", U[0])
    with pytest.raises(
        FieldFileError, match=rf"{partner}\{suffix} with the other component is missing"
    ):
        read_displacement(path)


@pytest.mark.parametrize("ndim", [2, 3])
def test_an_array_with_a_missing_component_names_it(tmp_path: Path, ndim: int) -> None:
    path = write(tmp_path / "cell.npz", u=U[0] if ndim == 2 else U)
    with pytest.raises(FieldFileError, match="v with the other component is missing"):
        read_displacement(path)
    with pytest.raises(FieldFileError, match="has no traction"):
        read_traction(path)
    path = write(tmp_path / "cell.npz", u=U, v=V[:2])
    with pytest.raises(FieldFileError, match=r"u and v have .* different shapes"):
        read_displacement(path)
