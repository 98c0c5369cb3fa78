from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_vit_tfm.io import (
    FieldFileError,
    read_displacement,
    read_traction,
    summarise,
)

RNG = np.random.default_rng(0)


def test_units_are_arrays_without_axes(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    values = RNG.normal(size=(3, 8, 9, 2))
    np.savez(
        path, displacement=values, **{"displacement.units": "um", "spacing_um": 2.5}
    )
    stack = read_displacement(path)
    assert (stack.unit, stack.spacing) == ("um", 2.5)
    np.testing.assert_array_equal(stack.data, values.astype(np.float32))
    assert [entry.name for entry in summarise(path).arrays] == ["displacement"]


def test_an_unnamed_array_has_no_unit(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    np.savez(path, data=RNG.normal(size=(3, 2, 8, 9)))
    stack = read_displacement(path)
    assert stack.data.shape == (3, 8, 9, 2)
    assert stack.unit is None


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    objects = np.array([[[[print]]]], dtype=object)
    scalar = np.array(print, dtype=object)
    np.savez(path, allow_pickle=True, displacement=objects, units=scalar)
    assert summarise(path).displacement is None
    with pytest.raises(FieldFileError, match=r"displacement \(object"):
        read_displacement(path)


def test_other_archives_are_declined(reference: Path) -> None:
    path = reference / "vit" / "seed_format_vit.pth"
    assert summarise(path).arrays == ()
    with pytest.raises(FieldFileError, match="found no arrays"):
        read_displacement(path)


def test_disc_fields(reference: Path) -> None:
    path = reference / "discs_dev.npz"
    assert read_displacement(path).unit is None
    with pytest.raises(FieldFileError, match="traction names no unit"):
        read_traction(path)
    assert read_traction(path, unit="1").data.shape == (64, 104, 104, 2)
