"""Methods that a comparison has and a user has not."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.benchmark import metrics
from napari_vit_tfm.benchmark.solvers import fttc_oracle
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics import Substrate, displacement_of
from napari_vit_tfm.synthesis import synthesise


def test_the_oracle_inverts_its_own_gel() -> None:
    truth = np.zeros((1, 32, 40, 2), dtype=np.float32)
    truth[0, 10:20, 12:25] = [0.2, -0.1]
    gel = Substrate(Gel(poisson=0.3))
    steps = displacement_of(
        *np.moveaxis(truth.astype(float), -1, 0), response=gel.response(), pad=False
    )
    stack = DisplacementStack(np.stack(steps, axis=-1), unit="grid")
    errors = [
        metrics.relative_squared_error(
            fttc_oracle(stack, truth, substrate=substrate), truth
        )
        for substrate in (gel, Substrate())
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
