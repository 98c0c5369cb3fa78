"""input_data and TFM_results of Bayesian FTTC packages, displField and forceField."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mat_files import WRITERS, Cells, Structs, Writer, write_5
from napari_vit_tfm.errors import FieldError, FieldFileError
from napari_vit_tfm.io import open_field_file, read_displacement, read_traction

RNG = np.random.default_rng(0)
ROWS, COLUMNS, STEP = 6, 5, 8

both_versions = pytest.mark.parametrize("write", WRITERS)


def positions(dtype: npt.DTypeLike = float) -> npt.NDArray[Any]:
    """Positions of a regular grid, column by column as MATLAB stores them."""
    x, y = np.meshgrid(np.arange(COLUMNS) * STEP + 4, np.arange(ROWS) * STEP + 12)
    return np.stack([x.T.ravel(), y.T.ravel()], axis=1).astype(dtype)


def field() -> npt.NDArray[np.float64]:
    return RNG.normal(size=(ROWS, COLUMNS, 2))


def listed(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The vectors of a field in the order of `positions`."""
    return values.transpose(1, 0, 2).reshape(-1, 2)


@both_versions
def test_input_of_several_frames(tmp_path: Path, write: Writer) -> None:
    frames = [field(), field()]
    order = RNG.permutation(ROWS * COLUMNS)
    elements = [
        {"pos": positions(np.uint16)[order], "vec": listed(frame)[order]}
        for frame in frames
    ]
    path = write(
        tmp_path / "in.mat",
        input_data={"displacement": Structs(elements), "noise": Structs(elements)},
    )
    stack = read_displacement(path)
    np.testing.assert_allclose(stack.data, frames, rtol=1e-6)
    assert stack.unit == "px"
    assert stack.spacing_in_unit == pytest.approx(STEP)
    assert stack.metadata["y"] == "down"


@both_versions
def test_frames_in_cell_arrays(tmp_path: Path, write: Writer) -> None:
    frames = [field(), field()]
    displacement = {
        "pos": Cells([positions(), positions()]),
        "vec": Cells([listed(frame) for frame in frames]),
    }
    path = write(tmp_path / "in.mat", input_data={"displacement": displacement})
    np.testing.assert_allclose(read_displacement(path).data, frames, rtol=1e-6)


@both_versions
def test_noise_is_read_only_when_asked_for(tmp_path: Path, write: Writer) -> None:
    signal, noise = field(), field()
    path = write(
        tmp_path / "in.mat",
        input_data={
            "displacement": {"pos": positions(), "vec": listed(signal)},
            "noise": {"pos": positions(), "vec": listed(noise)},
        },
    )
    np.testing.assert_allclose(read_displacement(path).data[0], signal, rtol=1e-6)
    stack = read_displacement(path, dataset="input_data.noise")
    np.testing.assert_allclose(stack.data[0], noise, rtol=1e-6)
    assert "noise, is read as displacement" in " ".join(stack.metadata["notes"])


@both_versions
def test_noise_that_is_no_field(tmp_path: Path, write: Writer) -> None:
    path = write(
        tmp_path / "in.mat",
        input_data={
            "displacement": {"pos": positions(), "vec": listed(field())},
            "noise": {"pos": [[1.0, 2]], "vec": [[0.1, 0]]},
        },
    )
    assert read_displacement(path).n_frames == 1
    with pytest.raises(FieldFileError, match=r"input_data\.noise.* is not a vector"):
        read_displacement(path, dataset="input_data.noise")


@both_versions
@pytest.mark.parametrize("value", [{"something": 1.0}, {"displacement": 1.0}])
def test_input_without_vectors(tmp_path: Path, write: Writer, value: Any) -> None:
    path = write(tmp_path / "in.mat", input_data=value)
    with pytest.raises(FieldFileError, match=r"displacement\.pos"):
        read_displacement(path)


def results(
    displacement: npt.NDArray[np.float64], traction: npt.NDArray[np.float64]
) -> dict[str, Any]:
    return {
        "TFM_results": {
            "pos": positions(),
            "traction": listed(traction),
            "displacement": listed(displacement),
        },
        "TFM_settings": {
            "young": 8000.0,
            "poisson": 0.48,
            "micrometer_per_pix": 0.2,
            "meshsize": float(STEP),
        },
    }


@both_versions
def test_results_and_settings(tmp_path: Path, write: Writer) -> None:
    displacement, traction = field(), 100 * field()
    path = write(tmp_path / "results.mat", **results(displacement, traction))
    stack = read_displacement(path)
    np.testing.assert_allclose(stack.data[0], displacement, rtol=1e-6)
    assert stack.unit == "px"
    assert (stack.pixel_size_um, stack.spacing_um) == (0.2, pytest.approx(1.6))
    assert (stack.gel.young_pa, stack.gel.poisson) == (8000, 0.48)
    tractions = read_traction(path)
    np.testing.assert_allclose(tractions.data[0], traction, rtol=1e-6)
    assert (tractions.unit, tractions.spacing_um) == ("Pa", pytest.approx(1.6))
    assert tractions.gel == stack.gel


def test_mesh_size_that_contradicts_positions(tmp_path: Path) -> None:
    variables = results(field(), field())
    variables["TFM_settings"]["meshsize"] = 10.0
    path = write_5(tmp_path / "results.mat", **variables)
    with pytest.raises(FieldError, match=r"8 px apart.* spacing is 2 um"):
        read_displacement(path)
    assert read_displacement(path, spacing_um=1.6).spacing_um == 1.6


def test_the_spacing_follows_from_another_pixel_size(tmp_path: Path) -> None:
    path = write_5(tmp_path / "results.mat", **results(field(), field()))
    stack = read_displacement(path, pixel_size_um=0.1)
    assert (stack.pixel_size_um, stack.spacing_um) == (0.1, pytest.approx(0.8))
    # The pixel size in the file is 0.2 um.
    with pytest.raises(FieldError, match=r"pixel size of 0\.2 um.* spacing is 0\.8 um"):
        read_displacement(path, spacing_um=0.8)
    stack = read_displacement(path, spacing_um=0.8, pixel_size_um=0.1)
    assert stack.grid_steps_per_unit() == pytest.approx(1 / STEP)


def test_results_without_settings(tmp_path: Path) -> None:
    variables = results(field(), field())
    del variables["TFM_settings"], variables["TFM_results"]["traction"]
    stack = read_displacement(write_5(tmp_path / "results.mat", **variables))
    assert stack.unit == "px"
    assert stack.pixel_size_um is None


@both_versions
def test_beads_that_were_not_tracked(tmp_path: Path, write: Writer) -> None:
    values = field()
    values[2, 3] = np.nan
    element = {"pos": positions(), "vec": listed(values)}
    shorter = {"pos": positions()[1:], "vec": listed(values)[1:]}
    path = write(tmp_path / "d.mat", displField=Structs([element, shorter]))
    stack = read_displacement(path)
    assert stack.unit == "px"
    np.testing.assert_allclose(stack.data[0], values, rtol=1e-6)
    values[0, 0] = np.nan
    np.testing.assert_allclose(stack.data[1], values, rtol=1e-6)


@both_versions
def test_scattered_beads_on_one_grid(tmp_path: Path, write: Writer) -> None:
    # Linear interpolation of a linear field is exact.
    elements = []
    for number in (2000, 1990):
        points = RNG.uniform(0, 100, size=(number, 2))
        elements.append({"pos": points, "vec": points * (0.01, -0.02)})
    path = write(tmp_path / "d.mat", displField=Structs(elements))
    stack = read_displacement(path)
    assert any("interpolated" in note for note in stack.metadata["notes"])
    known = np.isfinite(stack.data).all(axis=(0, 3))
    assert known.mean() > 0.9
    inside = (slice(None), slice(2, -2), slice(2, -2), 0)
    steps = np.diff(stack.data[inside], axis=2)
    assert stack.spacing_in_unit is not None
    np.testing.assert_allclose(steps, 0.01 * stack.spacing_in_unit, rtol=1e-3)
    np.testing.assert_allclose(stack.data[0][inside[1:]], stack.data[1][inside[1:]])


@both_versions
def test_a_frame_with_few_beads_does_not_refuse_the_film(
    tmp_path: Path, write: Writer
) -> None:
    frames = [RNG.uniform(0, 100, size=(number, 2)) for number in (500, 4, 490)]
    elements = [{"pos": points, "vec": points * 0.01} for points in frames]
    path = write(tmp_path / "d.mat", displField=Structs(elements))
    stack = read_displacement(path)
    empty = np.isnan(stack.data).all(axis=(1, 2, 3))
    assert empty.tolist() == [False, True, False]
    assert "frame 1 has fewer than 10 vectors" in " ".join(stack.metadata["notes"])


@both_versions
def test_one_frame_of_displacements(tmp_path: Path, write: Writer) -> None:
    values = field()
    path = write(
        tmp_path / "d.mat",
        displField={"pos": positions(), "vec": listed(values)},
        displFieldShifted={"pos": positions(), "vec": listed(field())},
    )
    np.testing.assert_allclose(read_displacement(path).data[0], values, rtol=1e-6)


@both_versions
def test_force_field_is_a_traction(tmp_path: Path, write: Writer) -> None:
    values = field()
    struct = {"pos": positions(), "vec": listed(values)}
    path = write(tmp_path / "f.mat", forceField=struct)
    with pytest.raises(FieldFileError, match=r"forceField.* as a traction"):
        read_displacement(path)
    traction = read_traction(path)
    assert traction.unit == "Pa"
    np.testing.assert_allclose(traction.data[0], values, rtol=1e-6)


def test_third_component_is_left_out(tmp_path: Path) -> None:
    values = field()
    three = np.insert(listed(values), 2, 9, axis=1)
    path = write_5(tmp_path / "d.mat", displField={"pos": positions(), "vec": three})
    stack = read_displacement(path)
    np.testing.assert_allclose(stack.data[0], values, rtol=1e-6)
    assert stack.metadata["notes"] == ("the third component is left out",)


def test_struct_of_another_name_has_no_unit(tmp_path: Path) -> None:
    struct = {"pos": positions(), "vec": listed(field())}
    assert read_displacement(write_5(tmp_path / "a.mat", beads=struct)).unit is None


@pytest.mark.parametrize(
    ("pos", "vec", "message"),
    [
        (positions(), np.ones((7, 2)), "30 positions and 7 vectors"),
        (positions(), "text", "no numbers as vectors"),
        (np.ones((7, 5)), np.ones((7, 2)), r"shape \(7, 5\) as positions"),
        (positions() * 0, positions(), "one line"),
        (np.repeat(positions(), 2, axis=0), np.ones((60, 2)), "more than one vector"),
        (positions() * (1, 2), positions(), "the same distance"),
    ],
)
def test_broken_vectors(tmp_path: Path, pos: Any, vec: Any, message: str) -> None:
    path = write_5(tmp_path / "d.mat", displField={"pos": pos, "vec": vec})
    with pytest.raises(FieldFileError, match=f"d.mat.*displField.*{message}"):
        read_displacement(path)


def test_vectors_are_put_on_the_grid_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_vit_tfm.gridding import NodeGrid

    calls = []
    place = NodeGrid.place
    monkeypatch.setattr(
        NodeGrid, "place", lambda *args: calls.append(1) or place(*args)
    )
    struct = {"pos": positions(), "vec": listed(field())}
    path = write_5(tmp_path / "d.mat", displField=struct)
    with open_field_file(path) as file:
        read_displacement(file)
        read_displacement(file)
    assert len(calls) == 1
