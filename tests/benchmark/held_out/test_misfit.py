"""Held-out fields that do not fit the model of the gel."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.benchmark.held_out import MISFITS, simulate
from napari_vit_tfm.benchmark.held_out.gel import Canvas, Traction, half_space, layer
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics import Substrate, surface_displacement


@pytest.fixture
def drawn() -> Traction:
    canvas = Canvas((32, 40), 4)
    fine = canvas.empty()
    is_inside = (abs(canvas.x - 14) < 4) & (abs(canvas.y - 18) < 3)
    fine[0] = 0.1 * is_inside
    fine[1] = -0.05 * is_inside
    return Traction(canvas, fine)


@pytest.mark.parametrize("misfit", MISFITS)
def test_the_tractions_are_the_same(misfit: str) -> None:
    fitting, other = (
        simulate("pads", 1, seed=0, shape=(40, 48), misfit=name)
        for name in ("", misfit)
    )
    np.testing.assert_array_equal(other[1], fitting[1])
    changed = np.square(other[0] - fitting[0]).sum() / np.square(fitting[0]).sum()
    assert 0.001 < changed < 5


def test_a_layer_moves_as_the_package_computes(drawn: Traction) -> None:
    made = np.moveaxis(drawn.displacement(layer(drawn.canvas, 6.0)), 0, -1)
    expected = surface_displacement(
        np.moveaxis(drawn.at_nodes(), 0, -1),
        Substrate(Gel(thickness_um=6.0)),
        spacing_um=1.0,
    )
    assert np.square(made - expected).sum() < 1e-3 * np.square(expected).sum()


def test_a_short_response_is_exact_near_the_tractions(drawn: Traction) -> None:
    whole = drawn.displacement()
    short = drawn.displacement(half_space(drawn.canvas, 12.0))
    np.testing.assert_allclose(
        short[:, 17:20, 13:16], whole[:, 17:20, 13:16], atol=0.02 * abs(whole).max()
    )
    assert abs(short[:, :, 36:]).max() < 0.05 * abs(whole[:, :, 36:]).max()
