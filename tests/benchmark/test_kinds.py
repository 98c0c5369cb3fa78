"""Every kind at every level of noise, by way of the product's own reconstruction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vit_tfm.benchmark import metrics
from napari_vit_tfm.benchmark.held_out import NOISES, simulate, with_noise
from napari_vit_tfm.benchmark.kinds import KindScores, RatioSummary, evaluate_kinds
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.errors import TFMError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.reconstruction import reconstruct

CPU = ReconstructionConfig(device="cpu", n_views=4)
SHAPE = (32, 40)
METHODS = ("vit", "fttc", "bayesian-fttc")


def measured(**more: object) -> KindScores:
    told = {"kinds": ("ring", "pads"), "n_fields": 2, "shape": SHAPE, "config": CPU}
    return evaluate_kinds(**(told | more))


@pytest.fixture(scope="module")
def scores() -> KindScores:
    return measured(names={"vit": "network"}, n_fields=3, seed=4)


def test_every_kind_at_every_level(scores: KindScores) -> None:
    assert scores.kinds == ["ring", "pads"]
    assert scores.noises == list(NOISES)
    assert len(scores.errors) == 2 * len(NOISES)
    names = ["network", "fttc", "bayesian-fttc"]
    for errors in scores.errors.values():
        assert list(errors) == names
        assert min(errors.values()) > 0
    assert (scores.method, scores.classical) == ("network", METHODS[1:])
    assert list(scores.ms_per_field) == names
    assert min(scores.ms_per_field.values()) > 0


@pytest.mark.parametrize(
    ("model", "name"), [("vit", "network"), ("bayesian-fttc", "bayesian-fttc")]
)
def test_an_error_is_that_of_what_a_user_gets(
    scores: KindScores, model: str, name: str
) -> None:
    clean, truth = simulate("pads", 3, seed=4, shape=SHAPE)
    noisy = with_noise(clean, "20%", seed=4)
    found = reconstruct(
        DisplacementStack(noisy, unit="field"), config=replace(CPU, model=model)
    )
    expected = metrics.relative_squared_error(found.data, truth).mean()
    assert scores.errors["pads", "20%"][name] == pytest.approx(expected)


def test_the_time_is_that_of_one_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "napari_vit_tfm.benchmark.kinds.timed",
        lambda solver, stack, truth: (solver(stack, truth), 0.5),
    )
    scores = measured(methods=("bayesian-fttc", "fttc"), kinds=("pads", "ring"))
    assert scores.ms_per_field == pytest.approx({"bayesian-fttc": 250, "fttc": 250})


def test_unseen_fields_are_another_set() -> None:
    arguments = {"methods": ("bayesian-fttc", "fttc"), "n_fields": 1}
    scores = measured(**arguments, field_set="unseen", kinds=("ring", "cell"))
    assert scores.kinds == ["ring", "cell"]
    held_out = measured(**arguments, kinds=("ring",))
    assert scores.errors["ring", "5%"] != held_out.errors["ring", "5%"]


def test_the_seed_draws_the_fields() -> None:
    arguments = {"methods": ("bayesian-fttc", "fttc"), "kinds": ["pads"], "n_fields": 1}
    first, again, other = (measured(**arguments, seed=seed) for seed in (1, 1, 2))
    assert first.errors == again.errors
    assert first.errors != other.errors
    # A classical method that is compared is no rival of its own.
    assert first.classical == ("fttc",)


@pytest.mark.parametrize(
    ("methods", "reason"),
    [
        (["vit"], "no classical method"),
        (["fttc", "vit"], "no classical method"),
        (["nothere", "fttc"], "no model 'nothere'"),
    ],
)
def test_what_cannot_be_compared_is_told_before_anything_runs(
    methods: list[str], reason: str
) -> None:
    told: list[object] = []
    with pytest.raises(TFMError, match=reason):
        measured(methods=methods, on_result=lambda *what: told.append(what))
    assert told == []


def test_ratios_are_to_the_better_classical_method_of_every_cell() -> None:
    scores = KindScores(
        {
            ("ring", "0"): {"m": 0.2, "fttc": 0.4, "bayesian-fttc": 0.8},
            ("pads", "0"): {"m": 0.3, "fttc": 0.5, "bayesian-fttc": 0.1},
            ("pads", "5%"): {"m": 0.21, "fttc": 0.2, "bayesian-fttc": 0.2},
        },
        method="m",
        classical=METHODS[1:],
        ms_per_field={},
    )
    np.testing.assert_allclose(list(scores.ratios().values()), [0.5, 3, 1.05])
    bayesian = scores.ratios("bayesian-fttc")
    np.testing.assert_allclose(list(bayesian.values()), [0.25, 3, 1.05])
    summary = RatioSummary.of(scores.ratios())
    assert (summary.n_cells, summary.above_1_00, summary.above_1_10) == (3, 2, 1)
    assert summary.worst == pytest.approx(3)
    assert (summary.worst_kind, summary.worst_noise) == ("pads", "0")
    assert summary.geometric_mean == pytest.approx((0.5 * 3 * 1.05) ** (1 / 3))
