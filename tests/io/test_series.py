from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_vit_tfm.errors import FieldError, FieldFileError
from napari_vit_tfm.fields import DisplacementStream
from napari_vit_tfm.io import (
    natural_order,
    open_displacement,
    read_displacement,
    write_arrays,
)

FIELD = np.random.default_rng(0).normal(size=(9, 8, 10, 2)).astype(np.float32)
ATTRIBUTES = {"units": "um", "spacing_um": 0.5, "young_pa": 900.0}
LENGTHS = {
    "cell_10.h5": slice(6, 9),
    "cell_1.h5": slice(0, 2),
    "cell_2.npz": slice(2, 6),
}
"""Files of a series and their frames, not in natural order."""


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    for name, frames in LENGTHS.items():
        write(tmp_path / name, FIELD[frames])
    return [tmp_path / name for name in LENGTHS]


def write(path: Path, data: np.ndarray = FIELD, **changes: object) -> Path:
    outline = changes.pop("outline", None)
    arrays = {"displacement": data}
    if outline is not None:
        arrays["outline"] = np.asarray(outline)
    write_arrays(path, arrays, {"displacement": {**ATTRIBUTES, **changes}})
    return path


def test_numbers_in_names_are_compared_as_numbers() -> None:
    ordered = ["a/c2.h5", "a/c2_9.h5", "a/c02_10.h5", "a/C3.h5", "a/c10.h5", "b/c1.h5"]
    assert [path.as_posix() for path in natural_order(reversed(ordered))] == ordered


def test_files_are_sorted_by_the_numbers_in_their_names(series: list[Path]) -> None:
    stack = read_displacement(series)
    np.testing.assert_array_equal(stack.data, FIELD)
    assert (stack.unit, stack.spacing_um, stack.gel.young_pa) == ("um", 0.5, 900.0)
    assert stack.metadata["source"] == [str(path) for path in natural_order(series)]


@pytest.mark.parametrize("bounds", [(0, 9), (1, 3), (2, 6), (3, 4), (5, 9), (8, 9)])
def test_any_frames_can_be_read(series: list[Path], bounds: tuple[int, int]) -> None:
    with open_displacement(series, in_memory_bytes=0) as stream:
        assert isinstance(stream, DisplacementStream)
        assert (stream.n_frames, stream.grid_shape) == (9, (8, 10))
        np.testing.assert_array_equal(stream.frames(*bounds), FIELD[slice(*bounds)])
        np.testing.assert_array_equal(stream.frames(0, 1), FIELD[:1])


def test_a_small_series_is_read_as_a_whole(series: list[Path]) -> None:
    with open_displacement(series) as stack:
        assert not isinstance(stack, DisplacementStream)
        np.testing.assert_array_equal(stack.frames(0, 9), FIELD)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"data": FIELD[:, :7]}, "vectors: found 7 x 10, but 8 x 10"),
        ({"units": "px"}, "unit: found px, but um"),
        ({"spacing_um": 0.6}, "spacing in um: found 0.6, but 0.5"),
        ({"pixel_size_um": 0.1}, "pixel size in um: found 0.1, but None"),
        ({"young_pa": 901.0}, "Young's modulus in Pa: found 901.0, but 900.0"),
        ({"poisson": 0.4}, "Poisson ratio: found 0.4, but None"),
        ({"thickness_um": np.inf}, "thickness of the gel in um: found inf, but None"),
    ],
)
def test_a_file_that_differs_is_named(
    tmp_path: Path, series: list[Path], changes: dict[str, object], found: str
) -> None:
    other = write(tmp_path / "cell_11.h5", **changes)
    match = rf"cell_11\.h5: {found} in .*cell_1\.h5; files of one series"
    with pytest.raises(FieldFileError, match=match):
        read_displacement([*series, other])
    with (
        pytest.raises(FieldFileError, match=match),
        open_displacement([*series, other], in_memory_bytes=0),
    ):
        pass


def test_given_values_apply_to_all_files(tmp_path: Path, series: list[Path]) -> None:
    other = write(tmp_path / "cell_11.h5", spacing_um=0.6, units="px")
    stack = read_displacement([*series, other], spacing_um=2.0, unit="grid")
    assert (stack.n_frames, stack.spacing_um, stack.unit) == (18, 2.0, "grid")


def test_units_of_length_are_converted_file_by_file(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / "1.h5", FIELD[:1]),
        write(tmp_path / "2.h5", FIELD[1:2] * np.float32(1000), units="nm"),
    ]
    np.testing.assert_allclose(read_displacement(paths).data, FIELD[:2], rtol=1e-6)


def test_outlines_that_differ_are_ignored_with_a_notice(tmp_path: Path) -> None:
    square = [[1.0, 1], [5, 1], [5, 5]]
    paths = [write(tmp_path / f"{k}.h5", outline=square) for k in (1, 2)]
    outline = read_displacement(paths).outline
    assert outline is not None
    np.testing.assert_array_equal(outline, square)
    paths.append(write(tmp_path / "3.h5", outline=np.add(square, 1)))
    notices: list[str] = []
    assert read_displacement(paths, on_notice=notices.append).outline is None
    assert len(notices) == 1
    assert "outlines of the cell differ" in notices[0]


def test_the_files_of_a_folder_are_a_series(tmp_path: Path) -> None:
    write(tmp_path / "cell_10.h5", FIELD[1:3])
    write(tmp_path / "cell_9.H5", FIELD[:1])
    (tmp_path / "notes.md").touch()
    (tmp_path / ".hidden.h5").touch()
    np.testing.assert_array_equal(read_displacement(tmp_path).data, FIELD[:3])
    (tmp_path / "other.npy").touch()
    with pytest.raises(FieldFileError, match=r"types \.h5, \.npy, expected one type"):
        read_displacement(tmp_path)


def test_a_series_of_pairs(tmp_path: Path) -> None:
    for number in (2, 10):
        for name in "uv":
            np.save(tmp_path / f"{number}{name}.npy", np.full((8, 9), float(number)))
    assert read_displacement(tmp_path).data[:, 0, 0, 0].tolist() == [2, 10]
    files = list(tmp_path.iterdir())
    assert read_displacement(files).n_frames == 2


def test_a_series_without_files() -> None:
    with pytest.raises(FieldError, match="no files"):
        read_displacement([])


def save_pass(
    path: Path, *, factor: float = 1, shift: float = 0, step: int = 8
) -> Path:
    """A file of ImageJ's iterative PIV; the grid of later passes is finer."""
    x, y = (axis.ravel() * step + 4 + shift for axis in np.meshgrid(range(9), range(8)))
    u, v = factor * FIELD[0, :8, :9].reshape(-1, 2).T
    filler = np.zeros((10, x.size))
    columns = np.stack([x, y, u, v, np.hypot(u, v), *filler, 0 * x], axis=1)
    np.savetxt(path, columns, fmt="%.6f")
    return path


def test_the_last_pass_of_piv_is_read(tmp_path: Path) -> None:
    for number in (1, 2):
        for of_pass, step in ((1, 32), (2, 16), (3, 8)):
            save_pass(
                tmp_path / f"cell_{number}_PIV{of_pass}_disp.txt",
                factor=number * of_pass,
                step=step,
            )
    notices: list[str] = []
    stack = read_displacement(tmp_path, on_notice=notices.append)
    assert (stack.n_frames, stack.spacing_in_unit) == (2, pytest.approx(8))
    expected = FIELD[0, :8, :9] * np.array([3, 6])[:, None, None, None]
    np.testing.assert_allclose(stack.data, expected, atol=1e-5)
    assert len(notices) == 1
    assert notices[0].startswith("cell_1_PIV3_disp.txt and 1 more: the last pass")
    with open_displacement(tmp_path, in_memory_bytes=0) as stream:
        assert stream.n_frames == 2


def test_a_missing_pass_is_named(tmp_path: Path) -> None:
    for name in ("1_PIV1", "1_PIV2", "2_PIV1"):
        save_pass(tmp_path / f"cell_{name}_disp.txt")
    with pytest.raises(FieldFileError, match=r"cell_2_PIV1.*but PIV2 in cell_1_PIV2"):
        read_displacement(tmp_path)


def test_one_pass_of_every_frame_is_a_film(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        save_pass(tmp_path / f"cell_{number}_PIV3_disp.txt")
    assert read_displacement(tmp_path).n_frames == 3


@pytest.mark.parametrize("shift", [8, 4, -1])
def test_shifted_positions_are_refused(tmp_path: Path, shift: int) -> None:
    paths = [
        save_pass(tmp_path / "1.txt"),
        save_pass(tmp_path / "2.txt", shift=0.001),
        save_pass(tmp_path / "3.txt", shift=shift),
    ]
    assert read_displacement(paths[:2]).n_frames == 2
    with pytest.raises(
        FieldFileError, match=rf"3\.txt: .* shifted by {shift / 8:g} grid steps along x"
    ):
        read_displacement(paths)


def test_a_folder_with_components_in_two_formats(tmp_path: Path) -> None:
    for number in (1, 2):
        np.save(tmp_path / f"{number}u.npy", np.full((8, 9), float(number)))
        np.savetxt(tmp_path / f"{number}v.txt", np.zeros((8, 9)))
    assert read_displacement(tmp_path).data[:, 0, 0, 0].tolist() == [1, 2]


def test_files_called_like_components_are_not_left_out(tmp_path: Path) -> None:
    for name, frames in (("run_x", slice(0, 1)), ("run_y", slice(1, 2))):
        write(tmp_path / f"{name}.h5", FIELD[frames])
    np.testing.assert_array_equal(read_displacement(tmp_path).data, FIELD[:2])
