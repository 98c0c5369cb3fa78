from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from skimage.io import imread

from napari_vit_tfm.benchmark.field_sets import FIELD_SETS
from napari_vit_tfm.benchmark.held_out import NOISES
from napari_vit_tfm.errors import FieldError

Command = Callable[..., Result]

ALL = ("benchmark", "--kind", "all", "--device", "cpu")


@pytest.fixture
def two_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    of_all = replace(FIELD_SETS["all"], kinds=("pads", "ring"))
    monkeypatch.setitem(FIELD_SETS, "all", of_all)  # type: ignore[arg-type]


@pytest.mark.usefixtures("two_kinds")
def test_everything_is_written(vit_tfm: Command, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    cnn = tmp_path / "other.safetensors"
    shutil.copy(network, cnn)
    result = vit_tfm(
        *ALL, "-n", 1, "--seed", 3, "--methods", network, "fttc", "--cnn", cnn,
        "--views", 1, "-o", out,
    )  # fmt: skip
    assert {path.name for path in out.iterdir()} == {
        "kinds.md", "kinds.json", "kinds.png"
    }  # fmt: skip
    facts = json.loads((out / "kinds.json").read_text("utf-8"))
    assert list(facts["kinds"]) == ["pads", "ring"]
    for levels in facts["kinds"].values():
        assert list(levels) == list(NOISES)
        for errors in levels.values():
            assert list(errors) == ["small.safetensors", "cnn other", "fttc"]
            # The same weights under two names.
            assert errors["cnn other"] == errors["small.safetensors"]
    text = (out / "kinds.md").read_text("utf-8")
    for said in ("--kind all", "1 field of each of 2 kinds", "with seed 3", "On cpu"):
        assert said in text
    assert result.stdout.strip() == text.split("## Errors by cell")[0].strip()
    assert "ring, noise 5% correlated" in result.stderr
    assert min(imread(out / "kinds.png").shape[:2]) > 300


@pytest.mark.parametrize("field_set", ["all", "unseen"])
def test_what_is_compared_without_further_options(
    error_of: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    field_set: str,
) -> None:
    asked: dict[str, object] = {}

    def stop(**options: object) -> None:
        asked.update(options)
        raise FieldError("stopped")

    monkeypatch.setattr("napari_vit_tfm.benchmark.kinds.evaluate_kinds", stop)
    options = ("benchmark", "--kind", field_set, "--device", "cpu")
    assert error_of(*options, "-o", tmp_path / "out") == "stopped"
    assert asked["methods"] == ["vit", "fttc", "bayesian-fttc"]
    assert asked["field_set"] == field_set
    assert (asked["n_fields"], asked["seed"]) == (8, 0)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--noise", "0", "1e-4"), "has fixed noise levels; leave out --noise"),
        (
            ("--data", "cells.h5", "--young", 3),
            "generates its fields; leave out --data",
        ),
        (("--truth", "cells.h5"), "--truth requires --data"),
        (("--units", "um"), "--units requires --data"),
        (("--methods", "vit"), "add fttc or bayesian-fttc after it"),
        (("--methods", "fttc", "vit"), "no classical method to compare the first"),
        (("--methods", "tfm", "fttc"), "no model 'tfm'"),
    ],
)
def test_what_does_not_go_with_all_kinds(
    error_of: Callable[..., str],
    options: tuple[str | int, ...],
    reason: str,
    tmp_path: Path,
) -> None:
    assert reason in error_of(*ALL, *options, "-o", tmp_path / "out")
