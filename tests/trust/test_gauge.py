"""Tests of the gauge of unfamiliar fields."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from napari_vit_tfm import ReconstructionConfig, load_method, reconstruct
from napari_vit_tfm.benchmark.held_out import simulate, with_noise
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.models import ReconstructionMethod
from napari_vit_tfm.physics import Substrate, estimate_noise, surface_displacement
from napari_vit_tfm.synthesis import KINDS, synthesise
from napari_vit_tfm.trust.features import FEATURES, features_of
from napari_vit_tfm.trust.gauge import (
    MOST_STRAIN,
    NOT_JUDGED,
    REASONS,
    Familiarity,
    bundled_classifier,
    familiarity,
    judges,
    largest_gradient,
    unexplained_motion,
)

SIDE = 64
CONFIG = ReconstructionConfig(device="cpu")


@cache
def network() -> ReconstructionMethod:
    """The bundled network."""
    return load_method(CONFIG)


def judgement(steps: np.ndarray, gel: Gel | None = None) -> Familiarity:
    """What the gauge says about a displacement in grid steps."""
    gel = gel or Gel()
    stack = DisplacementStack(
        steps[None].astype(np.float32), unit="grid", spacing_um=1.0, gel=gel
    )
    traction = reconstruct(stack, config=CONFIG, method=network()).data[0]
    model = surface_displacement(traction, Substrate(gel), spacing_um=1.0)
    return familiarity(steps, traction, model, Substrate(gel), spacing_um=1.0)


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


def test_forces_beyond_the_border_are_familiar() -> None:
    flagged = []
    for kind in ("neighbour", "layer", "ring", "mixture", "front"):
        displacement, _ = simulate(kind, 2, seed=3, shape=(SIDE, SIDE))
        displacement /= displacement.std(axis=(1, 2, 3), keepdims=True)
        noisy = with_noise(displacement, "5%", seed=3).astype(np.float64)
        found = [judgement(0.05 * steps) for steps in noisy]
        flagged += [(kind, one.reason) for one in found if one.is_unfamiliar]
    # The gauge is set to err in a few percent of such fields.
    assert len(flagged) <= 1, flagged


@pytest.mark.parametrize("kind", ["discs", "adhesions"])
def test_large_gradients_at_edges_of_patches_are_familiar(kind: str) -> None:
    made = synthesise(4, seed=1, shape=(SIDE, SIDE), distribution=KINDS[kind]())
    steps = made.displacement.astype(np.float64) * (SIDE - 1)
    assert max(largest_gradient(one) for one in steps) > MOST_STRAIN
    assert not any(judgement(one).is_unfamiliar for one in steps)
    assert judgement(4 * steps[0]).reason == "strain"


def test_discs_of_the_original_work_are_familiar(reference: Path) -> None:
    with np.load(reference / "discs_dev.npz", allow_pickle=False) as arrays:
        steps = arrays["displacement"][:4].astype(np.float64) * 103
    assert max(largest_gradient(one) for one in steps) > MOST_STRAIN
    assert not any(judgement(one).is_unfamiliar for one in steps)


@pytest.mark.parametrize("kind", ["cells", "adhesions", "pads"])
def test_gel_of_half_the_thickness_is_noticed(kind: str) -> None:
    made = synthesise(2, seed=2, shape=(SIDE, SIDE), distribution=KINDS[kind]())
    rng = np.random.default_rng(2)
    for traction in made.traction:
        steps = surface_displacement(
            traction, Substrate(Gel(thickness_um=5.0)), spacing_um=1.0
        )
        steps *= 0.1 / largest_gradient(steps)
        steps += 0.02 * steps.std() * rng.standard_normal(steps.shape)
        assert not judgement(steps, Gel(thickness_um=5.0)).is_unfamiliar
        wrong = judgement(steps, Gel(thickness_um=10.0))
        assert wrong.is_unfamiliar
        assert wrong.reason == "layer"


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


def test_noise_may_be_given() -> None:
    steps = field("cells")
    traction, model = np.gradient(steps, axis=(0, 1))
    noise = estimate_noise(*np.moveaxis(steps, -1, 0))
    expected = features_of(steps, traction, model)
    found = features_of(steps, traction, model, noise=noise)
    np.testing.assert_allclose(found, expected)
    doubled = replace(noise, variance=4 * noise.variance)
    found = features_of(steps, traction, model, noise=doubled)
    place = FEATURES.index("noise")
    assert found[place] == pytest.approx(2 * expected[place])


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


def test_unexplained_motion_is_shear_and_rotation_without_dilation() -> None:
    y, x = (part - 15.5 for part in np.indices((32, 32)))
    rotation, shear, dilation = (
        np.stack(part, axis=-1) for part in ((-y, x), (y, x), (x, y))
    )
    assert unexplained_motion(0.01 * rotation) == pytest.approx(0.02)
    assert unexplained_motion(0.01 * shear) == pytest.approx(0.02)
    assert unexplained_motion(0.01 * dilation) == pytest.approx(0, abs=1e-9)


def test_the_features_are_those_to_which_the_gauge_was_fitted() -> None:
    """Whoever changes a feature has to fit the gauge again, and to change these."""
    y, x = np.indices((48, 64))

    def spot(row: int, column: int, width: int) -> np.ndarray:
        return np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))

    along = 0.05 * (spot(24, 16, 3) - spot(24, 48, 3))
    down = 0.02 * (spot(12, 32, 2) - spot(36, 32, 2))
    traction = np.stack([along, down], axis=-1)
    model = surface_displacement(traction)
    waves = np.stack(
        [
            np.sin(x / 9) * np.cos(y / 7) + 0.3 * np.cos(3 * x + y),
            np.cos(x / 5 + 1) * np.sin(y / 11) + 0.3 * np.sin(2 * y - x),
        ],
        axis=-1,
    )
    steps = model + 0.05 * model.std() * waves
    scores = bundled_classifier().scores(features_of(steps, traction, model))
    expected = {
        "layer": -1.2756,
        "divergence": -4.4235,
        "linear": -4.9551,
        "smooth": 2.1301,
        "small": -4.5076,
        "large": -2.8636,
    }
    assert scores == pytest.approx(expected, abs=0.01)


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
