"""Tables of scores that are written by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from napari_vit_tfm.benchmark.kinds import KindScores
from napari_vit_tfm.benchmark.kinds_tables import (
    kinds_as_json,
    kinds_as_markdown,
    kinds_summary_as_markdown,
)
from napari_vit_tfm.benchmark.tables import Origin

ORIGIN = Origin(
    command="vit-tfm benchmark --kind all -o out",
    version="1.2.3",
    fields="2 fields of each of 2 kinds",
    seed=5,
    device="cpu",
    cnns=["cnn a"],
)


@pytest.fixture
def scores() -> KindScores:
    def errors(*values: float) -> dict[str, float]:
        names = ("vit", "cnn a", "fttc", "bayesian-fttc")
        return dict(zip(names, values, strict=True))

    return KindScores(
        {
            ("ring", "0"): errors(0.2, 0.7, 0.4, 0.8),
            ("ring", "5%"): errors(0.42, 0.7, 0.5, 0.4),
            ("pads", "0"): errors(0.3, 0.01, 0.5, 0.1),
            ("pads", "5%"): errors(0.3, 0.7, 0.5, 0.6),
        },
        method="vit",
        classical=("fttc", "bayesian-fttc"),
        ms_per_field=errors(60, 10, 5, 20),
    )


def test_json(scores: KindScores) -> None:
    read = json.loads(kinds_as_json(scores))
    assert list(read) == ["kinds", "summary", "ms_per_field"]
    for (kind, noise), errors in scores.errors.items():
        assert read["kinds"][kind][noise] == errors
    assert read["ms_per_field"]["vit"] == 60
    assert read["summary"]["method"] == "vit"
    best, bayesian = (
        read["summary"]["ratio_to"][name]
        for name in ("best classical", "bayesian-fttc")
    )
    assert (best["n_cells"], best["above_1_00"], best["above_1_10"]) == (4, 2, 1)
    assert best["geometric_mean"] == pytest.approx((0.5 * 1.05 * 3 * 0.6) ** 0.25)
    assert bayesian["geometric_mean"] == pytest.approx((0.25 * 1.05 * 3 * 0.5) ** 0.25)
    assert (best["worst_kind"], best["worst_noise"]) == ("pads", "0")


def test_markdown(scores: KindScores) -> None:
    text = kinds_as_markdown(scores, ORIGIN)
    for said in (f"`{ORIGIN.command}`", "1.2.3", ORIGIN.fields, "seed 5", "On cpu"):
        assert said in text
    assert "among\n`fttc` and `bayesian-fttc`" in text
    assert "| best classical | 0.986 | 2 of 4 | 1 of 4 | 3.00 (pads, noise 0) |" in text
    assert "| noise | 0 | 5% |" in text
    assert "| ring | 0.50 | **1.05** |" in text
    assert "| pads | **3.00** | 0.60 |" in text
    assert "| ring, 0 | 0.2000 | 0.7000 | 0.4000 | 0.8000 | 0.50 | 0.25 |" in text
    assert "| vit | 60 | 6 |" in text
    summary = kinds_summary_as_markdown(scores, ORIGIN)
    assert text.startswith(summary)
    assert "ring, 0" not in summary


def test_without_the_cnn_and_bayesian_fttc(scores: KindScores) -> None:
    fewer = replace(scores, classical=("fttc",))
    text = kinds_as_markdown(fewer, replace(ORIGIN, cnns=()))
    assert "CNN" not in text
    assert "| bayesian-fttc | 0" not in text
    assert "| vit | 60 |" in text
    ratio_to = json.loads(kinds_as_json(fewer))["summary"]["ratio_to"]
    assert list(ratio_to) == ["best classical"]
