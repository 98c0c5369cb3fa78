"""Displacement of a surface under known tractions."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics import (
    Substrate,
    disc_displacement,
    layer_response,
    surface_displacement,
)


def pair_of_patches() -> np.ndarray:
    traction = np.zeros((48, 64, 2))
    traction[20:26, 14:20, 0], traction[20:26, 40:46, 0] = 0.1, -0.1
    traction[30:34, 30:34, 1] = 0.05
    return traction


def test_a_disc_on_a_half_space_has_its_known_displacement() -> None:
    at = (np.arange(512) + 0.5) / 8 - 32
    fine = np.hypot(at, at[:, None]) < 6.0
    traction = np.zeros((64, 64, 2))
    traction[..., 0] = 0.1 * fine.reshape(64, 8, 64, 8).mean(axis=(1, 3))
    found = surface_displacement(traction)
    at = np.arange(64) - 31.5
    known = disc_displacement(
        at, at, np.zeros((1, 2)), np.array([6.0]), np.array([[0.1, 0.0]])
    )
    np.testing.assert_allclose(found, known, atol=0.015 * np.abs(known).max())


@pytest.mark.parametrize("thickness_um", [300.0, 1500.0])
def test_a_thick_layer_is_a_half_space(thickness_um: float) -> None:
    traction = pair_of_patches()
    layer = Substrate(Gel(thickness_um=thickness_um))
    found = surface_displacement(traction, layer, spacing_um=1.0)
    expected = surface_displacement(traction)
    assert np.abs(found - expected).max() < 0.03 * np.abs(expected).max()
    work, known = ((traction * u).sum() for u in (found, expected))
    assert work == pytest.approx(known, rel=0.01)


def test_a_thin_layer_is_in_simple_shear() -> None:
    traction = np.zeros((96, 96, 2))
    traction[:, :, 0] = 0.1 * np.exp(-((np.arange(96) - 48) ** 2) / 2 / 16.0**2)
    layer = Substrate(Gel(poisson=0.4, thickness_um=1.0))
    found = surface_displacement(traction, layer, spacing_um=1.0)
    assert found[48, 48, 0] == pytest.approx(0.1 * 2 * 1.4, rel=0.02)
    along, _ = layer_response(np.array([1e-4]), poisson=0.4, thickness_steps=1.0)
    assert float(along[0]) == pytest.approx(2.8, rel=1e-3)


def test_the_same_layer_on_grids_of_other_sizes_moves_the_same() -> None:
    traction = pair_of_patches()
    layer = Substrate(Gel(thickness_um=8.0))
    small = surface_displacement(traction, layer, spacing_um=1.0)
    large = surface_displacement(
        np.pad(traction, [(0, 60), (0, 90), (0, 0)]), layer, spacing_um=1.0
    )[:48, :64]
    np.testing.assert_allclose(small, large, atol=2e-3 * np.abs(small).max())


def test_a_layer_needs_the_spacing() -> None:
    with pytest.raises(FieldError, match="needs the vector spacing"):
        surface_displacement(pair_of_patches(), Substrate(Gel(thickness_um=8.0)))
