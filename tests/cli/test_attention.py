from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from napari_vit_tfm.io import read_displacement

Command = Callable[..., Result]
ErrorOf = Callable[..., str]


def test_rollout_and_overlay(
    vit_tfm: Command, displacements: Path, network: Path, tmp_path: Path
) -> None:
    out = tmp_path / "attention.npz"
    result = vit_tfm(
        *("attention", displacements, "--frame", 2, "--patch", "3,1", "-o", out),
        *("--model", network),
    )
    with np.load(out, allow_pickle=False) as archive:
        rollout, overlay = archive["rollout"], archive["overlay"]
        assert archive["frame"] == 2
        assert (archive["patch_row"], archive["patch_column"]) == (3, 1)
        assert archive["model"] == "small.safetensors"
        assert archive["overlay.units"] == "field"
    assert rollout.shape == (2, 4, 5)
    assert overlay.shape == (2, 32, 40)
    np.testing.assert_allclose(rollout.sum(axis=(1, 2)), 1, rtol=1e-5)
    # The identity in the rollout keeps the patch itself ahead.
    assert np.unravel_index(rollout[0].argmax(), (4, 5)) == (3, 1)
    vectors = read_displacement(displacements).data[2]
    length = np.hypot(vectors[..., 0], vectors[..., 1])
    assert np.all(overlay <= length * (1 + 1e-5))
    y, x = 28, 12  # inside the patch, where the map is largest
    assert overlay[0, y, x] > 0.9 * length[y, x]
    assert "patch 3,1 of 4 x 5 in frame 2, 2 blocks" in result.stdout


def test_all_corners(
    vit_tfm: Command, displacements: Path, network: Path, tmp_path: Path
) -> None:
    for row, column in [(0, 0), (0, 4), (3, 0), (3, 4)]:
        out = tmp_path / f"{row}{column}.npz"
        patch = f"{row},{column}"
        vit_tfm(
            *("attention", displacements, "--frame", 0, "--patch", patch),
            *("-o", out, "--model", network),
        )
        first = np.load(out)["rollout"][0]
        assert np.unravel_index(first.argmax(), first.shape) == (row, column)


@pytest.mark.parametrize("patch", ["4,0", "0,5", "99,99"])
def test_patches_outside(
    error_of: ErrorOf, displacements: Path, network: Path, tmp_path: Path, patch: str
) -> None:
    out = tmp_path / "out.npz"
    line = error_of(
        *("attention", displacements, "--frame", 0, "--patch", patch, "-o", out),
        *("--model", network),
    )
    assert "4 rows and 5 columns" in line
    assert not out.exists()


@pytest.mark.parametrize("patch", ["3", "3,", "a,b", "-1,0", "1,2,3", "1.5,2"])
def test_what_is_no_patch(
    error_of: ErrorOf, displacements: Path, tmp_path: Path, patch: str
) -> None:
    line = error_of(
        *("attention", displacements, "--frame", 0, "--patch", patch),
        *("-o", tmp_path / "out.npz"),
    )
    assert "ROW,COL" in line


def test_frames_that_are_not_there(
    error_of: ErrorOf, displacements: Path, network: Path, tmp_path: Path
) -> None:
    arguments = ("attention", displacements, "--patch", "0,0", "-o", tmp_path / "o.npz")
    line = error_of(*arguments, "--frame", 3, "--model", network)
    assert "no frame 3: the stack has 3 frames" in line
    assert "--frame" in error_of(*arguments, "--frame", -1)
    assert "Missing option '--frame'" in error_of(*arguments)


def test_models_without_attention(
    error_of: ErrorOf, displacements: Path, tmp_path: Path
) -> None:
    line = error_of(
        *("attention", displacements, "--frame", 0, "--patch", "0,0"),
        *("-o", tmp_path / "out.npz", "--model", "fttc"),
    )
    assert "fttc has no attention" in line


def test_the_gel_s_thickness_is_used(
    vit_tfm: Command,
    error_of: ErrorOf,
    displacements: Path,
    network: Path,
    tmp_path: Path,
) -> None:
    arguments = ("attention", displacements, "--frame", 0, "--patch", "1,1")
    arguments += ("--model", network, "-o")
    thick, thin = tmp_path / "thick.npz", tmp_path / "thin.npz"
    vit_tfm(*arguments, thick)
    vit_tfm(*arguments, thin, "--thickness", 1, "--spacing", 0.5)
    assert not np.allclose(np.load(thick)["rollout"], np.load(thin)["rollout"])
    assert "--spacing UM" in error_of(*arguments, thin, "--thickness", 1)
