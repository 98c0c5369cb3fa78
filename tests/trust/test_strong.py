"""Tests of the features of strong and weak tractions."""

import numpy as np
import pytest
from scipy import ndimage

from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics import Substrate, surface_displacement
from napari_vit_tfm.trust.features import FEATURES, features_of
from napari_vit_tfm.trust.strong import STRONG_FEATURES, strong_traction

SIDE = 64


def layer(thickness: float) -> Substrate:
    return Substrate(Gel(thickness_um=thickness))


def pads() -> np.ndarray:
    """Tractions of four pads that pull towards the centre."""
    traction = np.zeros((SIDE, SIDE, 2))
    traction[30:34, 14:18, 0], traction[30:34, 46:50, 0] = 0.1, -0.1
    traction[14:18, 30:34, 1], traction[46:50, 30:34, 1] = 0.1, -0.1
    return traction


def found(
    steps: np.ndarray, traction: np.ndarray, substrate: Substrate | None = None
) -> dict[str, float]:
    model = surface_displacement(traction, substrate, spacing_um=1.0)
    values = features_of(steps, traction, model, substrate, spacing_um=1.0)
    return dict(zip(FEATURES, values, strict=True))


@pytest.mark.parametrize("thickness", [6.0, 12.0])
def test_the_thickness_that_explains_the_field_has_more_evidence(
    thickness: float,
) -> None:
    stated, half = layer(thickness), layer(thickness / 2)
    noise = np.random.default_rng(0).normal(0, 0.002, (SIDE, SIDE, 2))
    right = surface_displacement(pads(), stated, spacing_um=1.0) + noise
    wrong = surface_displacement(pads(), half, spacing_um=1.0) + noise
    evidence = ("evidence of half the thickness", "evidence of a thinner gel")
    for name in evidence:
        assert found(right, pads(), stated)[name] < 0
        assert found(wrong, pads(), stated)[name] > 1
    thick = surface_displacement(pads(), spacing_um=1.0) + noise
    assert found(thick, pads(), half)["evidence of a thicker gel"] > 1
    assert found(right, pads(), stated)["evidence of a thicker gel"] < 0


def test_a_layer_is_noticed_on_the_reference_gel() -> None:
    on_layer = surface_displacement(pads(), layer(5.0), spacing_um=1.0)
    infinite = surface_displacement(pads())
    for steps, is_thin in ((on_layer, True), (infinite, False)):
        values = found(steps, pads())
        assert (values["evidence of a thinner gel"] > 0) == is_thin
        assert values["evidence of a thicker gel"] == 0


def test_weak_tractions_around_strong_ones() -> None:
    around = ndimage.gaussian_filter(pads(), (4, 4, 0))
    steps = surface_displacement(pads())
    against, along = (found(steps, pads() + c * around) for c in (-0.3, 0.3))
    name = "weak traction along strong"
    assert against[name] < -0.5
    assert along[name] > 0.5
    assert found(steps, pads())[name] == 0


def test_strong_tractions_are_a_quarter_of_the_typical_one_or_more() -> None:
    traction = pads()
    traction[5, 5], traction[50, 50] = (0.02, 0.0), (0.03, 0.0)
    strong = np.moveaxis(strong_traction(np.moveaxis(traction, -1, 0)), 0, -1)
    assert not strong[5, 5].any()
    assert strong[50, 50].tolist() == [0.03, 0.0]
    np.testing.assert_array_equal(strong[10:48], traction[10:48])


def test_strong_features_are_the_last_ones() -> None:
    assert FEATURES[-len(STRONG_FEATURES) :] == STRONG_FEATURES
