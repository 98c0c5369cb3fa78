"""Files of limits of detection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import write_arrays
from napari_vit_tfm.trust.limits import DetectionMap
from napari_vit_tfm.trust.limits_file import read_detection_map, write_detection_map

FORCE = np.random.default_rng(0).uniform(0.1, 1, (3, 3, 2))
FORCE[0, 0, 0], FORCE[0, 0, 1] = np.nan, np.inf
PLAIN = DetectionMap(
    *(np.array([3, 19, 35]), np.array([7, 23])),
    *(FORCE, FORCE / 2, 4 * FORCE, np.array([0.02, 0.05, np.nan])),
    size_steps=4.0,
    model="vit",
    model_sha256="ab12",
)
PHYSICAL = replace(
    PLAIN, spacing_um=0.5, gel=Gel(5_000.0, 0.45, 20.0), direction_deg=-30.0
)


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
@pytest.mark.parametrize("found", [PLAIN, PHYSICAL])
def test_a_file_gives_the_same_limits(
    found: DetectionMap, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"limits{suffix}"
    write_detection_map(path, found)
    read = read_detection_map(path)
    for name in ("row", "column", "smallest_force", "noise_share"):
        np.testing.assert_allclose(getattr(read, name), getattr(found, name))
    np.testing.assert_allclose(read.resolution_steps, found.resolution_steps)
    assert (read.size_steps, read.spacing_um) == (found.size_steps, found.spacing_um)
    assert (read.gel, read.direction_deg) == (found.gel, found.direction_deg)
    assert (read.model, read.model_sha256) == ("vit", "ab12")
    assert read.sentence() == found.sentence()


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    write_arrays(path, {"row": np.arange(3)}, {})
    with pytest.raises(FieldFileError, match="no limits of detection"):
        read_detection_map(path)


BELOW_ZERO = -np.ones((3, 3, 2))
LACKS = "lack their noise, surviving share or resolution"


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("smallest_force_nN", np.ones((3, 2, 3)), "in the shape"),
        ("smallest_force_nN", BELOW_ZERO, "negative"),
        ("smallest_force_nN", 1j * BELOW_ZERO, "complex128 numbers"),
        ("smallest_force_nN", BELOW_ZERO > 0, "bool numbers"),
        ("surviving_share", np.full((3, 3, 2), np.inf), LACKS),
        ("resolution_um", BELOW_ZERO, "negative"),
        ("resolution_um", np.nan * BELOW_ZERO, LACKS),
        ("noise_share", np.full(3, np.nan), LACKS),
        ("noise_share", np.array([0.1, np.inf, 0.1]), "infinite"),
        ("noise_share", np.zeros(0), "in the shape"),
        ("smallest_force_nN", np.full((3, 3, 2), 1e300), "has the number 1e\\+300"),
        ("surviving_share", np.full((3, 3, 2), -1e300), "has the number 1e\\+300"),
        ("resolution_um", np.full((3, 3, 2), 1e19), "has the number 1e\\+19"),
        ("noise_share", np.full(3, 1e300), "has the number 1e\\+300"),
        ("row", np.array([3.0, 3.5, 4.0]), "increasing whole numbers"),
        ("row", np.array([3, 35, 19]), "increasing whole numbers"),
        ("column", np.array([-3, 8]), "negative"),
    ],
)
def test_arrays_that_are_no_limits(
    tmp_path: Path, name: str, values: np.ndarray, message: str
) -> None:
    path = tmp_path / "limits.h5"
    write_detection_map(path, PHYSICAL)
    with h5py.File(path, "a") as file:
        about = dict(file[name].attrs)
        del file[name]
        file[name] = values
        file[name].attrs.update(about)
    with pytest.raises(FieldFileError, match=message):
        read_detection_map(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("size_steps", None, "no size"),
        ("size_steps", "4.0", "size_steps = '4.0'"),
        ("size_steps", np.inf, "size_steps = inf"),
        ("direction_deg", True, "direction_deg = True"),
        ("spacing_um", None, "not in the units that follow"),
        ("spacing_um", -0.5, "spacing_um = -0.5"),
        ("spacing_um", True, "spacing_um = True"),
        ("young_pa", None, "not in the units that follow"),
        ("young_pa", 1e39, "young_pa"),
        ("poisson", 3.0, "poisson"),
    ],
)
def test_attributes_that_are_no_numbers_of_limits(
    tmp_path: Path, name: str, value: object, message: str
) -> None:
    path = tmp_path / "limits.h5"
    write_detection_map(path, PHYSICAL)
    with h5py.File(path, "a") as file:
        del file.attrs[name]
        if value is not None:
            file.attrs[name] = value
    with pytest.raises(FieldFileError, match=message):
        read_detection_map(path)


def test_limits_in_two_units(tmp_path: Path) -> None:
    path = tmp_path / "limits.h5"
    write_detection_map(path, PHYSICAL)
    with h5py.File(path, "a") as file:
        file["smallest_force"] = FORCE
    with pytest.raises(FieldFileError, match="has both"):
        read_detection_map(path)
    with h5py.File(path, "a") as file:
        del file["smallest_force"]
        file["smallest_force_nN"].attrs["units"] = "kN"
    with pytest.raises(FieldFileError, match="the unit 'kN', expected nN"):
        read_detection_map(path)
