"""Files of limits of detection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

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
