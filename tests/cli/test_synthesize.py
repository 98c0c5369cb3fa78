from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from click.testing import Result

from napari_vit_tfm.config import FIELD_KINDS
from napari_vit_tfm.gel import REFERENCE_GEL
from napari_vit_tfm.io import read_displacement, read_traction
from napari_vit_tfm.synthesis import PadDistribution, synthesise

Command = Callable[..., Result]


def test_fields_with_units(vit_tfm: Command, tmp_path: Path) -> None:
    out = tmp_path / "fields.h5"
    result = vit_tfm("synthesize", "-n", 2, "--seed", 3, "-o", out)
    assert f"{out} (2 fields" in result.stdout
    fields = synthesise(2, seed=3)
    with h5py.File(out) as file:
        assert set(file) == {"displacement", "traction", "segmentation"}
        assert file.attrs["seed"] == 3
        np.testing.assert_array_equal(file["segmentation"][...], fields.segmentation)
    displacement, traction = read_displacement(out), read_traction(out)
    assert (displacement.unit, traction.unit) == ("field", "1")
    assert traction.gel == REFERENCE_GEL
    assert displacement.data.shape == (2, 104, 104, 2)
    np.testing.assert_array_equal(displacement.data, fields.displacement)
    np.testing.assert_array_equal(traction.data, fields.traction)


def test_the_same_seed_gives_the_same_file(vit_tfm: Command, tmp_path: Path) -> None:
    contents = []
    for name, seed in [("a.h5", 5), ("b.h5", 5), ("c.h5", 6)]:
        vit_tfm("synthesize", "-n", 1, "--seed", seed, "-o", tmp_path / name)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1] != contents[2]


def test_wrong_values(error_of: Callable[..., str], tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    assert "'-n'" in error_of("synthesize", "-n", 0, "--seed", 1, "-o", out)
    assert "'--seed'" in error_of("synthesize", "-n", 1, "--seed", -1, "-o", out)
    assert "Missing option" in error_of("synthesize", "-n", 1, "-o", out)
    assert "extension" in error_of("synthesize", "-n", 1, "--seed", 1, "-o", "out.txt")


def test_another_grid_and_a_window(vit_tfm: Command, tmp_path: Path) -> None:
    out = tmp_path / "fields.h5"
    run = ("synthesize", "-n", 1, "--seed", 3, "--kind", "pads", "--grid", 32, 40)
    vit_tfm(*run, "--window", 2, "-o", out)
    fields = synthesise(
        1, seed=3, shape=(32, 40), distribution=PadDistribution(), window=2.0
    )
    np.testing.assert_array_equal(read_displacement(out).data, fields.displacement)
    with h5py.File(out) as file:
        assert file.attrs["window"] == 2


def test_the_kinds_are_described_alike_in_the_help_and_the_pages(
    vit_tfm: Command,
) -> None:
    help_text = " ".join(vit_tfm("synthesize", "--help").stdout.split())
    page = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text("utf-8")
    for name, text in FIELD_KINDS.items():
        assert f"{name}: {text}" in help_text
        assert f"| `{name}`" in page
        assert f"| {text} |" in page


def test_discs_have_no_window(error_of: Callable[..., str], tmp_path: Path) -> None:
    run = ("synthesize", "-n", 1, "--seed", 1, "--window", 1, "-o", tmp_path / "a.h5")
    assert "discs have displacements at the nodes" in error_of(*run)
