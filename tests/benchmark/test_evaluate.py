"""The comparison is fair: same fields, same noise, and zero beside it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.benchmark import metrics
from napari_vit_tfm.benchmark.evaluate import (
    METRIC_NAMES,
    MethodScores,
    connected_patches,
    evaluate,
    mean_of_defined,
    median_field,
    with_noise,
)
from napari_vit_tfm.benchmark.solvers import ZERO
from napari_vit_tfm.config import ORACLE, ReconstructionConfig
from napari_vit_tfm.errors import FieldError, TFMError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.models.methods.fttc import BayesianFTTCMethod
from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.synthesis import SyntheticStack, synthesise

CPU = ReconstructionConfig(device="cpu")


@pytest.fixture(scope="module")
def discs() -> SyntheticStack:
    return synthesise(3, seed=0, shape=(48, 48))


@pytest.fixture(scope="module")
def known(discs: SyntheticStack) -> tuple[DisplacementStack, TractionStack]:
    return (
        DisplacementStack(discs.displacement, unit="field"),
        TractionStack(discs.traction),
    )


@pytest.fixture(scope="module")
def results(
    discs: SyntheticStack, known: tuple[DisplacementStack, TractionStack]
) -> list[MethodScores]:
    return evaluate(
        *known,
        methods=["fttc", ORACLE],
        segmentation=discs.segmentation,
        sigmas=[0.0, 1e-3],
        config=CPU,
        example=1,
    )


def test_every_metric_of_every_field(
    results: list[MethodScores], discs: SyntheticStack
) -> None:
    assert [result.name for result in results] == ["fttc", ORACLE, ZERO]
    for result in results:
        assert list(result.samples) == list(result.noise) == [0.0, 1e-3]
        for sigma, scores in result.samples.items():
            assert tuple(scores) == METRIC_NAMES
            assert {values.shape for values in scores.values()} == {(3,)}
            found, truth = result.examples[sigma], discs.traction[1]
            labels = discs.segmentation[1]
            assert scores["dtma"][1] == metrics.dtma(found, truth, labels)
            error = metrics.sum_of_squared_errors(found, truth)
            assert scores["sum_of_squared_errors"][1] == error
    fttc = results[0].noise
    assert fttc[0.0]["sum_of_squared_errors"] < fttc[1e-3]["sum_of_squared_errors"]
    assert results[0].ms_per_field > 0


def test_predicting_zero(results: list[MethodScores], discs: SyntheticStack) -> None:
    power = np.square(discs.traction).sum(axis=(1, 2, 3)).mean()
    for scores in results[-1].noise.values():
        assert scores["sum_of_squared_errors"] == pytest.approx(power, rel=1e-5)
        assert scores["relative_squared_error"] == pytest.approx(1)
        assert (scores["dtma"], scores["dtmb"], scores["dma"]) == (-1, 0, -1)
        for name in ("snr", "direction_error_degrees", "direction_cosine"):
            assert np.isnan(scores[name])


def test_the_oracle_knows_better(results: list[MethodScores]) -> None:
    fttc, oracle, zero = results
    for sigma in (0.0, 1e-3):
        least = oracle.samples[sigma]["sum_of_squared_errors"]
        # What FTTC chooses by itself lies between two steps of the oracle's sweep.
        chosen = fttc.samples[sigma]["sum_of_squared_errors"]
        assert np.all(least < 1.005 * chosen)
        assert np.all(least < zero.samples[sigma]["sum_of_squared_errors"])


def test_the_same_seed_gives_the_same_scores(
    known: tuple[DisplacementStack, TractionStack],
) -> None:
    def of_seed(seed: int) -> dict[float, dict[str, float]]:
        arguments = {"methods": ["fttc"], "sigmas": [1e-3], "config": CPU}
        return evaluate(*known, seed=seed, **arguments)[0].noise

    assert of_seed(3) == of_seed(3)
    assert of_seed(3) != of_seed(4)


def test_noise_differs_between_levels_by_its_strength_alone(
    known: tuple[DisplacementStack, TractionStack],
) -> None:
    stack, _ = known
    weak, strong = (
        with_noise(stack, sigma, 7).data - stack.data for sigma in (1e-3, 2e-3)
    )
    np.testing.assert_allclose(strong, 2 * weak, atol=1e-8)
    assert weak.std() == pytest.approx(1e-3, rel=0.02)
    np.testing.assert_allclose(with_noise(stack, 0, 7).data, stack.data, rtol=1e-6)


def test_units_do_not_matter(
    known: tuple[DisplacementStack, TractionStack], discs: SyntheticStack
) -> None:
    arguments = {"methods": ["fttc"], "sigmas": [1e-4], "config": CPU}
    reference = evaluate(*known, **arguments)[0].noise[1e-4]
    displacement, truth = discs.on_gel(young_pa=5000, spacing_um=0.7)
    gel = Substrate(Gel(young_pa=5000))
    measured = evaluate(displacement, truth, substrate=gel, **arguments)[0]
    for name, value in measured.noise[1e-4].items():
        assert value == pytest.approx(reference[name], rel=1e-3), name
    with pytest.raises(FieldError, match="Young's modulus is required"):
        evaluate(displacement, truth, **arguments)


def test_what_does_not_belong_together(
    known: tuple[DisplacementStack, TractionStack],
) -> None:
    displacement, truth = known
    with pytest.raises(FieldError, match="differ in shape"):
        evaluate(displacement, TractionStack(truth.data[:2]), methods=["fttc"])


@pytest.mark.parametrize(
    ("methods", "sigmas", "reason"),
    [
        (["fttc", "nothere"], [0.0], "no model 'nothere'"),
        (["fttc"], [], "at least one noise level"),
    ],
)
def test_what_cannot_be_compared_is_told_before_anything_runs(
    known: tuple[DisplacementStack, TractionStack],
    methods: list[str],
    sigmas: list[float],
    reason: str,
) -> None:
    told: list[tuple[str, float]] = []
    with pytest.raises(TFMError, match=reason):
        evaluate(
            *known,
            methods=methods,
            sigmas=sigmas,
            config=CPU,
            on_result=lambda *what: told.append(what),
        )
    assert told == []


def test_a_grid_that_a_method_does_not_take_is_told_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BayesianFTTCMethod, "grid", (32, 32))
    made = synthesise(1, seed=0, shape=(32, 40))
    told: list[tuple[str, float]] = []
    with pytest.raises(TFMError, match="only on square fields"):
        evaluate(
            DisplacementStack(made.displacement, unit="field"),
            TractionStack(made.traction),
            methods=["fttc", "bayesian-fttc"],
            config=CPU,
            on_result=lambda *what: told.append(what),
        )
    assert told == []


def test_methods_may_be_called_something_else(
    known: tuple[DisplacementStack, TractionStack],
) -> None:
    told: list[tuple[str, float]] = []
    results = evaluate(
        *known,
        methods=["fttc"],
        names={"fttc": "classical"},
        sigmas=[0.0],
        config=CPU,
        on_result=lambda *what: told.append(what),
    )
    assert [result.name for result in results] == ["classical", ZERO]
    assert told == [("classical", 0.0), (ZERO, 0.0)]


def test_regions_of_traction_are_patches() -> None:
    truth = np.zeros((2, 6, 7, 2), dtype=np.float32)
    truth[0, 1:3, 1:4, 0] = 1
    truth[0, 4, 5, 1] = -1
    # Neighbours at a corner are apart.
    truth[1, 2, 2] = truth[1, 3, 3] = 0.5
    labels = connected_patches(truth)
    assert labels.max(axis=(1, 2)).tolist() == [2, 2]
    np.testing.assert_array_equal(labels > 0, truth.any(axis=-1))
    assert np.unique(labels[0, 1:3, 1:4]).size == 1


def test_median_field() -> None:
    powers = np.array([9.0, 1.0, 4.0, 25.0])
    truth = np.zeros((4, 3, 3, 2))
    truth[:, 1, 1, 0] = np.sqrt(powers)
    assert median_field(truth) == 2


def test_what_is_not_defined_does_not_count() -> None:
    assert mean_of_defined(np.array([1.0, np.nan, 3.0])) == 2
    assert np.isnan(mean_of_defined(np.array([np.nan])))
