"""`vit-tfm limits`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import Result

from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.io import write_displacement
from napari_vit_tfm.physics import surface_displacement

Command = Callable[..., Result]
ErrorOf = Callable[..., str]

FTTC = ("--model", "bayesian-fttc", "--device", "cpu")


@pytest.fixture
def displacement(tmp_path: Path) -> Path:
    """Two adhesions that pull towards each other, with noise, in um."""
    traction = np.zeros((1, 24, 32, 2))
    traction[:, 10:14, 6:10, 0], traction[:, 10:14, 20:24, 0] = 0.1, -0.1
    noise = np.random.default_rng(0).normal(0, 0.01, traction.shape)
    steps = surface_displacement(traction) + noise
    path = tmp_path / "displacement.h5"
    stack = DisplacementStack(steps.astype(np.float32) * 0.5, unit="um", spacing_um=0.5)
    write_displacement(path, stack)
    return path


def test_map_in_nanonewtons(
    vit_tfm: Command, error_of: ErrorOf, displacement: Path, tmp_path: Path
) -> None:
    target = tmp_path / "limits.h5"
    result = vit_tfm(
        *("limits", displacement, "-o", target, *FTTC),
        *("--young", "5000", "--size-um", "2"),
    )
    assert "5% of the places" in result.stdout
    assert "2 \N{MICRO SIGN}m in diameter" in result.stdout
    with h5py.File(target) as file:
        force = file["smallest_force_nN"]
        assert force.shape == (1, len(file["row"]), len(file["column"])) == (1, 2, 2)
        assert force.attrs["units"] == "nN"
        assert (force[...] > 0).all()
        assert file["surviving_share"].shape == force.shape
        assert file["resolution_um"].attrs["units"] == "um"
        assert file.attrs["size_steps"] == 4
        assert file.attrs["model"] == "bayesian-fttc"
    # Other commands say what the file is.
    reason = error_of("figure", target, "-o", tmp_path / "limits.png")
    assert "the file was written by vit-tfm limits" in reason


def test_grid_units_without_young(
    vit_tfm: Command, displacement: Path, tmp_path: Path
) -> None:
    target = tmp_path / "limits.npz"
    result = vit_tfm("limits", displacement, "-o", target, *FTTC, "--step", "4")
    assert "E times a squared grid step" in result.stdout
    with np.load(target) as arrays:
        assert arrays["smallest_force"].shape == (1, 1, 1)


def test_output_is_checked_first(error_of: ErrorOf, displacement: Path) -> None:
    assert "input" in error_of("limits", displacement, "-o", displacement, *FTTC)


def test_one_frame_and_what_info_says(
    vit_tfm: Command, displacement: Path, tmp_path: Path
) -> None:
    target = tmp_path / "limits.h5"
    result = vit_tfm(
        *("limits", displacement, "-o", target, *FTTC, "--step", "4"),
        *("--frame", "0", "--direction", "90", "--young", "5000"),
    )
    sentence = result.stdout.splitlines()[-1]
    assert "at 90\N{DEGREE SIGN} to x" in sentence
    info = vit_tfm("info", target).stdout
    assert "smallest_force_nN" in info
    assert f"limits: {sentence}" in info


def test_errors_say_what_to_do(
    error_of: ErrorOf, displacement: Path, tmp_path: Path
) -> None:
    run = ("limits", displacement, "-o", tmp_path / "limits.h5", *FTTC)
    assert "no frame 1" in error_of(*run, "--frame", "1")
    assert "must have 1 to 12" in error_of(*run, "--size-um", "50")
    # The tractions alone matter.
    assert "--residual" in error_of(*run, "--residual")


def test_noise_that_is_given(
    vit_tfm: Command, displacement: Path, tmp_path: Path
) -> None:
    target = tmp_path / "limits.h5"
    forces = []
    for sd in (0.005, 0.05):
        vit_tfm(
            *("limits", displacement, "-o", target, *FTTC, "--step", "4"),
            *("--noise-sd", sd),
        )
        with h5py.File(target) as file:
            forces.append(float(np.median(file["smallest_force"])))
    assert forces[1] > 3 * forces[0]
