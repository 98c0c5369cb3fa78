from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mat_files import WRITERS, Cells, Writer, write_5
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import read_displacement

RNG = np.random.default_rng(0)
SHAPE = (6, 5)
EMPTY = np.zeros((0, 0))

both_versions = pytest.mark.parametrize("write", WRITERS)


def matrices(number: int = 2) -> list[npt.NDArray[np.float64]]:
    return list(RNG.normal(size=(number, *SHAPE)))


def session(**changes: Any) -> dict[str, Any]:
    x, y = np.meshgrid(np.arange(5) * 8.0 + 4, np.arange(6) * 8.0 + 12)
    return {
        "x": Cells([x, x]),
        "y": Cells([y, y]),
        "u_original": Cells(matrices()),
        "v_original": Cells(matrices()),
        "typevector_original": Cells([np.ones(SHAPE), np.ones(SHAPE)]),
        "units": "[px] respectively [px/frame]",
        **changes,
    }


def field(variables: dict[str, Any], frame: int, stage: str) -> npt.NDArray[Any]:
    parts = [variables[f"{part}_{stage}"][frame] for part in "uv"]
    return np.stack(parts, axis=-1)


@both_versions
def test_last_stage_of_every_frame(tmp_path: Path, write: Writer) -> None:
    filtered = {f"{part}_filtered": Cells([matrices(1)[0], EMPTY]) for part in "uv"}
    empty = {f"{part}_smoothed": Cells([EMPTY, EMPTY]) for part in "uv"}
    variables = session(**filtered, **empty)
    stack = read_displacement(write(tmp_path / "piv.mat", **variables))
    assert (stack.unit, stack.metadata["y"]) == ("px", "down")
    assert stack.spacing_in_unit == pytest.approx(8)
    np.testing.assert_allclose(
        stack.data[0], field(variables, 0, "filtered"), rtol=1e-6
    )
    np.testing.assert_allclose(
        stack.data[1], field(variables, 1, "original"), rtol=1e-6
    )
    assert stack.metadata["notes"] == (
        "the filtered vectors are read in frame 0",
        "the original vectors are read in frame 1",
    )


@both_versions
def test_masked_and_interpolated_vectors(tmp_path: Path, write: Writer) -> None:
    types = np.ones(SHAPE)
    types[1, 2], types[3, 4] = 0, 2
    variables = session(typevector_original=Cells([types, np.ones(SHAPE)]))
    stack = read_displacement(write(tmp_path / "piv.mat", **variables))
    expected = field(variables, 0, "original")
    expected[1, 2] = np.nan
    np.testing.assert_allclose(stack.data[0], expected, rtol=1e-6)
    assert "vectors interpolated by PIVlab: 1" in stack.metadata["notes"]


def test_stage_of_the_first_frame_only(tmp_path: Path) -> None:
    """A preview of the filter on one frame."""
    variables = session(**{f"{part}_filtered": Cells(matrices(1)) for part in "uv"})
    stack = read_displacement(write_5(tmp_path / "piv.mat", **variables))
    for frame, stage in enumerate(["filtered", "original"]):
        expected = field(variables, frame, stage)
        np.testing.assert_allclose(stack.data[frame], expected, rtol=1e-6)


def test_positions_of_the_first_frame_only(tmp_path: Path) -> None:
    variables = session()
    variables["x"], variables["y"] = (Cells(variables[name][:1]) for name in "xy")
    assert read_displacement(write_5(tmp_path / "piv.mat", **variables)).n_frames == 2


def test_empty_frames_are_left_out(tmp_path: Path) -> None:
    variables = session()
    for part in "uv":
        variables[f"{part}_original"][0] = EMPTY
    stack = read_displacement(write_5(tmp_path / "piv.mat", **variables))
    assert stack.n_frames == 1
    assert "without vectors, and left out: frame 0" in stack.metadata["notes"]
    for part in "uv":
        variables[f"{part}_original"][1] = EMPTY
    with pytest.raises(FieldFileError, match="empty in all frames"):
        read_displacement(write_5(tmp_path / "piv.mat", **variables))


@both_versions
def test_velocities_are_refused(tmp_path: Path, write: Writer) -> None:
    variables = session(units="[m] respectively [m/s]")
    path = write(tmp_path / "piv.mat", **variables)
    with pytest.raises(FieldFileError, match="a velocity: per second"):
        read_displacement(path)
    with pytest.raises(FieldFileError, match="a velocity, in 'm/s'"):
        read_displacement(path, dataset="u, v")
    assert read_displacement(path, dataset="u, v", unit="um").n_frames == 2


def test_metres_per_frame(tmp_path: Path) -> None:
    variables = session(units="[m] respectively [m/frame]")
    for axis in ("x", "y"):
        variables[axis] = Cells([1e-6 * array for array in variables[axis]])
    stack = read_displacement(write_5(tmp_path / "piv.mat", **variables))
    assert (stack.unit, stack.spacing_um) == ("um", pytest.approx(8))
    expected = 1e6 * field(variables, 0, "original")
    np.testing.assert_allclose(stack.data[0], expected, rtol=1e-6)


def test_positions_in_another_unit_give_no_spacing(tmp_path: Path) -> None:
    variables = session(units="[px] respectively [mm/frame]")
    stack = read_displacement(write_5(tmp_path / "piv.mat", **variables))
    assert (stack.unit, stack.spacing_in_unit) == ("um", None)


def test_without_units(tmp_path: Path) -> None:
    variables = session()
    del variables["units"]
    assert read_displacement(write_5(tmp_path / "piv.mat", **variables)).unit is None


def test_y_upwards(tmp_path: Path) -> None:
    variables = session()
    variables["y"] = Cells([-array for array in variables["y"]])
    stack = read_displacement(write_5(tmp_path / "piv.mat", **variables))
    # The first row of the file is that of the image, and v points up.
    expected = field(variables, 0, "original") * (1, -1)
    np.testing.assert_allclose(stack.data[0], expected, rtol=1e-6)


def test_components_of_another_shape(tmp_path: Path) -> None:
    variables = session(v_original=Cells([np.ones((4, 5)), np.ones((4, 5))]))
    with pytest.raises(FieldFileError, match=r"frame 0 of PIVlab.*\(4, 5\)"):
        read_displacement(write_5(tmp_path / "piv.mat", **variables))


def test_a_frame_with_one_component_is_left_out(tmp_path: Path) -> None:
    for part in "uv":
        variables = session()
        variables[f"{part}_original"].pop()
        stack = read_displacement(write_5(tmp_path / "piv.mat", **variables))
        assert stack.n_frames == 1
        assert "without vectors, and left out: frame 1" in stack.metadata["notes"]


def test_types_of_other_vectors_are_said(tmp_path: Path) -> None:
    variables = session(typevector_original=Cells([np.zeros((3, 3)), np.ones(SHAPE)]))
    stack = read_displacement(write_5(tmp_path / "piv.mat", **variables))
    assert np.isfinite(stack.data).all()
    (note,) = (one for one in stack.metadata["notes"] if "types of vectors" in one)
    assert "those of the vectors: 1; masked vectors are read there" in note
