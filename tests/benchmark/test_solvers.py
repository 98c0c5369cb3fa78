"""Methods that a comparison has and a user has not."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.benchmark import metrics
from napari_vit_tfm.benchmark.solvers import fttc_oracle, load_solvers
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics import (
    Substrate,
    displacement_of,
    fttc,
    periodic_component,
)
from napari_vit_tfm.reconstruction import reconstruct
from napari_vit_tfm.synthesis import synthesise


def test_the_oracle_inverts_its_own_gel() -> None:
    truth = np.zeros((1, 32, 40, 2), dtype=np.float32)
    truth[0, 10:20, 12:25] = [0.2, -0.1]
    # Two grid steps of gel.
    gel = Substrate(Gel(poisson=0.3, thickness_um=1.0))
    steps = displacement_of(
        *np.moveaxis(truth.astype(float), -1, 0),
        response=gel.response(spacing_um=0.5),
        pad=False,
    )
    stack = DisplacementStack(np.stack(steps, axis=-1), unit="grid", spacing_um=0.5)
    errors = [
        metrics.relative_squared_error(
            fttc_oracle(stack, truth, substrate=substrate), truth
        )
        for substrate in (gel, Substrate(Gel(poisson=0.3)))
    ]
    # All that is lost is the mean, which displaces nothing of a periodic field.
    lost = np.square(truth.mean(axis=(1, 2))).sum() / np.square(truth).sum(-1).mean()
    assert errors[0] == pytest.approx(lost, rel=0.05)
    assert errors[1] > 1.2 * errors[0]


def test_the_oracle_does_not_see_a_drift() -> None:
    # Rounded, so that adding the drift loses nothing.
    made = synthesise(1, seed=1, shape=(40, 40))
    steps = np.round(made.displacement * 39 * 2**12) / 2**12
    longest = np.ceil(np.abs(steps).max())
    found = [
        fttc_oracle(
            DisplacementStack(steps + drift, unit="grid"),
            made.traction,
            substrate=Substrate(),
        )
        for drift in (0.0, 50 * longest * np.array([1.0, -1.0]))
    ]
    size = np.abs(found[0]).max()
    np.testing.assert_allclose(found[1], found[0], atol=1e-6 * size)


def test_every_field_has_the_border_and_regularisation_that_suit_it() -> None:
    rng = np.random.default_rng(0)
    truth = synthesise(3, seed=1, shape=(40, 40)).traction.astype(float)
    x, y = np.moveaxis(truth, -1, 0)
    periodic = displacement_of(x[:1], y[:1], pad=False)
    alone = displacement_of(x[1:], y[1:])
    x, y = (np.concatenate(parts) for parts in zip(periodic, alone, strict=True))
    # The first is clean; the second has a strain, the third much noise.
    noise = np.array([0.0, 0.02, 0.5])[:, None, None]
    x, y = (part + noise * rng.normal(size=part.shape) for part in (x, y))
    x[1] += 0.1 * np.arange(40.0)
    x, y = (part - part.mean(axis=(1, 2), keepdims=True) for part in (x, y))
    around = ((0, 0), (0, 40), (0, 40))
    borders = [
        (x, y),
        (periodic_component(x), periodic_component(y)),
        (np.pad(x, around), np.pad(y, around)),
    ]
    errors = np.array(
        [
            [
                metrics.sum_of_squared_errors(
                    np.stack(fttc(*field, regularisation=r), axis=-1)[:, :40, :40],
                    truth,
                )
                for r in np.geomspace(1e-3, 1e5, 65)
            ]
            for field in borders
        ]
    )
    stack = DisplacementStack(np.stack([x, y], axis=-1), unit="grid")
    found = fttc_oracle(stack, truth.astype(np.float32), substrate=Substrate())
    least = metrics.sum_of_squared_errors(found, truth)
    np.testing.assert_allclose(least, errors.min(axis=(0, 1)), rtol=1e-4)
    assert set(errors.min(axis=1).argmin(axis=0)) == {0, 1, 2}


def test_a_method_is_told_the_gel() -> None:
    gel = Substrate(Gel(young_pa=3000.0, poisson=0.3, thickness_um=2.0))
    made = synthesise(1, seed=1, shape=(40, 40))
    stack = DisplacementStack(made.displacement, unit="field", spacing_um=0.5)
    config = ReconstructionConfig(model="fttc", device="cpu")
    ((_, solver),) = load_solvers(["fttc"], stack, substrate=gel, config=config)
    expected = reconstruct(stack, substrate=gel, config=config)
    np.testing.assert_allclose(
        solver(stack, made.traction) * 3000, expected.data, rtol=1e-4, atol=1e-3
    )
