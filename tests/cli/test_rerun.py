from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from napari_vit_tfm.cli.main import main
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.io import (
    read_displacement,
    read_traction,
    write_arrays,
    write_traction,
)
from napari_vit_tfm.provenance import KEY

Command = Callable[..., Result]
ErrorOf = Callable[..., str]

FTTC = ("--model", "fttc", "--device", "cpu")
CPU = ("--device", "cpu")


def rerun(*arguments: str | Path) -> tuple[int, list[str]]:
    """Exit status and lines of the output."""
    result = CliRunner().invoke(main, ["rerun", *map(str, arguments)])
    assert result.exit_code in (0, 1), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout.splitlines()


@pytest.fixture
def tractions(vit_tfm: Command, displacements: Path, tmp_path: Path) -> Path:
    path = tmp_path / "out.h5"
    vit_tfm(
        *("predict", displacements, "-o", path, "--young", 9000, "--spacing", 0.5),
        *("--poisson", 0.45, "--reverse", "--regularisation", 0.5, *FTTC),
        *("--batch-size", 2),
    )
    return path


def test_the_same_numbers(tractions: Path) -> None:
    status, (line,) = rerun(tractions, *CPU)
    assert status == 0
    assert line.startswith("same: largest difference 0 Pa, largest traction ")


@pytest.mark.parametrize("ending", ["npz", "csv", "mat", "ome.tif"])
def test_all_formats(tractions: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"copy.{ending}"
    write_traction(path, read_traction(tractions))
    assert rerun(path, *CPU)[0] == 0


def test_a_network(
    vit_tfm: Command,
    error_of: ErrorOf,
    displacements: Path,
    network: Path,
    tmp_path: Path,
) -> None:
    path, model = tmp_path / "out.h5", tmp_path / "own.safetensors"
    shutil.copy(network, model)
    vit_tfm("predict", displacements, "-o", path, "--model", model, *CPU)
    assert rerun(path, *CPU)[0] == 0
    model.unlink()
    assert "own.safetensors" in error_of("rerun", path, *CPU)
    status, lines = rerun(path, "--model", network, *CPU)
    # Only the name of the file is another one.
    assert status == 0
    assert lines[0] == "changed: model: own.safetensors then, small.safetensors now"
    assert len(lines) == 2


def test_a_changed_input(tractions: Path, displacements: Path) -> None:
    data = read_displacement(displacements).data
    write_arrays(displacements, {"u": 1.01 * data}, {"u": {"units": "field"}})
    status, (changed, different) = rerun(tractions, *CPU)
    assert status == 1
    assert changed.startswith("changed: input: SHA-256 ")
    assert different.startswith("different: largest difference ")
    write_arrays(displacements, {"u": data[:2]}, {"u": {"units": "field"}})
    status, lines = rerun(tractions, *CPU)
    assert (status, lines[1:]) == (1, ["different: frames: 3 then, 2 now"])


def test_changed_numbers(tractions: Path) -> None:
    before = read_traction(tractions)
    data = before.data.copy()
    data[1, 2, 3] *= 1.5
    data[1, 4, 5] = 1e-3 * before.longest() + data[1, 4, 5]
    write_traction(tractions, replace(before, data=data))
    status, (line,) = rerun(tractions, *CPU)
    assert (status, line.partition(":")[0]) == (1, "different")
    data[2, 0, 0] = np.nan
    write_traction(tractions, replace(before, data=data))
    status, (line,) = rerun(tractions, *CPU)
    assert (status, line) == (
        1,
        "different: vectors with a traction: 1 are not the same",
    )


def test_holes_are_the_same(
    vit_tfm: Command, displacements: Path, tmp_path: Path
) -> None:
    data = read_displacement(displacements).data.copy()
    data[1, 5:7, 5:7] = np.nan
    write_arrays(displacements, {"u": data}, {"u": {"units": "field"}})
    path = tmp_path / "out.h5"
    vit_tfm("predict", displacements, "-o", path, *FTTC)
    assert np.isnan(read_traction(path).data).any()
    assert rerun(path, *CPU)[0] == 0


def test_changed_weights_and_versions(tractions: Path) -> None:
    before = read_traction(tractions)
    known = before.metadata[KEY]
    parameters = {**known.parameters, "device": "cuda"}
    parameters["preparation"] = {**parameters["preparation"], "smooth": 3}
    other = replace(
        known, versions={**known.versions, "torch": "1.0"}, parameters=parameters
    )
    metadata = {**before.metadata, KEY: other}
    write_traction(
        tractions, replace(before, model_sha256="ab" * 32, metadata=metadata)
    )
    status, lines = rerun(tractions, *CPU)
    assert status == 0
    assert lines[0] == "changed: weights: SHA-256 abababababab then, none now"
    assert lines[1].startswith("changed: version of torch: 1.0 then, ")
    assert lines[2] == "changed: device: cuda then, cpu now"
    assert lines[3] == "changed: this version has no option smooth (3)"


def test_links_are_opened_only_if_the_user_allows_it(
    vit_tfm: Command, error_of: ErrorOf, displacements: Path, tmp_path: Path
) -> None:
    path, out = tmp_path / "linked.h5", tmp_path / "out.h5"
    with h5py.File(path, "w") as file:
        file["displacement"] = h5py.ExternalLink(displacements, "displacement")
    vit_tfm("predict", path, "-o", out, "--units", "field", "--allow-links", *FTTC)
    assert "--allow-links" in error_of("rerun", out, *CPU)
    assert rerun(out, "--allow-links", *CPU)[0] == 0
    table = ("quantities", out, "-o", tmp_path / "table.csv", "--displacement", path)
    assert "--allow-links" in error_of(*table, *CPU)
    vit_tfm(*table, "--allow-links", *CPU)


def test_a_unit_in_the_file_that_is_converted(
    vit_tfm: Command, displacements: Path, tmp_path: Path
) -> None:
    data = read_displacement(displacements).in_grid_steps() * 500
    path, out = tmp_path / "nm.h5", tmp_path / "out.h5"
    write_arrays(path, {"u": data}, {"u": {"units": "nm", "spacing_um": 0.5}})
    vit_tfm("predict", path, "-o", out, *FTTC)
    assert rerun(out, *CPU)[0] == 0
    # The unit is set, and the numbers are taken as they are.
    vit_tfm("predict", path, "-o", out, "--units", "um", *FTTC)
    assert rerun(out, *CPU)[0] == 0


def test_a_unit_that_was_set_after_reading(
    vit_tfm: Command, unnamed: Path, tmp_path: Path
) -> None:
    from napari_vit_tfm.config import ReconstructionConfig
    from napari_vit_tfm.reconstruction import reconstruct

    stack = replace(read_displacement(unnamed), unit="um", spacing_um=2.0)
    config = ReconstructionConfig(model="fttc", device="cpu")
    write_traction(tmp_path / "out.h5", reconstruct(stack, config=config))
    assert rerun(tmp_path / "out.h5", *CPU)[0] == 0


def test_an_input_that_was_moved(
    error_of: ErrorOf, tractions: Path, displacements: Path, tmp_path: Path
) -> None:
    (tmp_path / "raw").mkdir()
    moved = displacements.rename(tmp_path / "raw" / "cells.h5")
    told = error_of("rerun", tractions, *CPU)
    assert told.endswith("is not there: give it with --input")
    assert rerun(tractions, "--input", moved, *CPU)[0] == 0


def test_the_new_tractions_are_written(
    error_of: ErrorOf, tractions: Path, displacements: Path, tmp_path: Path
) -> None:
    out = tmp_path / "again.csv"
    status, lines = rerun(tractions, "-o", out, *CPU)
    assert (status, lines[0]) == (0, f"tractions: {out}")
    expected, found = read_traction(tractions), read_traction(out)
    np.testing.assert_array_equal(found.data, expected.data)
    written = json.loads(found.metadata["attributes"]["parameters"])
    assert written["reconstruction"]["options"] == {"regularisation": 0.5}
    for own in (tractions, displacements):
        assert "is an input" in error_of("rerun", tractions, "-o", own, *CPU)


def test_residual_and_uncertainty_are_computed_again(
    vit_tfm: Command, error_of: ErrorOf, displacements: Path, tmp_path: Path
) -> None:
    first, again = tmp_path / "out.h5", tmp_path / "again.h5"
    asked = ("--residual", "--uncertainty", "--model", "bayesian-fttc")
    vit_tfm("predict", displacements, "-o", first, *asked, *CPU)
    assert rerun(first, "-o", again, *CPU)[0] == 0
    expected, found = read_traction(first), read_traction(again)
    assert set(found.companions) == set(expected.companions)
    for name in ("residual", "halfwidth_95"):
        np.testing.assert_allclose(
            found.companions[name], expected.companions[name], rtol=1e-5
        )
    table = tmp_path / "again.csv"
    message = error_of("rerun", first, "-o", table, *CPU)
    assert "has no place for the residual or the uncertainty" in message


def test_tractions_of_unknown_origin(error_of: ErrorOf, tmp_path: Path) -> None:
    path = tmp_path / "known.h5"
    write_traction(path, TractionStack(np.ones((1, 16, 16, 2))))
    assert "does not say what it was computed from" in error_of("rerun", path)
