from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from napari_vit_tfm.io import read_displacement, read_traction

Command = Callable[..., Result]


def test_the_main_job(vit_tfm: Command, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "demo"
    output = vit_tfm("demo", "-o", folder, "--model", "fttc").stdout
    names = {"displacement.h5", "truth.h5", "traction.h5"}
    assert {path.name for path in folder.iterdir()} == names
    for name in names:
        assert str(folder / name) in output
    displacement = read_displacement(folder / "displacement.h5")
    truth, found = (read_traction(folder / f"{n}.h5") for n in ("truth", "traction"))
    assert displacement.unit == "um"
    assert (found.unit, found.spacing_um) == ("Pa", displacement.spacing_um)
    assert truth.gel == found.gel == displacement.gel
    assert found.data.shape == truth.data.shape == displacement.data.shape
    assert truth.gel.young_pa is not None
    figures = re.search(r"tractions: (\S+) .*predicting zero: (\S+)", output)
    assert figures is not None
    error, of_zero = map(float, figures.groups())
    square = np.square((found.data - truth.data) / truth.gel.young_pa).sum(
        axis=(1, 2, 3)
    )
    assert error == pytest.approx(square.mean(), rel=1e-2)
    assert error < 0.3 * of_zero
    assert "fields per second" in output


def test_it_needs_no_folder(
    vit_tfm: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    vit_tfm("demo", "--model", "fttc")
    assert (tmp_path / "vit-tfm-demo" / "traction.h5").is_file()


def test_a_folder_that_is_a_file(error_of: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "demo"
    path.write_text("in the way")
    assert f"{path}: is a file, expected a folder" in error_of("demo", "-o", path)
