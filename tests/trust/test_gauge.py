"""Tests of the gauge of unfamiliar fields."""

from functools import cache

import numpy as np
import pytest

from napari_vit_tfm import ReconstructionConfig, load_method, reconstruct
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.models import ReconstructionMethod
from napari_vit_tfm.physics import surface_displacement
from napari_vit_tfm.synthesis import KINDS, synthesise
from napari_vit_tfm.trust.features import FEATURES, features_of
from napari_vit_tfm.trust.gauge import (
    NOT_JUDGED,
    REASONS,
    Familiarity,
    bundled_classifier,
    familiarity,
    judges,
)
from napari_vit_tfm.trust.whitening import estimated_noise

SIDE = 64
CONFIG = ReconstructionConfig(device="cpu")


@cache
def network() -> ReconstructionMethod:
    """The bundled network."""
    return load_method(CONFIG)


def judgement(steps: np.ndarray) -> Familiarity:
    """What the gauge says about a displacement in grid steps."""
    stack = DisplacementStack(steps[None].astype(np.float32), unit="grid")
    traction = reconstruct(stack, config=CONFIG, method=network()).data[0]
    return familiarity(steps, traction, surface_displacement(traction))


def field(kind: str, *, noise: float = 0.05, seed: int = 0) -> np.ndarray:
    """A field of a training kind in grid steps, with a largest gradient of 0.1."""
    made = synthesise(1, seed=seed, shape=(SIDE, SIDE), distribution=KINDS[kind]())
    steps = made.displacement[0].astype(np.float64)
    steps *= 0.1 / max(np.abs(np.gradient(steps, axis=axis)).max() for axis in (0, 1))
    rng = np.random.default_rng(seed)
    return steps + noise * steps.std() * rng.standard_normal(steps.shape)


def test_fields_of_the_training_are_familiar() -> None:
    kinds = ("cells", "adhesions", "colony", "fibres", "band", "pads")
    flagged = [kind for kind in kinds if judgement(field(kind)).is_unfamiliar]
    assert flagged == []


def rotated(steps: np.ndarray) -> np.ndarray:
    y, x = np.indices(steps.shape[:2]) - (SIDE - 1) / 2
    return steps + 0.05 * np.stack([-y, x], axis=-1)


def in_points(steps: np.ndarray) -> np.ndarray:
    """Point forces between the nodes."""
    rng = np.random.default_rng(3)
    made = np.zeros_like(steps)
    nodes = np.stack(np.indices(steps.shape[:2])[::-1], axis=-1)
    for place in rng.uniform(6, SIDE - 6, (60, 2)):
        away = nodes - place
        r = np.maximum(np.hypot(away[..., 0], away[..., 1]), 0.1)[..., None]
        force = rng.normal(size=2)
        made += (0.51 * force + 0.49 * (away @ force)[..., None] * away / r**2) / r
    return made * 0.02


def noise_alone(steps: np.ndarray) -> np.ndarray:
    return np.random.default_rng(4).normal(0, 0.1, steps.shape)


def strained(steps: np.ndarray) -> np.ndarray:
    return 6 * steps


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (rotated, "linear"),
        (in_points, "small"),
        (noise_alone, "noise"),
        (strained, "strain"),
    ],
)
def test_faults_are_named(fault, reason: str) -> None:
    for kind in ("cells", "colony"):
        found = judgement(fault(field(kind)))
        assert found.is_unfamiliar
        assert found.reason == reason


def test_amplitude_does_not_matter() -> None:
    steps = field("cells")
    stack = DisplacementStack(steps[None].astype(np.float32), unit="grid")
    traction = reconstruct(stack, config=CONFIG, method=network()).data[0]
    model = surface_displacement(traction)
    one, other = (features_of(c * steps, c * traction, c * model) for c in (1.0, 1e-3))
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_known_noise_is_as_good_as_an_estimate() -> None:
    steps = field("cells")
    traction = np.random.default_rng(0).normal(size=steps.shape)
    noise = estimated_noise(steps[None])[0]
    np.testing.assert_allclose(
        features_of(steps, traction, surface_displacement(traction), noise),
        features_of(steps, traction, surface_displacement(traction)),
        rtol=1e-6,
        atol=1e-6,
    )


def test_features_have_names() -> None:
    rng = np.random.default_rng(0)
    for shape in ((32, 32), (40, 57), (200, 128)):
        traction = rng.normal(size=(*shape, 2))
        model = surface_displacement(traction)
        found = features_of(1.1 * model, traction, model)
        assert found.shape == (len(FEATURES),)
        assert np.isfinite(found).all()


def test_known_features() -> None:
    rng = np.random.default_rng(0)
    traction = np.zeros((48, 48, 2))
    traction[20:24, 10:14, 0], traction[20:24, 34:38, 0] = 1, -1
    model = surface_displacement(traction)
    rms = model.std(axis=(0, 1)).mean()
    steps = 0.5 * model + rng.normal(0, 0.01 * rms, model.shape)
    found = dict(zip(FEATURES, features_of(steps, traction, model), strict=True))
    # Half of the model is missing from the measured displacement.
    assert found["missing across in band 1"] == pytest.approx(0.5, abs=0.05)
    assert found["net force"] == pytest.approx(0, abs=1e-9)
    assert found["force at border"] == 0
    assert found["missing"] > 0.9


def test_what_is_not_judged() -> None:
    zero, small = np.zeros((SIDE, SIDE, 2)), np.ones((16, 64, 2))
    assert familiarity(zero, zero, zero) is NOT_JUDGED
    assert familiarity(small, small, small) is NOT_JUDGED
    assert not NOT_JUDGED.is_unfamiliar


def test_gauge_belongs_to_the_bundled_network() -> None:
    assert judges(network().sha256)
    assert not judges("")
    scores = bundled_classifier().scores(np.zeros(len(FEATURES)))
    assert set(scores) < set(REASONS)
