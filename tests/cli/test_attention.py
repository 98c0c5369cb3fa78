from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import Result

from napari_vit_tfm.io import read_displacement, write_arrays

Command = Callable[..., Result]
ErrorOf = Callable[..., str]


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an NPZ or HDF5 file."""
    with np.load(path) if path.suffix == ".npz" else h5py.File(path) as file:
        return {name: np.asarray(array) for name, array in file.items()}


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
        assert archive["overlay.kind"] == "displacement"
        assert "influence" not in archive
        assert "faithfulness" not in archive
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


def test_a_frame_of_several_files(
    vit_tfm: Command,
    error_of: ErrorOf,
    displacements: Path,
    network: Path,
    tmp_path: Path,
) -> None:
    data = read_displacement(displacements).data
    paths = [tmp_path / "cell_10.h5", tmp_path / "cell_9.h5"]
    for path, frames in zip(paths, (slice(1, 3), slice(0, 1)), strict=True):
        write_arrays(path, {"u": data[frames]}, {"u": {"units": "field"}})
    options = ("--patch", "3,1", "--model", network, "-o")
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    vit_tfm("attention", displacements, "--frame", 2, *options, one)
    line = error_of("attention", *paths, "--frame", 2, *options, other)
    assert "add --series" in line
    vit_tfm("attention", "--series", *paths, "--frame", 2, *options, other)
    np.testing.assert_array_equal(np.load(one)["overlay"], np.load(other)["overlay"])
    line = error_of("attention", "--series", *paths, "--frame", 3, *options, other)
    assert "no frame 3: the stack has 3 frames" in line


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
    assert "fttc is not a transformer, so it has no attention maps" in line
    assert "--influence" in line


@pytest.mark.parametrize("ending", ["npz", "h5"])
def test_influence_and_faithfulness(
    vit_tfm: Command, displacements: Path, network: Path, tmp_path: Path, ending: str
) -> None:
    out, figure = tmp_path / f"attention.{ending}", tmp_path / "attention.png"
    result = vit_tfm(
        *("attention", displacements, "--frame", 0, "--patch", "1,2", "-o", out),
        *("--influence", "--projections", 2, "--faithfulness", "--figure", figure),
        *("--model", network),
    )
    saved = arrays_of(out)
    assert saved["influence"].shape == saved["reference"].shape == (4, 5)
    assert np.unravel_index(saved["influence"].argmax(), (4, 5)) == (1, 2)
    points = saved["faithfulness_share"].size
    assert saved["faithfulness"].shape == (points,)
    assert saved["faithfulness"][0] == 0
    assert saved["faithfulness_random"].shape == (5, points)
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert "rank correlation with influence, block by block: " in result.stdout
    assert "faithfulness: area over random " in result.stdout
    assert re.search(r"traction in the patch: \d+\.\d% of that", result.stdout)
    assert f"figure: {figure}" in result.stdout


def test_knockout(
    vit_tfm: Command, displacements: Path, network: Path, tmp_path: Path
) -> None:
    out, figure = tmp_path / "attention.npz", tmp_path / "attention.png"
    arguments = ("attention", displacements, "--frame", 0, "--patch", "1,2", "-o", out)
    result = vit_tfm(
        *(*arguments, "--model", network, "--knockout", "--figure", figure)
    )
    saved = arrays_of(out)
    assert saved["knockout"].shape == (4, 5)
    assert saved["knockout_blocks"].shape == (2,)
    assert saved["knockout_heads"].shape == (2, 2)
    assert saved["knockout_correlation"].shape == (2,)
    assert "influence" not in saved
    assert figure.read_bytes().startswith(b"\x89PNG")
    said = result.stdout
    assert "rank correlation with knockout, block by block: " in said
    assert re.search(r"uniform attention of the patch, block by block: \S+%, ", said)
    head = saved["knockout_heads"].argmax()
    assert f"(head {head % 2 + 1} of block {head // 2 + 1})" in said
    assert said.count("traction in the patch: ") == 1
    assert "knockout with influence" not in said
    result = vit_tfm(
        *(*arguments, "--model", network, "--knockout", "--influence"),
        *("--projections", 2, "--faithfulness"),
    )
    assert "rank correlation of knockout with influence: " in result.stdout
    assert result.stdout.count("traction in the patch: ") == 1
    assert "faithfulness_knockout" in arrays_of(out)


def test_models_without_attention_have_an_influence(
    vit_tfm: Command, displacements: Path, tmp_path: Path
) -> None:
    out = tmp_path / "influence.npz"
    result = vit_tfm(
        *("attention", displacements, "--frame", 0, "--patch", "1,2", "-o", out),
        *("--influence", "--model", "fttc"),
    )
    saved = arrays_of(out)
    assert "rollout" not in saved
    assert saved["influence"].shape == (4, 5)
    assert "no attention" in result.stdout
    assert "fttc, no weights" in result.stdout


def test_other_maps(
    vit_tfm: Command, displacements: Path, network: Path, tmp_path: Path
) -> None:
    out = tmp_path / "attention.npz"
    vit_tfm(
        *("attention", displacements, "--frame", 0, "--patch", "1,2", "-o", out),
        *("--source", "attention", "--head", 2, "--direction", "to"),
        *("--block", 1, "--kind", "weights", "--model", network),
    )
    saved = arrays_of(out)
    assert (saved["block_index"], saved["head_index"]) == (0, 1)
    assert saved["direction"] == "to"
    assert saved["attention"].shape == (2, 2, 4, 5)
    assert 0.9 < saved["overlay"].max() <= 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--block", 3), "no block 3: small.safetensors has 2"),
        (("--model", "fttc", "--influence", "--head", 2), "fttc is not a transformer"),
        (("--model", "fttc", "--influence", "--block", 1), "fttc is not a transformer"),
        (
            ("--model", "fttc", "--influence", "--knockout"),
            "no attention to replace; leave out --knockout",
        ),
        (("--source", "attention", "--head", 3), "no head 3: each block of small"),
        (("--head", 1), "--head needs --source attention"),
        (("--figure", "out.jpg"), "does not end with .png"),
        (("--figure", "nowhere/out.png"), "there is no folder nowhere"),
    ],
)
def test_choices_that_cannot_be(
    error_of: ErrorOf,
    displacements: Path,
    network: Path,
    tmp_path: Path,
    options: tuple[str | int, ...],
    reason: str,
) -> None:
    out = tmp_path / "out.npz"
    line = error_of(
        *("attention", displacements, "--frame", 0, "--patch", "1,2", "-o", out),
        *("--model", network),
        *map(str, options),
    )
    assert reason in line
    assert not out.exists()


def test_the_gel_is_what_the_file_says_unless_told(
    vit_tfm: Command, displacements: Path, network: Path, tmp_path: Path
) -> None:
    path, out = tmp_path / "gel.h5", tmp_path / "out.npz"
    data = read_displacement(displacements).data
    write_arrays(path, {"u": data}, {"u": {"units": "field", "poisson": 0.2}})
    arguments = ("attention", path, "--frame", 0, "--patch", "1,1", "-o", out)
    arguments += ("--model", network)
    assert "gel: Poisson ratio 0.2\n" in vit_tfm(*arguments).stdout
    by_file = np.load(out)["rollout"]
    assert "gel: Poisson ratio 0.49\n" in vit_tfm(*arguments, "--poisson", 0.49).stdout
    assert not np.array_equal(np.load(out)["rollout"], by_file)


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
