from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import (
    read_displacement,
    read_traction,
    summarise,
)

FIELD = np.random.default_rng(0).normal(size=(3, 8, 9, 2))


def write(path: Path, arrays: dict[str, Any], **units: str) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
        for name, unit in units.items():
            file[name].attrs["units"] = unit
    return path


@pytest.mark.parametrize(
    ("file_name", "displacement", "traction"),
    [
        ("run.h5", "data", None),
        ("displacement_01.h5", "data", None),
        ("tractions.h5", None, "data"),
        ("MLData0018_trac.h5", None, "data"),
        ("TractionField.h5", None, "data"),
        ("cell2Traction.h5", None, "data"),
        ("contraction.h5", "data", None),
        ("tracked_cells.h5", "data", None),
        ("traction_error.h5", None, "data"),
        ("displacement_sd_0.1.h5", "data", None),
        ("displacement_and_traction.h5", "data", None),
    ],
)
def test_the_file_name_tells_the_kind_of_data(
    tmp_path: Path, file_name: str, displacement: str | None, traction: str | None
) -> None:
    summary = summarise(write(tmp_path / file_name, {"data": FIELD}))
    assert (summary.displacement, summary.traction) == (displacement, traction)


def test_order_of_array_names_units_and_file_names(tmp_path: Path) -> None:
    path = write(tmp_path / "traction.h5", {"displacement": FIELD})
    assert summarise(path).displacement == "displacement"
    path = write(tmp_path / "traction.h5", {"a": FIELD, "b": FIELD}, a="um")
    summary = summarise(path)
    assert (summary.displacement, summary.traction) == ("a", "b")
    path = write(tmp_path / "displacement.h5", {"data": FIELD}, data="Pa")
    summary = summarise(path)
    assert (summary.displacement, summary.traction) == (None, "data")


@pytest.mark.parametrize(
    "name", ["displacement_sd", "displacementError", "disp_std", "sd", "u_sem"]
)
def test_uncertainties_are_no_displacements(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "run.h5", {name: FIELD}, **{name: "um"})
    with pytest.raises(FieldFileError, match=rf"{name} .*an uncertainty.*--dataset"):
        read_displacement(path)
    assert read_displacement(path, dataset=name).unit == "um"
    path = write(tmp_path / "both.h5", {name: FIELD, "displacement": FIELD})
    assert summarise(path).displacement == "displacement"


def test_an_array_can_be_chosen_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path / "run.h5", {"a/first": FIELD, "a/other": FIELD + 1})
    assert summarise(path).displacement is None
    with pytest.raises(FieldFileError, match=r"several .*first.*other.*--dataset"):
        read_displacement(path)
    stack = read_displacement(path, dataset="/a/other")
    np.testing.assert_array_equal(stack.data, (FIELD + 1).astype(np.float32))
    with pytest.raises(FieldFileError, match=r"no array 'b'.*a/first"):
        read_displacement(path, dataset="b")


def test_arrays_of_unknown_kind_are_displacements(tmp_path: Path) -> None:
    path = write(tmp_path / "run.h5", {"field": FIELD})
    assert summarise(path).displacement == "field"
    with pytest.raises(FieldFileError, match="has no traction"):
        read_traction(path)
    assert read_traction(path, dataset="field", unit="Pa").unit == "Pa"


def test_long_lists_are_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "run.h5", {f"a{k}": np.zeros(3) for k in range(9)})
    with pytest.raises(FieldFileError, match="and 6 more; expected"):
        read_displacement(path)


def test_a_group_s_name_speaks_for_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "cell.h5"
    with h5py.File(path, "w") as file:
        file["traction/field"] = np.zeros((2, 16, 16, 2))
    summary = summarise(path)
    assert summary.traction == "traction/field"
    assert summary.displacement is None
