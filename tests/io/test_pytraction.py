from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import open_displacement, read_displacement, read_traction
from napari_vit_tfm.physics import displacement_of

Array = npt.NDArray[np.float64]

ROWS, COLUMNS, STEP = 20, 27, 8
YOUNG_PA = 8000


def fields(frame: int = 0) -> tuple[Array, Array]:
    """Displacements in pixels and their tractions in Pa, rows downwards."""
    traction = np.zeros((ROWS, COLUMNS, 2))
    traction[3:6, 4 + frame : 8] = 0.1, 0.05
    traction[12:16, 18:21] = -0.08, 0.06
    u = displacement_of(traction[..., 0], traction[..., 1], pad=True)
    return STEP * np.stack(u, axis=-1), YOUNG_PA * traction


def upwards(field: Array) -> Array:
    """The first row is the lowest, and y components point up."""
    return field[::-1] * (1, -1)


def write(path: Path, n_frames: int = 1, **metadata: Any) -> Path:
    """Positions are listed from the top, with y counted from the bottom."""
    column, row = np.meshgrid(np.arange(COLUMNS), np.arange(ROWS))
    pos = np.stack([4 + STEP * column.ravel(), 4 + STEP * (ROWS - 1 - row.ravel())])
    if not metadata:
        metadata = {"E": b"(8000,)", "pix_per_mu": b"5.0", "s": b"0.48", "dt": b"1"}
    with h5py.File(path, "w") as file:
        for frame in range(n_frames):
            u, t = fields(frame)
            file[f"pos/{frame}"] = pos
            file[f"vec/{frame}"] = (u * (1, -1)).reshape(-1, 2).T
            file[f"force_field/{frame}"] = upwards(t).transpose(1, 0, 2)
            file[f"traction_map/{frame}"] = np.hypot(*np.moveaxis(t, -1, 0))
        file["metadata"] = 0
        for name, value in metadata.items():
            stored = np.void(value) if isinstance(value, bytes) else value
            file["metadata"].attrs[name] = stored
    return path


def read_notes(path: Path) -> tuple[str, ...]:
    return tuple(read_displacement(path).metadata["notes"])


def test_displacement(tmp_path: Path) -> None:
    stack = read_displacement(write(tmp_path / "cell.h5"))
    np.testing.assert_allclose(stack.data[0], fields()[0], rtol=1e-5)
    assert (stack.unit, stack.metadata["y"]) == ("px", "up")
    assert (stack.pixel_size_um, stack.spacing_um) == (0.2, pytest.approx(1.6))
    assert (stack.gel.young_pa, stack.gel.poisson) == (YOUNG_PA, 0.48)


def test_traction_belongs_to_the_displacement(tmp_path: Path) -> None:
    traction = read_traction(write(tmp_path / "cell.h5"))
    np.testing.assert_allclose(traction.data[0], fields()[1], rtol=1e-5)
    assert (traction.unit, traction.spacing_um) == ("Pa", pytest.approx(1.6))
    assert traction.gel.young_pa == YOUNG_PA


def test_traction_on_a_smaller_grid(tmp_path: Path) -> None:
    """As in files of pytraction: an even number of nodes, the border is left out."""
    path = write(tmp_path / "cell.h5", E=b"8000", pix_per_mu=b"5", meshsize=b"8")
    with h5py.File(path, "a") as file:
        cropped = file["force_field/0"][...][:26, 1:19]
        del file["force_field/0"]
        file["force_field/0"] = cropped
    traction = read_traction(path)
    np.testing.assert_allclose(traction.data[0], fields()[1][1:19, :26], rtol=1e-5)
    assert traction.spacing_um == pytest.approx(1.6)


def test_traction_with_y_downwards_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "cell.h5")
    _, t = fields()
    with h5py.File(path, "a") as file:
        file["force_field/0"][...] = t.transpose(1, 0, 2)
    notices: list[str] = []
    traction = read_traction(path, on_notice=notices.append)
    np.testing.assert_allclose(traction.data[0], t, rtol=1e-5)
    assert "y of force_field points down" in notices[0]
    np.testing.assert_allclose(
        read_traction(path, y="up").data[0], upwards(t), rtol=1e-5
    )


def test_frames_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "cell.h5", n_frames=3)
    with h5py.File(path, "a") as file:
        for group in ("pos", "vec", "force_field"):
            file.move(f"{group}/0", f"{group}/10")
    expected = [fields(frame) for frame in (1, 2, 0)]
    stack, traction = read_displacement(path), read_traction(path)
    np.testing.assert_allclose(stack.data, [u for u, _ in expected], rtol=1e-5)
    np.testing.assert_allclose(traction.data, [t for _, t in expected], rtol=1e-5)
    with open_displacement(path, in_memory_bytes=0) as stream:
        part = stream.part(1, 3)
    np.testing.assert_array_equal(part.data, stack.data[1:])


@pytest.mark.parametrize(
    ("value", "young_pa"),
    [(b"8e3", 8000), (8000, 8000), ("8000.0", 8000), (b"None", None)],
)
def test_spellings_of_numbers(
    tmp_path: Path, value: Any, young_pa: float | None
) -> None:
    stack = read_displacement(write(tmp_path / "cell.h5", E=value))
    assert stack.gel.young_pa == young_pa
    assert stack.pixel_size_um is None


def test_missing_frames_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "cell.h5", n_frames=2)
    with h5py.File(path, "a") as file:
        del file["vec/1"]
    with pytest.raises(FieldFileError, match="one of them lacks 1"):
        read_displacement(path)


def test_a_gap_in_the_frames_is_noted(tmp_path: Path) -> None:
    path = write(tmp_path / "cell.h5", n_frames=2)
    assert not any("frames" in note for note in read_notes(path))
    with h5py.File(path, "a") as file:
        for group in ("pos", "vec", "force_field"):
            file.move(f"{group}/1", f"{group}/7")
    assert any("2 frames from 0 to 7 are" in note for note in read_notes(path))


def test_tractions_of_different_shapes(tmp_path: Path) -> None:
    path = write(tmp_path / "cell.h5", n_frames=2)
    with h5py.File(path, "a") as file:
        del file["force_field/1"]
        file["force_field/1"] = np.zeros((8, 9, 2))
    assert read_displacement(path).n_frames == 2
    with pytest.raises(FieldFileError, match="has no traction"):
        read_traction(path)


def test_groups_of_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "cell.h5"
    field = np.random.default_rng(0).normal(size=(9, 8, 2))
    with h5py.File(path, "w") as file:
        file["pos/0"], file["vec/0"] = np.zeros((9, 8, 2)), field
    stack = read_displacement(path, dataset="vec/0")
    np.testing.assert_allclose(stack.data[0], field, rtol=1e-6)


@pytest.mark.parametrize("name", ["pos/1", "vec/1", "force_field/1"])
@pytest.mark.parametrize("n_written", [0, 1])
def test_frames_that_were_not_written(
    tmp_path: Path, name: str, n_written: int
) -> None:
    path = write(tmp_path / "cell.h5", 2)
    with h5py.File(path, "a") as file:
        values = file[name][...]
        del file[name]
        chunks = (1, *values.shape[1:])
        dataset = file.create_dataset(name, values.shape, "f8", chunks=chunks)
        dataset[:n_written] = values[:n_written]
    with pytest.raises(FieldFileError, match=rf"{name}.*did not finish it"):
        (read_traction if "force" in name else read_displacement)(path)


def test_a_long_film_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "film.h5", 4)
    monkeypatch.setattr("napari_vit_tfm.guard.hdf5.MOST_OBJECTS", 4)
    assert read_displacement(path).n_frames == 4
    monkeypatch.setattr("napari_vit_tfm.guard.hdf5.BYTES_PER_OBJECT", 10**5)
    with pytest.raises(FieldFileError, match="which no file of fields of this size"):
        read_displacement(path)
