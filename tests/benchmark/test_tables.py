"""Tables of results that are written by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from napari_vit_tfm.benchmark.evaluate import METRIC_NAMES, MethodScores
from napari_vit_tfm.benchmark.solvers import ZERO
from napari_vit_tfm.benchmark.tables import (
    Origin,
    as_json,
    as_markdown,
    summary_as_markdown,
    write_samples,
    write_summary,
)
from napari_vit_tfm.config import ORACLE

ORIGIN = Origin(
    command="vit-tfm benchmark -o out",
    version="1.2.3",
    fields="2 fields of discs",
    seed=5,
    device="cpu",
    cnns=["cnn a", "cnn b"],
    notices=["the field is resampled"],
)


def scored(name: str, clean: list[float], noisy: list[float]) -> MethodScores:
    """Two fields, two noise levels; one DTMA and all SNRs are not defined."""
    samples = {}
    for sigma, errors in ((0.0, clean), (1e-4, noisy)):
        scores = {metric: np.array([0.5, 0.25]) for metric in METRIC_NAMES}
        scores["sum_of_squared_errors"] = np.array(errors)
        scores["dtma"] = np.array([np.nan, -0.125])
        scores["snr"] = np.array([np.nan, np.nan])
        scores["dma"] = np.array([1.0, np.inf])
        samples[sigma] = scores
    return MethodScores(name, samples, ms_per_field=12.5, examples={})


@pytest.fixture
def results() -> list[MethodScores]:
    return [
        scored("vit", [1.0, 3.0], [2.0, 2.0]),
        scored("cnn a", [4.0, 4.0], [8.0, 12.0]),
        scored("cnn b", [5.0, 7.0], [4.0, 6.0]),
        scored(ORACLE, [2.0, 2.0], [3.0, 3.0]),
        scored(ZERO, [40.0, 40.0], [40.0, 40.0]),
    ]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_json_is_strict(results: list[MethodScores]) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    read = json.loads(as_json(results), parse_constant=refuse)
    assert list(read) == ["methods"]
    assert list(read["methods"]) == [result.name for result in results]
    vit = read["methods"]["vit"]
    assert set(vit) == {"noise", "ms_per_field"}
    assert vit["ms_per_field"] == 12.5
    assert list(vit["noise"]) == ["0", "0.0001"]
    assert tuple(vit["noise"]["0"]) == METRIC_NAMES
    assert vit["noise"]["0"]["sum_of_squared_errors"] == 2
    assert vit["noise"]["0"]["dtma"] == -0.125
    assert vit["noise"]["0"]["snr"] is None
    assert vit["noise"]["0"]["dma"] is None


def test_samples(results: list[MethodScores], tmp_path: Path) -> None:
    write_samples(tmp_path / "samples.csv", results)
    rows = rows_of(tmp_path / "samples.csv")
    assert len(rows) == 5 * 2 * 2
    assert tuple(rows[0]) == ("method", "sigma", "field", *METRIC_NAMES)
    last = rows[3]
    assert (last["method"], last["sigma"], last["field"]) == ("vit", "0.0001", "1")
    assert float(last["dtma"]) == -0.125
    assert np.isnan(float(rows[2]["dtma"]))


def test_summary(results: list[MethodScores], tmp_path: Path) -> None:
    write_summary(tmp_path / "summary.csv", results)
    found = {
        (row["method"], row["sigma"], row["metric"]): row
        for row in rows_of(tmp_path / "summary.csv")
    }
    assert len(found) == 5 * 2 * len(METRIC_NAMES)
    errors = found["vit", "0", "sum_of_squared_errors"]
    numbers = [float(errors[c]) for c in ("mean", "standard_deviation", "median")]
    assert numbers == [2, 1, 2]
    assert errors["fields"] == "2"
    assert found["vit", "0", "dtma"]["fields"] == "1"
    assert found["vit", "0", "snr"]["fields"] == "0"
    assert np.isnan(float(found["vit", "0", "snr"]["mean"]))
    assert float(found["vit", "0", "dma"]["mean"]) == np.inf


def cells(text: str, heading: str, method: str) -> list[str]:
    """A method's row in the first table below a heading."""
    table = text.split(f"{heading}\n")[1].split("\n#")[0]
    row = next(line for line in table.splitlines() if line.startswith(f"| {method} |"))
    return [cell.strip() for cell in row.strip("|").split("|")][1:]


def test_markdown(results: list[MethodScores]) -> None:
    text = as_markdown(results, ORIGIN)
    for said in ("`vit-tfm benchmark -o out`", "1.2.3", "2 fields of discs", "seed 5"):
        assert said in text
    assert "Note: the field is resampled." in text
    assert f"`{ORACLE}` is a bound" in text
    vit = cells(text, "## Clean", "vit")
    assert vit[:3] == ["2", "0.375", "-0.125 (1 of 2)"]
    assert vit[5] == "-"
    assert cells(text, "## Sigma 0.0001", ZERO)[0] == "40"
    assert cells(text, "### Clean: squared error", "1") == ["3", "4", "7", "2", "40"]
    assert cells(text, "### Clean: squared error", "mean")[0] == "2"
    assert cells(text, "## Time", "vit") == ["12.5"]
    assert f"| {ZERO} |" not in text.split("## Time")[1].split("## Scores")[0]


def test_ratios_are_to_the_better_cnn_of_every_level(
    results: list[MethodScores],
) -> None:
    text = summary_as_markdown(results, ORIGIN)
    heading = "## Squared error relative to the better CNN"
    # Clean it is a, with 4; with noise b, with 5.
    assert cells(text, heading, "vit") == ["0.5", "0.4"]
    assert cells(text, heading, "cnn a") == ["1", "2"]
    assert cells(text, heading, "cnn b") == ["1.5", "1"]
    without = summary_as_markdown(
        results[:1], Origin("c", "v", "f", seed=0, device="cpu")
    )
    assert heading not in without
    assert ORACLE not in without
    assert "Note" not in without
