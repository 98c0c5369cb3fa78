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
