"""MATLAB files without a known program; those of programs are in tests/io/matlab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from mat_files import WRITERS, Cells, Writer, write_5, write_73
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.io import (
    open_field_file,
    open_traction,
    read_displacement,
    read_labels,
    read_traction,
    summarise,
    write_traction,
)

RNG = np.random.default_rng(0)

both_versions = pytest.mark.parametrize("write", WRITERS)


@both_versions
@pytest.mark.parametrize("name", ["displacement", "field"])
def test_rows_columns_components(tmp_path: Path, write: Writer, name: str) -> None:
    field = RNG.normal(size=(9, 8, 2))
    stack = read_displacement(write(tmp_path / "cell.mat", **{name: field}))
    np.testing.assert_array_equal(stack.data[0], field.astype(np.float32))
    assert (stack.unit, stack.metadata["y"]) == (None, "down")


@both_versions
@pytest.mark.parametrize("name", ["u", "ux", "disp_y"])
def test_one_component_of_two_frames(tmp_path: Path, write: Writer, name: str) -> None:
    path = write(tmp_path / "cell.mat", **{name: RNG.normal(size=(9, 8, 2))})
    with pytest.raises(FieldFileError, match="one component"):
        read_displacement(path)


@both_versions
def test_frames_of_two_components_are_last(tmp_path: Path, write: Writer) -> None:
    ux, uy = RNG.normal(size=(2, 9, 8, 3))
    stack = read_displacement(write(tmp_path / "cell.mat", ux=ux, uy=uy))
    expected = np.moveaxis(np.stack([ux, uy], axis=-1), 2, 0)
    np.testing.assert_array_equal(stack.data, expected.astype(np.float32))


@both_versions
def test_velocity_is_refused(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path / "cell.mat", velocity=RNG.normal(size=(9, 8, 2)))
    with pytest.raises(FieldFileError, match="a velocity"):
        read_displacement(path)


@both_versions
def test_variables_of_all_types_are_listed(tmp_path: Path, write: Writer) -> None:
    path = write(
        tmp_path / "cell.mat",
        name="cell 3",
        cells=Cells([np.ones((2, 2)), "text"]),
        settings={"young": 8000.0},
        mask=np.ones((9, 8), dtype=np.uint8),
    )
    arrays = {entry.name: entry for entry in summarise(path).arrays}
    assert {name: entry.dtype for name, entry in arrays.items()} == {
        "name": "char",
        "cells": "cell",
        "settings": "struct",
        "mask": "uint8",
    }
    assert arrays["mask"].shape == (9, 8)
    with open_field_file(path) as file:
        np.testing.assert_array_equal(file.read("mask"), np.ones((9, 8)))
        with pytest.raises(FieldFileError, match="cells is a cell, expected numbers"):
            file.read("cells")
    with pytest.raises(FieldFileError, match="expected floating-point numbers in"):
        read_displacement(path)


def test_complex_in_version_73_is_refused(tmp_path: Path) -> None:
    parts = np.zeros((9, 8, 2), dtype=[("real", "f8"), ("imag", "f8")])
    path = write_73(tmp_path / "cell.mat", dspl=parts)
    with pytest.raises(FieldFileError, match="has no displacement"):
        read_displacement(path)


def test_structs_without_matlab_attributes(tmp_path: Path) -> None:
    """Other programs that write version 7.3 leave them out."""
    path = write_73(tmp_path / "cell.mat", other=1.0)
    x, y = np.meshgrid(np.arange(5.0), np.arange(6.0))
    positions = np.stack([x.ravel(), y.ravel()])
    with h5py.File(path, "a") as file:
        file["#refs#/pos"], file["#refs#/vec"] = positions, 2 * positions
        for name in ("pos", "vec"):
            references = [[file[f"#refs#/{name}"].ref]] * 2
            file.create_dataset(
                f"displField/{name}", data=references, dtype=h5py.ref_dtype
            )
    np.testing.assert_allclose(read_displacement(path).data[1, 3, 2], [4, 6])


@both_versions
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_truncated_files_are_refused(
    tmp_path: Path, write: Writer, share: float
) -> None:
    path = write(tmp_path / "cell.mat", field=RNG.normal(size=(40, 40, 2)))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FieldFileError, match=r"cell\.mat"):
        read_displacement(path)


def test_bayesian_fttc_input(reference: Path) -> None:
    stack = read_displacement(reference / "fields" / "bfttc" / "input_data.mat")
    original = read_displacement(reference / "fields" / "displacement.h5")
    # Component 0 of the MATLAB file is component 1 of the HDF5 file.
    np.testing.assert_array_equal(stack.data[0, ..., 0], original.data[0, ..., 1])
    assert not stack.data[..., 1].any()
    assert stack.unit == "px"


def test_file_is_kept_open_only_in_the_block(tmp_path: Path) -> None:
    path = write_5(tmp_path / "cell.mat", field=RNG.normal(size=(9, 8, 2)))
    file = open_field_file(path)
    with file:
        assert file.read("field").shape == (9, 8, 2)
    with pytest.raises(ValueError, match="is not open"):
        file.read("field")


def test_tractions_are_indexed_as_in_matlab(tmp_path: Path) -> None:
    data = RNG.normal(size=(3, 8, 9, 2)).astype(np.float32)
    path = tmp_path / "traction.mat"
    records = {"holes": np.array([0, 2, 1])}
    write_traction(
        path, TractionStack(data, unit="Pa", spacing_um=0.8, records=records)
    )
    found = loadmat(path, simplify_cells=True)
    assert found["traction"].dtype == np.float32
    np.testing.assert_array_equal(found["traction"], np.moveaxis(data, 0, -1))
    about = found["attributes"]["traction"]
    assert (about["units"], about["spacing_um"]) == ("Pa", 0.8)
    np.testing.assert_array_equal(found["holes"], [0, 2, 1])


def test_one_frame_that_matlab_saves_has_three_axes(tmp_path: Path) -> None:
    data = RNG.normal(size=(1, 8, 9, 2)).astype(np.float32)
    path = tmp_path / "traction.mat"
    write_traction(path, TractionStack(data, unit="Pa", spacing_um=0.8))
    found = loadmat(path)
    found["traction"] = found["traction"][..., 0]
    savemat(path, {name: x for name, x in found.items() if name[0] != "_"})
    back = read_traction(path)
    np.testing.assert_array_equal(back.data, data)
    assert (back.unit, back.spacing_um) == ("Pa", 0.8)


def test_two_gigabytes_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_vit_tfm.io.formats.mat.MOST_BYTES", 3000)
    stack = TractionStack(RNG.normal(size=(2, 8, 9, 2)))

    def write() -> None:
        with open_traction(tmp_path / "traction.mat") as sink:
            for _ in range(3):
                sink.append(stack)

    with pytest.raises(FieldFileError, match=r"\.mat: .*at most 2 GB: write \.h5"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_structs_without_fields(tmp_path: Path) -> None:
    path = tmp_path / "cell.mat"
    savemat(path, {"displacement": np.ones((8, 9, 2)), "options": {}})
    assert read_displacement(path).n_frames == 1


@both_versions
@pytest.mark.parametrize("name", ["spacing_um", "young_pa", "poisson"])
def test_true_and_false_are_no_numbers(
    tmp_path: Path, write: Writer, name: str
) -> None:
    path = tmp_path / "traction.mat"
    about: dict[str, Any] = {"units": "Pa", "spacing_um": 0.5, "young_pa": 5e3}
    traction = np.ones((8, 9, 2, 3))
    write(path, traction=traction, attributes={"traction": about})
    assert read_traction(path).spacing_um == 0.5
    about[name] = np.array([[name != "poisson"]])
    write(path, traction=traction, attributes={"traction": about})
    with pytest.raises(FieldFileError, match=rf"has {name} = (True|False), expected"):
        read_traction(path)


@both_versions
def test_logical_masks(tmp_path: Path, write: Writer) -> None:
    mask = np.eye(8, 9) > 0
    path = write(tmp_path / "mask.mat", mask=mask)
    np.testing.assert_array_equal(read_labels(path), mask.astype(int))


def test_parts_that_were_never_written_are_said(tmp_path: Path) -> None:
    path = write_73(tmp_path / "cell.mat", u=np.ones((8, 9)), v=np.ones((8, 9)))
    assert read_displacement(path, unit="px").metadata["notes"] == ()
    with h5py.File(path, "a") as file:
        del file["u"]
        file.create_dataset("u", (9, 8), "f8", chunks=(3, 8))[:6] = 1
    (note,) = read_displacement(path, unit="px").metadata["notes"]
    assert note.startswith("parts of u were never written to the file")
