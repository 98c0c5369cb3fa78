from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mat_files import WRITERS, Writer, write_5
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import read_displacement

RNG = np.random.default_rng(0)
SHAPE = (6, 5)

both_versions = pytest.mark.parametrize("write", WRITERS)


def components() -> dict[str, Any]:
    return {"U": RNG.normal(size=SHAPE), "V": RNG.normal(size=SHAPE)}


@both_versions
def test_input_in_micrometres(tmp_path: Path, write: Writer) -> None:
    x, y = np.meshgrid(np.arange(5) * 1.6, np.arange(6) * 1.6)
    variables = components()
    path = write(tmp_path / "uq.mat", **variables, TFMUQ={"X": x, "Y": y})
    stack = read_displacement(path)
    assert (stack.unit, stack.spacing_um) == ("um", pytest.approx(1.6))
    expected = np.stack([variables["U"], variables["V"]], axis=-1)
    np.testing.assert_allclose(stack.data[0], expected, rtol=1e-6)


def test_components_without_the_struct_have_no_unit(tmp_path: Path) -> None:
    assert read_displacement(write_5(tmp_path / "uq.mat", **components())).unit is None


@both_versions
def test_drift_was_removed(tmp_path: Path, write: Writer) -> None:
    out = {
        "xvec": np.arange(5) * 8.0,
        "yvec": np.arange(6)[:, np.newaxis] * 8.0,
        **components(),
        **{f"{name}Post": values for name, values in components().items()},
    }
    path = write(tmp_path / "uq.mat", out=out)
    stack = read_displacement(path)
    assert (stack.unit, stack.spacing_in_unit) == ("px", pytest.approx(8))
    expected = np.stack([out["UPost"], out["VPost"]], axis=-1)
    np.testing.assert_allclose(stack.data[0], expected, rtol=1e-6)
    assert any("drift was removed" in note for note in stack.metadata["notes"])
    with_drift = read_displacement(path, dataset="out.U, out.V")
    expected = np.stack([out["U"], out["V"]], axis=-1)
    np.testing.assert_allclose(with_drift.data[0], expected, rtol=1e-6)


@both_versions
def test_output_with_drift_only(tmp_path: Path, write: Writer) -> None:
    u, v = RNG.normal(size=(2, *SHAPE, 3))
    out = {"xvec": np.arange(5.0), "yvec": np.arange(6.0), "U": u, "V": v}
    out |= {"UPost": np.zeros((0, 0)), "VPost": np.zeros((0, 0))}
    stack = read_displacement(write(tmp_path / "uq.mat", out=out))
    expected = np.moveaxis(np.stack([u, v], axis=-1), 2, 0)
    np.testing.assert_allclose(stack.data, expected, rtol=1e-6)


def test_positions_of_another_shape(tmp_path: Path) -> None:
    path = write_5(
        tmp_path / "uq.mat", **components(), TFMUQ={"X": np.ones(7), "Y": np.ones(6)}
    )
    with pytest.raises(FieldFileError, match=r"U, V has x, y, u and v of shape"):
        read_displacement(path)
