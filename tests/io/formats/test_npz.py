from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import (
    read_displacement,
    read_traction,
    summarise,
)

RNG = np.random.default_rng(0)


def test_units_are_zero_dimensional_arrays(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    values = RNG.normal(size=(3, 8, 9, 2))
    np.savez(
        path, displacement=values, **{"displacement.units": "um", "spacing_um": 2.5}
    )
    stack = read_displacement(path)
    assert (stack.unit, stack.spacing_um) == ("um", 2.5)
    np.testing.assert_array_equal(stack.data, values.astype(np.float32))
    assert [entry.name for entry in summarise(path).arrays] == ["displacement"]


def test_data_in_npz_has_no_unit(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    np.savez(path, data=RNG.normal(size=(3, 2, 8, 9)))
    stack = read_displacement(path)
    assert stack.data.shape == (3, 8, 9, 2)
    assert stack.unit is None


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["displacement", "outline", "units"])
def test_pickles_are_never_loaded(tmp_path: Path, name: str) -> None:
    path, sprung = tmp_path / "run.npz", tmp_path / "sprung"
    arrays: dict[str, Any] = {"displacement": RNG.normal(size=(3, 8, 9, 2))}
    arrays[name] = np.array(Trap(sprung), dtype=object)
    np.savez(path, allow_pickle=True, **arrays)
    summarise(path)
    with pytest.raises(FieldFileError, match=r"run\.npz"):
        read_displacement(path)
    assert not sprung.exists()


def test_archives_without_arrays_are_refused(reference: Path) -> None:
    path = reference / "vit" / "seed_format_vit.pth"
    assert summarise(path).arrays == ()
    with pytest.raises(FieldFileError, match="found no arrays"):
        read_displacement(path)


def test_disc_fields(reference: Path) -> None:
    path = reference / "discs_dev.npz"
    assert read_displacement(path).unit is None
    with pytest.raises(FieldFileError, match="traction has no unit"):
        read_traction(path)
    assert read_traction(path, unit="1").data.shape == (64, 104, 104, 2)
