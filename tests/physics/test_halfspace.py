"""Responses of the gel: closed forms and limits."""

from __future__ import annotations

import numpy as np

from napari_vit_tfm.physics.halfspace import (
    displacement_of,
    half_space_response,
    layer_response,
)
from napari_vit_tfm.synthesis import synthesise


def test_the_forward_solution_is_that_of_the_closed_form() -> None:
    discs = synthesise(2, seed=3)
    traction = discs.traction.astype(float)
    found = np.stack(displacement_of(traction[..., 0], traction[..., 1]), axis=-1)
    expected = discs.displacement.astype(float) * 103
    for field in (found, expected):
        field -= field.mean(axis=(1, 2), keepdims=True)
    error = np.square(found - expected).sum() / np.square(expected).sum()
    # Rasterised discs have another area than true ones; that is what is left.
    assert error < 0.01


def test_a_thick_layer_is_a_half_space_and_a_thin_one_shears() -> None:
    k = np.array([0.1, 0.5, 2.0])
    for thick, half in zip(
        layer_response(k, poisson=0.45, thickness_steps=1e4),
        half_space_response(k, poisson=0.45),
        strict=True,
    ):
        np.testing.assert_allclose(thick, half, rtol=1e-9)
    for thin in layer_response(k, poisson=0.45, thickness_steps=1e-4):
        np.testing.assert_allclose(thin, 2 * 1.45 * 1e-4, rtol=1e-3)
