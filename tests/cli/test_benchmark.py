from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from scipy.io import savemat
from skimage.io import imread

from napari_vit_tfm.io import write_arrays
from napari_vit_tfm.synthesis import SyntheticStack, synthesise

Command = Callable[..., Result]

WRITTEN = {
    "benchmark.md",
    "benchmark.json",
    "summary.csv",
    "samples.csv",
    "error_against_noise.png",
    "fields.png",
}


@pytest.fixture(scope="module")
def discs() -> SyntheticStack:
    return synthesise(3, seed=4, shape=(32, 32))


@pytest.fixture
def data(discs: SyntheticStack, tmp_path: Path) -> Path:
    """As the file of disc fields that is handed round: arrays without units."""
    path = tmp_path / "discs.npz"
    np.savez(
        path,
        displacement=discs.displacement,
        traction=discs.traction,
        segmentation=discs.segmentation,
    )
    return path


def methods_in(folder: Path) -> dict[str, dict[str, object]]:
    return json.loads((folder / "benchmark.json").read_text("utf-8"))["methods"]


def test_everything_is_written(
    vit_tfm: Command, data: Path, network: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "out"
    cnn = tmp_path / "other.safetensors"
    shutil.copy(network, cnn)
    result = vit_tfm(
        "benchmark", "--data", data, "--methods", "fttc,fttc-oracle", network,
        "--cnn", cnn, "--noise", 0, "1e-3", "-o", out,
    )  # fmt: skip
    assert {path.name for path in out.iterdir()} == WRITTEN
    methods = methods_in(out)
    names = ["fttc", "cnn other", "fttc-oracle", "small.safetensors", "zero"]
    assert list(methods) == names
    for scores in methods.values():
        assert list(scores["noise"]) == ["0", "0.001"]
    # The same weights under two names.
    assert methods["cnn other"]["noise"] == methods["small.safetensors"]["noise"]
    with (out / "samples.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 5 * 2 * 3
    for name in ("error_against_noise.png", "fields.png"):
        assert min(imread(out / name).shape[:2]) > 400
    text = (out / "benchmark.md").read_text("utf-8")
    assert f"benchmark --data {data}" in text
    assert "relative to the better CNN" in text
    assert result.stdout.strip() == text.split("## Scores by field")[0].strip()


def test_values_may_be_given_in_many_ways(
    vit_tfm: Command, data: Path, tmp_path: Path
) -> None:
    ways = [
        ("--noise", "0", "1e-4", "--methods", "fttc", "bayesian-fttc"),
        ("--noise", "0,1e-4", "--methods", "fttc,bayesian-fttc"),
        ("--noise=0", "1e-4", "--methods=fttc", "bayesian-fttc"),
        ("--noise", "0", "--methods", "fttc", "--noise", "1e-4,0", "--methods",
         "bayesian-fttc"),
    ]  # fmt: skip
    found = []
    for number, arguments in enumerate(ways):
        out = tmp_path / str(number)
        vit_tfm("benchmark", "--data", data, "-n", 1, *arguments, "-o", out)
        found.append(methods_in(out))
    for methods in found:
        assert list(methods) == ["fttc", "bayesian-fttc", "zero"]
        # Times differ from run to run, scores do not.
        for name, scores in methods.items():
            assert scores["noise"] == found[0][name]["noise"]


def test_fields_are_made_by_kind_and_seed(vit_tfm: Command, tmp_path: Path) -> None:
    for name, arguments in {
        "a": ("--seed", 1),
        "b": ("--seed", 2),
        "c": ("--seed", 1, "--kind", "cells"),
    }.items():
        vit_tfm(
            "benchmark", "-n", 1, "--noise", 0, "--methods", "fttc", *arguments,
            "-o", tmp_path / name,
        )  # fmt: skip
    scores = [methods_in(tmp_path / name)["zero"]["noise"] for name in "abc"]
    assert scores[0] != scores[1]
    assert scores[0] != scores[2]
    assert "1 field of cells" in (tmp_path / "c" / "benchmark.md").read_text("utf-8")


def test_a_measured_cell_with_its_truth_in_another_file(
    vit_tfm: Command, error_of: Callable[..., str], tmp_path: Path
) -> None:
    made = synthesise(1, seed=4, shape=(32, 32))
    steps, truth = 31 * made.displacement[0], 2000 * made.traction[0]
    savemat(tmp_path / "cell.mat", {"displacement": steps})
    # The first index of `trac` is x, the second is y from the bottom.
    upwards = truth[::-1] * (1, -1)
    savemat(tmp_path / "cell_trac.mat", {"trac": upwards.transpose(1, 0, 2)})
    of_cell = (
        "benchmark", "--data", tmp_path / "cell.mat",
        "--truth", tmp_path / "cell_trac.mat",
        "--noise", 0, "--methods", "fttc", "-o", tmp_path / "cell",
    )  # fmt: skip
    assert "--units" in error_of(*of_cell, "--young", 2000)
    assert "--young" in error_of(*of_cell, "--units", "grid")
    vit_tfm(*of_cell, "--units", "grid", "--young", 2000)
    measured = methods_in(tmp_path / "cell")["fttc"]["noise"]["0"]
    np.savez(
        tmp_path / "same.npz", displacement=made.displacement, traction=made.traction
    )
    vit_tfm(
        "benchmark", "--data", tmp_path / "same.npz", "--noise", 0, "--methods", "fttc",
        "-o", tmp_path / "same",
    )  # fmt: skip
    same = methods_in(tmp_path / "same")["fttc"]["noise"]["0"]
    assert measured == pytest.approx(same, rel=1e-3)
    changed = ("--units", "grid", "--young", 2000, "--poisson", 0.3)
    vit_tfm(*of_cell, *changed)
    assert methods_in(tmp_path / "cell")["fttc"]["noise"]["0"] != measured


def test_the_gel_is_what_the_file_says(
    vit_tfm: Command, error_of: Callable[..., str], tmp_path: Path
) -> None:
    made = synthesise(1, seed=4, shape=(32, 32))
    out = tmp_path / "out"
    write_arrays(
        tmp_path / "cell.h5",
        {"displacement": 31 * made.displacement, "traction": 700 * made.traction},
        {
            "displacement": {"units": "grid"},
            "traction": {"units": "Pa", "young_pa": 700.0, "poisson": 0.4},
        },
    )
    vit_tfm(
        "benchmark", "--data", tmp_path / "cell.h5", "--noise", 0, "--methods", "fttc",
        "-o", out,
    )  # fmt: skip
    text = (out / "benchmark.md").read_text("utf-8")
    assert "Young's modulus 700 Pa, Poisson ratio 0.4" in text
    thick = methods_in(out)["fttc"]["noise"]["0"]
    power = methods_in(out)["zero"]["noise"]["0"]["sum_of_squared_errors"]
    assert power == pytest.approx(np.square(made.traction).sum(), rel=1e-4)
    on_layer = (
        "benchmark", "--data", tmp_path / "cell.h5", "--thickness", 8, "--noise", 0,
        "--methods", "fttc", "-o", out, "--overwrite",
    )  # fmt: skip
    assert "--spacing" in error_of(*on_layer)
    vit_tfm(*on_layer, "--spacing", 2)
    assert "8 um thick" in (out / "benchmark.md").read_text("utf-8")
    assert methods_in(out)["fttc"]["noise"]["0"] != thick


def test_files_of_the_same_name(
    vit_tfm: Command, data: Path, network: Path, tmp_path: Path
) -> None:
    other = tmp_path / network.name
    shutil.copy(network, other)
    vit_tfm(
        "benchmark", "--data", data, "-n", 1, "--noise", 0,
        "--methods", network, other, "-o", tmp_path / "out",
    )  # fmt: skip
    assert list(methods_in(tmp_path / "out")) == [str(network), str(other), "zero"]


def test_what_cannot_be_done(
    error_of: Callable[..., str], data: Path, tmp_path: Path
) -> None:
    out = ("-o", tmp_path / "out")
    refused = error_of("benchmark", "--kind", "stars", *out)
    assert "'discs', 'adhesions', 'cells'" in refused
    assert "'--noise'" in error_of("benchmark", "--noise", "0,loud", *out)
    assert "at least one noise level" in error_of("benchmark", "--noise", "", *out)
    assert "--young requires --data" in error_of("benchmark", "--young", 3, *out)
    assert "no model 'tfm'" in error_of(
        "benchmark", "--data", data, "--methods", "tfm", *out
    )
    assert "do not match" in error_of(
        "benchmark", "--data", data, "--truth", _cut(data), *out
    )
    assert "unexpected extra argument" in error_of("benchmark", "discs", *out)


def _cut(data: Path) -> Path:
    path = data.with_name("cut.npz")
    with np.load(data) as file:
        np.savez(path, traction=file["traction"][:2])
    return path
