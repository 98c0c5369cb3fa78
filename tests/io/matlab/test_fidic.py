from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mat_files import WRITERS, Writer, write_5
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import read_displacement

RNG = np.random.default_rng(0)

both_versions = pytest.mark.parametrize("write", WRITERS)


def output(n_frames: int = 2, **changes: Any) -> dict[str, Any]:
    x, y = np.meshgrid(np.arange(5) * 8.0 + 4, np.arange(6) * 8.0 + 12)
    u, v = RNG.normal(size=(2, 6, 5, n_frames))
    return {"x": x, "y": y, "u": u, "v": v, "d0": 8.0, **changes}


@both_versions
@pytest.mark.parametrize("n_frames", [2, 4])
def test_frames_are_last(tmp_path: Path, write: Writer, n_frames: int) -> None:
    variables = output(n_frames)
    variables["u"][2, 3, 1] = np.nan
    stack = read_displacement(write(tmp_path / "fidic.mat", **variables))
    assert stack.unit == "px"
    assert stack.spacing_in_unit == pytest.approx(8)
    expected = np.stack([variables["u"], variables["v"]], axis=-1)
    expected[2, 3, 1] = np.nan
    np.testing.assert_allclose(stack.data, np.moveaxis(expected, 2, 0), rtol=1e-6)


@both_versions
def test_without_positions_the_step_is_used(tmp_path: Path, write: Writer) -> None:
    variables = output()
    del variables["x"], variables["y"]
    stack = read_displacement(write(tmp_path / "fidic.mat", **variables))
    assert stack.spacing_in_unit == 8


def test_step_that_contradicts_positions(tmp_path: Path) -> None:
    path = write_5(tmp_path / "fidic.mat", **output(d0=16.0))
    with pytest.raises(FieldFileError, match=r"d0 is 16, but .* are 8 apart"):
        read_displacement(path)


def test_without_a_step_the_unit_is_not_known(tmp_path: Path) -> None:
    variables = output()
    del variables["d0"]
    stack = read_displacement(write_5(tmp_path / "fidic.mat", **variables))
    assert (stack.n_frames, stack.unit) == (2, None)


@both_versions
def test_two_frames_of_one_component_are_no_vectors(
    tmp_path: Path, write: Writer
) -> None:
    path = write(tmp_path / "fidic.mat", u=RNG.normal(size=(6, 5, 2)), d0=8.0)
    with pytest.raises(FieldFileError, match="one component"):
        read_displacement(path)
