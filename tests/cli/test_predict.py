from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy.io import loadmat

import napari_vit_tfm
from forked import Forked
from napari_vit_tfm import io
from napari_vit_tfm.cli.main import main
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import read_displacement, read_traction, write_arrays
from napari_vit_tfm.synthesis import synthesise

Command = Callable[..., Result]
ErrorOf = Callable[..., str]

FTTC = ("--model", "fttc", "--device", "cpu")


def test_tractions_in_pascal(
    vit_tfm: Command, displacements: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.h5"
    result = vit_tfm(
        *("predict", displacements, "-o", out, "--young", 9000, "--spacing", 0.5),
        *("--poisson", 0.45, "--thickness", 12, *FTTC),
    )
    with h5py.File(out) as file:
        dataset = file["traction"]
        assert dataset.shape == (3, 32, 40, 2)
        assert dataset.dtype == np.float32
        attributes = dict(dataset.attrs)
        provenance = {
            name: attributes.pop(name)
            for name in ("input", "input_sha256", "parameters", "versions")
        }
        assert attributes == {
            "made_by": "vit-tfm predict",
            "units": "Pa",
            "spacing_um": 0.5,
            "young_pa": 9000.0,
            "poisson": 0.45,
            "thickness_um": 12.0,
            "model": "fttc",
            "model_sha256": "",
            "version": napari_vit_tfm.__version__,
        }
    assert json.loads(provenance["input"]) == ["cells.h5"]
    content = displacements.read_bytes()
    assert provenance["input_sha256"] == hashlib.sha256(content).hexdigest()
    parameters = json.loads(provenance["parameters"])
    assert parameters["reading"]["spacing_um"] == 0.5
    assert parameters["gel"]["young_pa"] == 9000
    assert parameters["reconstruction"]["model"] == "fttc"
    versions = json.loads(provenance["versions"])
    assert versions["napari-vit-tfm"] == napari_vit_tfm.__version__
    assert {"python", "numpy", "scipy", "torch"} <= versions.keys()
    assert f"tractions: {out} (3 frames of 32 x 40 vectors, in Pa)" in result.stdout
    assert "model: fttc (no weights), on cpu" in result.stdout
    assert "fields per second" in result.stdout
    assert result.stderr == ""


def test_the_gel_is_what_the_file_says_unless_told(
    vit_tfm: Command, error_of: ErrorOf, displacements: Path, tmp_path: Path
) -> None:
    data = read_displacement(displacements).data
    path, out = tmp_path / "gel.h5", tmp_path / "out.h5"
    said = {"units": "field", "young_pa": 700.0, "poisson": 0.3, "spacing_um": 0.5}
    write_arrays(path, {"u": data}, {"u": {**said, "thickness_um": 9.0}})
    by_file = vit_tfm("predict", path, "-o", out, *FTTC)
    found = read_traction(out)
    assert found.gel == Gel(700, 0.3, 9)
    assert "gel: Young's modulus 700 Pa, Poisson ratio 0.3, 9 um thick" in (
        by_file.stdout
    )
    vit_tfm(
        *("predict", displacements, "-o", tmp_path / "b.h5", "--spacing", 0.5, *FTTC),
        *("--young", 700, "--poisson", 0.3, "--thickness", 9),
    )
    np.testing.assert_array_equal(found.data, read_traction(tmp_path / "b.h5").data)
    told = vit_tfm("predict", path, "-o", out, "--poisson", 0.45, *FTTC)
    assert read_traction(out).gel.poisson == 0.45
    assert "Poisson ratio 0.45" in told.stdout
    write_arrays(path, {"u": data}, {"u": {**said, "poisson": "soft"}})
    assert "poisson = 'soft'" in error_of("predict", path, "-o", out, *FTTC)
    vit_tfm("predict", path, "-o", out, "--poisson", 0.45, *FTTC)
    assert read_traction(out).gel.poisson == 0.45
    write_arrays(path, {"u": data}, {"u": {**said, "poisson": 0.7}})
    assert "at least 0 and at most 0.5" in error_of("predict", path, "-o", out, *FTTC)


def test_without_young_it_is_dimensionless(
    vit_tfm: Command, displacements: Path, tmp_path: Path
) -> None:
    vit_tfm("predict", displacements, "-o", tmp_path / "a.h5", *FTTC)
    vit_tfm("predict", displacements, "-o", tmp_path / "b.npz", "--young", 500, *FTTC)
    a, b = read_traction(tmp_path / "a.h5"), read_traction(tmp_path / "b.npz")
    assert (a.unit, a.gel.young_pa) == ("1", None)
    np.testing.assert_allclose(b.data, 500 * a.data, rtol=1e-6)


def test_units_are_options(
    vit_tfm: Command, displacements: Path, tmp_path: Path
) -> None:
    reference = tmp_path / "reference.h5"
    vit_tfm("predict", displacements, "-o", reference, *FTTC)
    expected = read_traction(reference).data
    in_steps = read_displacement(displacements).in_grid_steps()
    for units, options, factor in [
        ("grid", (), 1.0),
        ("um", ("--spacing", 0.5), 0.5),
        ("px", ("--spacing", 0.5, "--pixel-size", 0.1), 5.0),
    ]:
        path, out = tmp_path / f"{units}.h5", tmp_path / f"{units}_out.h5"
        # The file says something else, and is not believed.
        write_arrays(
            path, {"u": in_steps * factor}, {"u": {"units": "field", "spacing_um": 9.0}}
        )
        vit_tfm("predict", path, "-o", out, "--units", units, *options, *FTTC)
        np.testing.assert_allclose(
            read_traction(out).data, expected, atol=1e-5 * np.abs(expected).max()
        )


def test_a_network(
    vit_tfm: Command, displacements: Path, network: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.h5"
    result = vit_tfm(
        "predict", displacements, "-o", out, "--model", network, "--batch-size", 2
    )
    traction = read_traction(out)
    assert traction.model == "small.safetensors"
    assert len(traction.model_sha256) == 64
    assert f"sha256 {traction.model_sha256[:12]}, on " in result.stdout


def test_a_drift_is_taken_off_and_told(
    vit_tfm: Command, displacements: Path, tmp_path: Path
) -> None:
    still, drifting = tmp_path / "still.h5", tmp_path / "drifting.npz"
    drift = np.array([[0.0, 0.0], [3.0, -4.0], [1.0, 2.0]])
    data = read_displacement(displacements).in_grid_steps() * 0.5
    data -= data.mean(axis=(1, 2), keepdims=True)
    path = tmp_path / "drifting.h5"
    said = {"units": "um", "spacing_um": 0.5}
    write_arrays(path, {"u": data + drift[:, None, None]}, {"u": said})
    quiet = vit_tfm("predict", displacements, "-o", still, *FTTC)
    told = vit_tfm("predict", path, "-o", drifting, *FTTC)
    assert quiet.stderr == ""
    assert told.stderr.startswith("note: subtracted a drift of up to 5 \xb5m, ")
    assert told.stderr.count("\n") == 1
    assert "no traction" in told.stderr
    before, after = read_traction(still), read_traction(drifting)
    assert after.drift is not None
    np.testing.assert_allclose(after.drift, drift / 0.5, atol=1e-5)
    size = np.abs(before.data).max()
    np.testing.assert_allclose(after.data, before.data, atol=1e-4 * size)


def test_progress_is_for_terminals(
    vit_tfm: Command,
    displacements: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ("predict", displacements, "-o", tmp_path / "o.h5", "--batch-size", 2)
    assert vit_tfm(*arguments, *FTTC).stderr == ""
    monkeypatch.setattr("napari_vit_tfm.cli.reporting.is_terminal", lambda: True)
    assert vit_tfm(*arguments, *FTTC).stderr == "2 of 3 frames\r3 of 3 frames\r"


def test_a_resampled_field_is_told(
    vit_tfm: Command, reference: Path, tmp_path: Path
) -> None:
    fields = reference / "fields" / "neuron" / "MLData0001.mat"
    checkpoint = reference / "vit" / "seed_format_vit.pth"
    result = vit_tfm(
        *("predict", fields, "-o", tmp_path / "o.h5", "--units", "grid"),
        *("--model", checkpoint),
    )
    assert result.stderr.startswith("note: ")
    assert "resampled" in result.stderr


def test_missing_units(error_of: ErrorOf, unnamed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    line = error_of("predict", unnamed, "-o", out, *FTTC)
    assert line.startswith(f"{unnamed}: ")
    assert "--units um|grid|px|field" in line
    for units in ("um", "px"):
        line = error_of("predict", unnamed, "-o", out, "--units", units, *FTTC)
        assert f"displacements in {units} need" in line
        assert "--spacing UM" in line
    line = error_of(
        "predict", unnamed, "-o", out, "--units", "px", "--spacing", 1, *FTTC
    )
    assert "--pixel-size UM" in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--units", "mm"),
        ("--spacing", "0"),
        ("--pixel-size", "-1"),
        ("--young", "0"),
        ("--young", "soft"),
        ("--poisson", "0.6"),
        ("--thickness", "0"),
        ("--device", "tpu"),
        ("--heads", "0"),
        ("--batch-size", "0"),
    ],
)
def test_values_that_are_none(
    error_of: ErrorOf, displacements: Path, tmp_path: Path, option: str, value: str
) -> None:
    line = error_of("predict", displacements, "-o", tmp_path / "o.h5", option, value)
    assert f"Invalid value for '{option}'" in line


@pytest.mark.parametrize("option", ["--young", "--poisson", "--thickness", "--spacing"])
def test_not_a_number(
    error_of: ErrorOf, displacements: Path, tmp_path: Path, option: str
) -> None:
    line = error_of(
        "predict", displacements, "-o", tmp_path / "o.h5", option, "nan", *FTTC
    )
    assert f"Invalid value for '{option}': must be " in line
    assert line.endswith("not 'nan'")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--young", "1e39"),
        ("--young", "inf"),
        ("--young", "True"),
        ("--thickness", "30e-6"),
        ("--thickness", "1e999"),
        ("--spacing", "1e-40"),
        ("--spacing", "1_0"),
        ("--spacing", "\N{ARABIC-INDIC DIGIT THREE}"),
        ("--pixel-size", "1,5"),
        ("--batch-size", "1_0"),
        ("--batch-size", "\N{FULLWIDTH DIGIT TWO}"),
        ("--bin", "2.0"),
        ("--regularisation", "nan"),
        ("--controls", "9" * 5000),
    ],
)
def test_numbers_that_are_none_or_impossible(
    error_of: ErrorOf, displacements: Path, tmp_path: Path, option: str, value: str
) -> None:
    line = error_of("predict", displacements, "-o", tmp_path / "o.h5", option, value)
    assert f"Invalid value for '{option}': must be " in line
    assert len(line) < 200


def test_a_thickness_changes_the_result_and_needs_the_spacing(
    vit_tfm: Command, error_of: ErrorOf, displacements: Path, tmp_path: Path
) -> None:
    out = tmp_path / "thick.h5", tmp_path / "thin.h5"
    arguments = ("predict", displacements, *FTTC, "-o")
    vit_tfm(*arguments, out[0])
    vit_tfm(*arguments, out[1], "--thickness", 1, "--spacing", 0.5)
    thick, thin = map(read_traction, out)
    assert (thick.gel.thickness_um, thin.gel.thickness_um) == (math.inf, 1.0)
    assert np.abs(thick.data - thin.data).max() > 0.05 * np.abs(thick.data).max()
    line = error_of(*arguments, out[1], "--thickness", 2)
    assert line.endswith("needs the vector spacing in um: add --spacing UM")


def test_files_that_are_no_displacements(error_of: ErrorOf, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    text = tmp_path / "notes.h5"
    text.write_text("some notes")
    assert "found text" in error_of("predict", text, "-o", out)
    assert "no such file" in error_of("predict", tmp_path / "no.h5", "-o", out)
    (tmp_path / "empty").mkdir()
    line = error_of("predict", tmp_path / "empty", "-o", out)
    assert "the folder has no file of a known format" in line
    weights = tmp_path / "weights.h5"
    write_arrays(weights, {"kernel": np.zeros((3, 3, 16))}, {})
    line = error_of("predict", weights, "-o", out)
    assert "found kernel (float64, shape (3, 3, 16)); expected floating" in line


def test_tractions_are_no_displacements_unless_told(
    vit_tfm: Command, error_of: ErrorOf, tmp_path: Path
) -> None:
    path, out = tmp_path / "tractions.h5", tmp_path / "out.h5"
    write_arrays(path, {"data": np.ones((1, 16, 16, 2))}, {})
    assert "--dataset" in error_of("predict", path, "-o", out, *FTTC)
    vit_tfm("predict", path, "-o", out, "--dataset", "data", *FTTC)
    assert read_traction(out).data.shape == (1, 16, 16, 2)


def test_outputs_are_checked_first(
    error_of: ErrorOf, displacements: Path, tmp_path: Path
) -> None:
    assert "extension '.xyz'" in error_of("predict", displacements, "-o", "out.xyz")
    line = error_of("predict", displacements, "-o", tmp_path / "no" / "out.h5")
    assert "no folder" in line
    before = displacements.read_bytes()
    assert "is an input file" in error_of("predict", displacements, "-o", displacements)
    assert displacements.read_bytes() == before


def test_models_that_are_none(
    error_of: ErrorOf, displacements: Path, tmp_path: Path
) -> None:
    arguments = ("predict", displacements, "-o", tmp_path / "o.h5", "--model")
    assert "no model 'magic'" in error_of(*arguments, "magic")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not a network at all")
    assert "broken.safetensors: not a safetensors" in error_of(*arguments, broken)


def test_a_simulated_cell(vit_tfm: Command, reference: Path, tmp_path: Path) -> None:
    folder = reference / "fields" / "generic"
    out = tmp_path / "out.h5"
    vit_tfm(
        *("predict", folder / "MLData0018.mat", "-o", out, "--units", "grid"),
        *("--young", 10_670, "--poisson", 0.45, *FTTC),
    )
    found = read_traction(out).data[0]
    trac = loadmat(folder / "MLData0018_trac.mat")["trac"]
    truth = trac.transpose(1, 0, 2)[::-1] * (1, -1)
    # With the axes the other way round nothing of it is found.
    assert np.square(found - truth).sum() < 0.05 * np.square(truth).sum()
    turned = found.transpose(1, 0, 2)
    assert np.square(turned - truth).sum() > np.square(truth).sum()


def test_a_given_regularisation(
    vit_tfm: Command, error_of: ErrorOf, displacements: Path, tmp_path: Path
) -> None:
    told = " ".join(vit_tfm("predict", "--help").stdout.split())
    assert (
        "squared grid steps (above 0 and at most 1e+06). For fttc. Default: "
        "chosen for each field" in told
    )
    found = []
    for weight in (0.5, 50):
        out = tmp_path / f"{weight}.h5"
        vit_tfm("predict", displacements, "-o", out, *FTTC, "--regularisation", weight)
        found.append(read_traction(out))
    assert found[0].model == "fttc (regularisation 0.5)"
    assert found[0].magnitude().max() > found[1].magnitude().max()
    arguments = ("predict", displacements, "-o", tmp_path / "no.h5")
    assert "vit has no option regularisation; it is an option of fttc" in error_of(
        *arguments, "--regularisation", 1
    )
    assert "above 0" in error_of(*arguments, *FTTC, "--regularisation", -1)


def test_the_files_of_a_series_are_one_film(
    vit_tfm: Command, error_of: ErrorOf, displacements: Path, tmp_path: Path
) -> None:
    data = read_displacement(displacements).data
    said = {"units": "field"}
    paths = [tmp_path / "cell_10.h5", tmp_path / "cell_9.npz"]
    for path, frames in zip(paths, (slice(2, 3), slice(0, 2)), strict=True):
        write_arrays(path, {"u": data[frames]}, {"u": said})
    out, expected = tmp_path / "out.h5", tmp_path / "expected.h5"
    result = vit_tfm("predict", "--series", *paths, "-o", out, *FTTC)
    assert "(3 frames of 32 x 40 vectors" in result.stdout
    vit_tfm("predict", displacements, "-o", expected, *FTTC)
    np.testing.assert_array_equal(read_traction(out).data, read_traction(expected).data)
    assert "is an input file" in error_of(
        "predict", "--series", *paths, "-o", paths[1], *FTTC
    )
    told = vit_tfm("predict", "--series", *paths, "-o", out, "--units", "grid", *FTTC)
    assert "(3 frames" in told.stdout
    line = error_of("predict", "--series", *paths, "-o", out, "--units", "um", *FTTC)
    assert line.startswith(f"{paths[0]} and 1 more: displacements in um need")
    write_arrays(paths[1], {"u": data}, {"u": {"units": "grid"}})
    line = error_of("predict", "--series", *paths, "-o", tmp_path / "o.h5", *FTTC)
    assert line.startswith(f"{paths[0]}: unit: found field, but grid in {paths[1]}")


def test_the_files_of_a_folder_are_one_film(
    vit_tfm: Command, displacements: Path, tmp_path: Path
) -> None:
    data, folder = read_displacement(displacements).data, tmp_path / "film"
    folder.mkdir()
    for number, frame in zip((9, 10, 11), data, strict=True):
        write_arrays(
            folder / f"{number}.h5",
            {"displacement": frame},
            {"displacement": {"units": "field"}},
        )
    vit_tfm("predict", folder, "-o", tmp_path / "out.h5", *FTTC)
    vit_tfm("predict", displacements, "-o", tmp_path / "expected.h5", *FTTC)
    np.testing.assert_array_equal(
        read_traction(tmp_path / "out.h5").data,
        read_traction(tmp_path / "expected.h5").data,
    )


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


OVERVIEW = ["provenance.json", "summary.csv", "summary.png"]


def test_several_files_are_several_experiments(
    vit_tfm: Command, error_of: ErrorOf, displacements: Path, tmp_path: Path
) -> None:
    data, paths = read_displacement(displacements).data, []
    for name, frames in (("b", data[:1]), ("a", data)):
        paths.append(tmp_path / f"{name}.npz")
        write_arrays(paths[-1], {"u": frames}, {"u": {"units": "field"}})
    results = tmp_path / "new" / "results"
    options = ("-o", results, "--controls", 0, *FTTC)
    told = vit_tfm("predict", *paths, *options).stdout.splitlines()
    assert told[:2] == ["b: 1 frames", "a: 3 frames"]
    assert files_in(results) == ["a", "b", *OVERVIEW]
    tables = ["adhesions.csv", "quantities.csv", "record.json", "tractions.h5"]
    assert files_in(results / "a") == tables
    assert read_traction(results / "b" / "tractions.h5").n_frames == 1
    assert (results / "summary.csv").read_text("utf-8").count("\n") == 1 + 4
    again = vit_tfm("predict", *paths, *options).stdout
    assert again.splitlines()[0] == "b: 1 frames, done before"
    line = error_of("predict", *paths, "-o", tmp_path / "out.h5", *FTTC)
    assert "expected a folder" in line
    assert "add --series" in line
    twice = (paths[0], paths[0])
    assert "is given twice" in error_of("predict", *twice, "-o", results, *FTTC)


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--quantities", "are tables of one experiment"),
        ("--adhesions", "are tables of one experiment"),
        ("--changes", "are tables of one experiment"),
        ("--control-table", "are tables of one experiment"),
        ("--mask", "use vit-tfm batch with a table that has a column mask"),
    ],
)
def test_options_of_one_experiment_are_refused_for_several(
    error_of: ErrorOf, displacements: Path, tmp_path: Path, option: str, reason: str
) -> None:
    several = (displacements, tmp_path / "other.h5")
    out = tmp_path / "out"
    line = error_of("predict", *several, "-o", out, option, tmp_path / "x.csv", *FTTC)
    assert reason in line
    assert not out.exists()


def test_all_options_are_those_of_every_experiment(
    vit_tfm: Command, unnamed: Path, tmp_path: Path
) -> None:
    stack = np.load(unnamed)["u"][:2].transpose(0, 3, 1, 2)
    paths = [tmp_path / f"{name}.npz" for name in "ab"]
    for path, frame in zip(paths, stack, strict=True):
        np.savez(path, u=frame, other=frame)
    options = (
        *("--units", "px", "--spacing", 0.8, "--pixel-size", 0.1, "--y", "up"),
        *("--components-first", "--dataset", "u", "--young", 900, "--poisson", 0.4),
        *("--thickness", 30, "--reverse", "--bin", 2, *FTTC),
    )
    results = tmp_path / "results"
    vit_tfm("predict", *paths, "-o", results, "--controls", 0, *options)
    for path in paths:
        alone = tmp_path / f"{path.stem}.h5"
        vit_tfm("predict", path, "-o", alone, *options)
        expected = read_traction(alone)
        found = read_traction(results / path.stem / "tractions.h5")
        np.testing.assert_array_equal(found.data, expected.data)
        assert found.gel == expected.gel == Gel(900, 0.4, 30)
        assert found.spacing_um == expected.spacing_um == 1.6
        assert found.metadata["provenance"].parameters == (
            expected.metadata["provenance"].parameters
        )


def test_inputs_of_equal_names_are_told_apart_by_their_folders(
    vit_tfm: Command, displacements: Path, tmp_path: Path
) -> None:
    data, paths = read_displacement(displacements).data, []
    for number, name in enumerate(["A/day 1/d.h5", "A/day 2/d.h5", "e.h5"], start=1):
        paths.append(tmp_path / name)
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        write_arrays(paths[-1], {"u": data[:number]}, {"u": {"units": "field"}})
    results = tmp_path / "results"
    vit_tfm("predict", *paths, "-o", results, "--controls", 0, *FTTC)
    for number, name in enumerate(["A_day 1_d", "A_day 2_d", "e"], start=1):
        traction = read_traction(results / name / "tractions.h5")
        assert traction.n_frames == number


@pytest.mark.parametrize("names", [("01u.npy", "01v.npy"), ("01v.npy", "01u.txt")])
def test_two_files_with_one_component_each_are_one_experiment(
    vit_tfm: Command, displacements: Path, tmp_path: Path, names: tuple[str, str]
) -> None:
    data = read_displacement(displacements).in_grid_steps()
    for name in names:
        component = data[0, :, :, "uv".index(name[2])]
        if name.endswith(".npy"):
            np.save(tmp_path / name, component)
        else:
            np.savetxt(tmp_path / name, component)
    both = [tmp_path / name for name in names]
    options = ("--units", "grid", *FTTC)
    vit_tfm("predict", *both, "-o", tmp_path / "both.h5", *options)
    vit_tfm("predict", both[1], "-o", tmp_path / "one.h5", *options)
    np.testing.assert_array_equal(
        read_traction(tmp_path / "both.h5").data,
        read_traction(tmp_path / "one.h5").data,
    )
    vit_tfm("info", *both)
    vit_tfm("predict", *both, displacements, "-o", tmp_path / "out", *options)
    assert files_in(tmp_path / "out") == ["01u", "cells", *OVERVIEW]


def test_an_experiment_that_fails_does_not_stop_the_others(
    displacements: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    arguments = ("predict", tmp_path / "no.h5", displacements, "-o", results, *FTTC)
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == 2
    assert "no.h5: there is no such file" in result.stderr
    assert "1 of 2 experiments failed" in result.stderr
    assert files_in(results) == ["cells", *OVERVIEW]


def peak_of(use: Callable[[], object]) -> int:
    """The most memory that arrays take meanwhile, in bytes."""
    tracemalloc.start()
    try:
        use()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_stack_larger_than_memory_goes_from_file_to_file(
    vit_tfm: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("one", "in", "a", "b")
    one_frame, path, whole, streamed = (tmp_path / f"{name}.h5" for name in names)
    rng = np.random.default_rng(0)
    data = rng.normal(size=(160, 40, 40, 2)).astype(np.float32)
    for file, frames in ((one_frame, data[:1]), (path, data)):
        write_arrays(file, {"u": frames}, {"u": {"units": "grid"}})
    # Modules are loaded before anything is measured.
    vit_tfm("predict", one_frame, "-o", whole, *FTTC)
    peak = peak_of(lambda: vit_tfm("predict", path, "-o", whole, "--overwrite", *FTTC))
    # So small a stack is read whole, and this is noticed.
    assert peak > 3 * data.nbytes
    open_in_parts = partial(io.open_displacement, in_memory_bytes=0)
    monkeypatch.setattr(io, "open_displacement", open_in_parts)
    peak = peak_of(lambda: vit_tfm("predict", path, "-o", streamed, *FTTC))
    # One more array of all frames would be noticed.
    assert peak < 1.3 * data.nbytes
    one, other = read_traction(whole), read_traction(streamed)
    np.testing.assert_array_equal(one.data, other.data)
    np.testing.assert_array_equal(one.drift, other.drift)


def test_the_preparation_is_said_and_kept(
    vit_tfm: Command, displacements: Path, tmp_path: Path
) -> None:
    data = read_displacement(displacements).data.copy()
    data[1, 4, 9] = -20 * np.abs(data).max()
    path, out = tmp_path / "outlier.h5", tmp_path / "out.h5"
    write_arrays(path, {"u": data}, {"u": {"units": "field"}})
    arguments = ("predict", path, "-o", out, *FTTC)
    assert "in frame 1 is unlike its neighbours; the strongest at row 4, column 9" in (
        vit_tfm(*arguments).stderr
    )
    raw = read_traction(out)
    options = ("--replace-outliers", "--remove-drift", "--reverse", "--bin", 2)
    assert "replaced by" in vit_tfm(*arguments, *options).stderr
    found = read_traction(out)
    assert found.grid_shape == (16, 20)
    assert found.longest() < 0.1 * raw.longest()
    assert found.records["outliers_replaced"].tolist() == [0, 1, 0]
    assert found.records["drift_removed"].shape == (3, 3)
    assert found.metadata["attributes"]["bin_size"] == 2


@pytest.mark.parametrize("name", ["out.ome.tif", "out.csv", "out.mat"])
def test_formats_of_other_programs(
    vit_tfm: Command, displacements: Path, tmp_path: Path, name: str
) -> None:
    arguments = (
        *("predict", displacements, "--young", 9000, "--spacing", 0.5, *FTTC),
        *("--batch-size", 2),
    )
    vit_tfm(*arguments, "-o", tmp_path / "out.h5")
    vit_tfm(*arguments, "-o", tmp_path / name)
    expected, found = read_traction(tmp_path / "out.h5"), read_traction(tmp_path / name)
    np.testing.assert_array_equal(found.data, expected.data)
    for key in ("unit", "spacing_um", "gel", "model"):
        assert getattr(found, key) == getattr(expected, key)


def test_formats_for_tractions_only(
    vit_tfm: Command, error_of: ErrorOf, displacements: Path, tmp_path: Path
) -> None:
    help_text = " ".join(vit_tfm("predict", "--help").output.split())
    assert "OME-TIFF (.tif, .tiff)" in help_text
    assert "OME-TIFF" not in vit_tfm("synthesize", "--help").output
    told = error_of("synthesize", "-n", 1, "--seed", 1, "-o", tmp_path / "fields.csv")
    assert told.endswith("expected one of .h5, .hdf5, .npz")


FILM_FRAMES = 60


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A film, whose first frame has a hole."""
    path = tmp_path / "film.h5"
    data = 0.1 * synthesise(FILM_FRAMES, seed=1, shape=(40, 48)).displacement
    data[0, 4, 9] = np.nan
    write_arrays(path, {"u": data}, {"u": {"units": "field"}})
    return path


def stopped(
    forked: Forked, arguments: tuple[object, ...], partial: Path, by: signal.Signals
) -> str:
    """Stop a command after it has written more frames, and give its messages."""

    def n_frames() -> int:
        return read_traction(partial).n_frames if partial.exists() else 0

    before = n_frames()
    command = forked.start(*arguments)
    while n_frames() == before:
        assert command.poll() is None
        time.sleep(0.05)
    os.kill(command.number, by)
    status, messages = command.end()
    assert status == (-by if by == signal.SIGKILL else 128 + by)
    assert before < n_frames() < FILM_FRAMES
    return messages


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_killed_and_a_cancelled_run_go_on(
    vit_tfm: Command, error_of: ErrorOf, film: Path, tmp_path: Path
) -> None:
    out, partial, expected = (
        tmp_path / name for name in ("out.h5", "out.partial.h5", "expected.h5")
    )

    def arguments(out: Path, table: Path, *options: object) -> tuple[object, ...]:
        tables = ("--quantities", table, "--region", "field", "--controls", 0)
        return ("predict", film, "-o", out, *tables, *FTTC, *options)

    tables = tmp_path / "expected.csv", tmp_path / "out.csv"
    notes = vit_tfm(*arguments(expected, tables[0])).stderr
    one_by_one = arguments(out, tables[1], "--batch-size", 1, "--overwrite")
    out.write_bytes(b"old")
    with Forked() as forked:
        stopped(forked, one_by_one, partial, signal.SIGKILL)
        stopped(forked, one_by_one, partial, signal.SIGTERM)
        messages = stopped(forked, one_by_one, partial, signal.SIGINT)
    n_kept = read_traction(partial).n_frames
    assert (
        f"note: {partial} has {n_kept} of {FILM_FRAMES} frames: the same command "
        "continues it\n"
    ) in messages
    assert f"unfinished: {n_kept} of" in vit_tfm("info", partial).stderr
    assert out.read_bytes() == b"old"
    line = error_of(*one_by_one, "--reverse", "--poisson", 0.3)
    assert line.startswith(
        f"{partial}: is of an interrupted run that differs in gel (poisson), "
        "preparation (reverse), so it is not continued"
    )
    last = vit_tfm(*one_by_one)
    first_line, _, others = last.stderr.partition("\n")
    assert first_line == (
        f"note: continuing {partial}, which has {n_kept} of {FILM_FRAMES} frames"
    )
    assert others == notes
    assert not partial.exists()
    with h5py.File(expected) as one, h5py.File(out) as other:
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
            attributes = [dict(file[name].attrs) for file in (one, other)]
            for values in attributes:
                # The size of the batches is another.
                parameters = json.loads(values.pop("parameters", "{}"))
                parameters.get("reconstruction", {}).pop("batch_size", None)
                values["parameters"] = parameters
            assert str(attributes[0]) == str(attributes[1])
    one_table, other_table = (path.read_text("utf-8") for path in tables)
    assert one_table == other_table
    assert "same: largest difference" in vit_tfm("rerun", out).stdout


def test_a_table_that_fails_keeps_the_tractions(
    vit_tfm: Command, error_of: ErrorOf, film: Path, tmp_path: Path
) -> None:
    out, mask = tmp_path / "out.h5", tmp_path / "mask.npy"
    np.save(mask, np.ones((30, 30), dtype=int))
    arguments = ("predict", film, "-o", out, "--batch-size", 5, *FTTC)
    tables = ("--quantities", tmp_path / "t.csv", "--mask", mask)
    assert "(30, 30)" in error_of(*arguments, *tables)
    assert read_traction(tmp_path / "out.partial.h5").n_frames == 5
    told = vit_tfm(*arguments)
    assert f"has 5 of {FILM_FRAMES} frames" in told.stderr
    assert "fields per second" in told.stdout
    assert read_traction(out).n_frames == FILM_FRAMES


def test_residual(vit_tfm: Command, displacements: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    result = vit_tfm("predict", displacements, "-o", out, "--residual", *FTTC)
    assert result.stderr.count("the tractions explain") == 1
    traction = read_traction(out)
    measured = read_displacement(displacements)
    assert traction.displacement_unit == measured.unit
    companions = traction.companions
    both = companions["displacement_model"] + companions["residual"]
    np.testing.assert_allclose(both, measured.data, atol=1e-5)
    assert traction.records["explained"].shape == (3,)
    assert traction.records["chi_squared"].shape == (3,)


@pytest.mark.parametrize("option", ["--residual", "--uncertainty"])
@pytest.mark.parametrize("name", ["out.csv", "out.ome.tif"])
def test_formats_without_a_place_for_the_residual(
    error_of: ErrorOf, displacements: Path, tmp_path: Path, name: str, option: str
) -> None:
    out = tmp_path / name
    message = error_of("predict", displacements, "-o", out, option, *FTTC)
    assert "has no place for the residual or the uncertainty" in message
    assert "expected one of .h5, .hdf5, .npz, .mat" in message
    assert not out.exists()


@pytest.mark.parametrize("name", ["out.h5", "out.npz", "out.mat"])
def test_companions_are_no_displacements(
    vit_tfm: Command, error_of: ErrorOf, displacements: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    vit_tfm("predict", displacements, "-o", out, "--residual", *FTTC)
    assert io.summarise(out).displacement is None
    assert io.summarise(out).traction == "traction"
    again = tmp_path / "again.h5"
    message = error_of("predict", out, "-o", again, "--units", "um", *FTTC)
    assert "has no displacement" in message
    # Somebody who wants to may still read one by its name.
    named = read_displacement(out, dataset="residual")
    residual = read_traction(out).companions["residual"]
    np.testing.assert_array_equal(named.data, residual)


# Noise that is given


def noise_of(path: Path) -> np.ndarray:
    return read_traction(path).records["relative_noise"]


def test_noise_as_a_number(
    vit_tfm: Command, displacements: Path, tmp_path: Path
) -> None:
    plain, weak, strong = (tmp_path / f"{name}.h5" for name in ("plain", "1", "2"))
    vit_tfm("predict", displacements, "-o", plain, *FTTC)
    for path, sd in ((weak, 1e-4), (strong, 2e-3)):
        vit_tfm(
            *("predict", displacements, "-o", path, "--noise-sd", sd, *FTTC),
            *("--noise-length", 0),
        )
    np.testing.assert_allclose(noise_of(strong), 20 * noise_of(weak), rtol=1e-5)
    longest = [read_traction(path).longest() for path in (weak, strong)]
    assert longest[1] < 0.9 * longest[0]
    # The same command again, from the file alone.
    assert CliRunner().invoke(main, ["rerun", str(strong)]).exit_code == 0


def test_noise_of_a_region(
    vit_tfm: Command, error_of: ErrorOf, displacements: Path, tmp_path: Path
) -> None:
    mask, path = tmp_path / "quiet.npy", tmp_path / "out.h5"
    quiet = np.zeros((32, 40), dtype=np.uint8)
    quiet[:8] = quiet[:, :9] = 1
    np.save(mask, quiet)
    run = ("predict", displacements, "--noise-region", mask, *FTTC)
    vit_tfm(*run, "-o", path)
    assert np.isfinite(noise_of(path)).all()
    # The region is in the file, which does not need the mask again.
    mask.unlink()
    assert CliRunner().invoke(main, ["rerun", str(path)]).exit_code == 0
    np.save(mask, quiet[:-1])
    assert "31 x 40 vectors" in error_of(*run, "-o", path)
    np.save(mask, 0 * quiet)
    assert "no vector" in error_of(*run, "-o", path)
    np.save(mask, np.stack([quiet] * 3))
    assert "(3, 32, 40)" in error_of(*run, "-o", path)
    tiny = 0 * quiet
    tiny[:4, :4] = 1
    np.save(mask, tiny)
    assert "too small" in error_of(*run, "-o", tmp_path / "other.h5")


def test_noise_of_every_vector(
    vit_tfm: Command, error_of: ErrorOf, displacements: Path, tmp_path: Path
) -> None:
    noise, path = tmp_path / "noise.h5", tmp_path / "out.h5"
    sd = np.full((3, 32, 40), 1e-3)
    write_arrays(noise, {"displacement_sd": sd, "other": sd}, {})
    run = ("predict", displacements, "--noise-map", noise, *FTTC)
    vit_tfm(*run, "-o", path, "--uncertainty")
    even = tmp_path / "even.h5"
    vit_tfm("predict", displacements, "-o", even, "--noise-sd", 1e-3, *FTTC)
    np.testing.assert_allclose(noise_of(path), noise_of(even), rtol=1e-4)
    assert CliRunner().invoke(main, ["rerun", str(path)]).exit_code == 0
    sd[:, :16] = 2e-3
    write_arrays(noise, {"displacement_sd": sd}, {})
    lines = CliRunner().invoke(main, ["rerun", str(path)]).stdout
    assert "changed: noise of every vector" in lines
    assert "input" in error_of(*run, "-o", noise)
    for bad, words in (
        (sd[:2], "expected (1, 32, 40)"),
        (-sd, "no standard deviations"),
        (sd[0, 0], "expected the standard deviation of every vector"),
        (np.full_like(sd, np.nan), "without any standard deviation"),
    ):
        write_arrays(noise, {"displacement_sd": bad}, {})
        assert words in error_of(*run, "-o", tmp_path / "other.h5")


def test_noise_is_given_once(error_of: ErrorOf, displacements: Path) -> None:
    run = ("predict", displacements, "-o", "out.h5", *FTTC)
    mask = displacements.with_name("mask.npy")
    np.save(mask, np.ones((32, 40), dtype=np.uint8))
    assert "given twice" in error_of(*run, "--noise-sd", 1, "--noise-region", mask)
    assert "--noise-sd" in error_of(*run, "--noise-length", 1)
    for value in ("0", "-1", "nan", "inf"):
        assert "sd" in error_of(*run, "--noise-sd", value)


@pytest.mark.parametrize("size", [1e20, 1e30, 3e38])
def test_numbers_that_are_too_large_leave_no_file(
    error_of: ErrorOf, displacements: Path, tmp_path: Path, size: float
) -> None:
    data = read_displacement(displacements).data
    path, out = tmp_path / "large.npz", tmp_path / "out.h5"
    np.savez(path, displacement=data / np.abs(data).max() * np.float32(size))
    line = error_of(
        *("predict", path, "-o", out, "--units", "um", "--spacing", 0.002),
        *("--young", 1e9, "--model", "vit", "--device", "cpu"),
    )
    assert "which no field has in any unit" in line
    assert not out.exists()
