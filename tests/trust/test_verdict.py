"""Tests of the sentences about a residual."""

from dataclasses import replace

import numpy as np
import pytest

from napari_vit_tfm import ReconstructionConfig, load_method, reconstruct
from napari_vit_tfm.benchmark.held_out import simulate, with_noise
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.models import ReconstructionMethod
from napari_vit_tfm.physics import Substrate, surface_displacement
from napari_vit_tfm.trust.verdict import (
    residual_in_words,
    unexplained_of,
    verdicts_in_words,
    verdicts_of,
)

SIDE = 64
CONFIG = ReconstructionConfig(device="cpu", residual=True)


@pytest.fixture(scope="module")
def network() -> ReconstructionMethod:
    return load_method(CONFIG)


@pytest.fixture(scope="module")
def cell() -> tuple[np.ndarray, np.ndarray]:
    """Displacement in grid steps with 5% of noise, and tractions, ``(1, H, W, 2)``."""
    displacement, traction = simulate("adhesions", 1, seed=3, shape=(SIDE, SIDE))
    return with_noise(displacement, "5%", seed=3) * (SIDE - 1), traction


def run(
    steps: np.ndarray, network: ReconstructionMethod, **known: object
) -> TractionStack:
    stack = DisplacementStack(
        steps * 0.5, unit="um", spacing_um=0.5, gel=Gel(young_pa=5000, **known)
    )
    return reconstruct(stack, config=CONFIG, method=network)


def said(steps: np.ndarray, network: ReconstructionMethod, **known: object) -> str:
    return residual_in_words(run(steps, network, **known))


def size(steps: np.ndarray) -> float:
    about = steps - steps.mean(axis=(1, 2))
    return float(np.sqrt(np.square(about).sum(axis=-1).mean()))


def test_a_good_field(
    cell: tuple[np.ndarray, np.ndarray], network: ReconstructionMethod
) -> None:
    words = said(cell[0], network)
    assert words.startswith("the tractions explain 99.")
    assert "as far as the noise allows (chi squared" in words


def test_large_numbers_are_not_powers_of_ten(
    cell: tuple[np.ndarray, np.ndarray], network: ReconstructionMethod
) -> None:
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    turned = 0.3 * np.stack([-y, x], axis=-1)
    stack = DisplacementStack(
        (cell[0] + turned) * 1000, unit="um", spacing_um=1000.0, gel=Gel(young_pa=5000)
    )
    words = residual_in_words(reconstruct(stack, config=CONFIG, method=network))
    assert "e+" not in words
    assert ",000 \N{MICRO SIGN}m wide" in words


def test_a_drift_changes_nothing(
    cell: tuple[np.ndarray, np.ndarray], network: ReconstructionMethod
) -> None:
    assert "as far as" in said(cell[0] + np.float32(3 * size(cell[0])), network)


def test_a_rotation(
    cell: tuple[np.ndarray, np.ndarray], network: ReconstructionMethod
) -> None:
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    turn = np.stack([y, -x], axis=-1)
    angle = 0.4 * size(cell[0]) / np.sqrt(np.square(turn).sum(axis=-1).mean())
    words = said((cell[0] + angle * turn).astype(np.float32), network)
    assert words.startswith("something is unexplained: ")
    assert "a rotation by" in words
    degrees = float(words.split("a rotation by ")[1].split("\N{DEGREE SIGN}")[0])
    assert degrees == pytest.approx(np.degrees(angle), rel=0.15)


def test_a_force_beyond_the_border(
    cell: tuple[np.ndarray, np.ndarray], network: ReconstructionMethod
) -> None:
    wide = np.zeros((SIDE, SIDE + 40, 2))
    wide[20:32, -12:-4, 1] = 0.05
    beyond = surface_displacement(wide)[:, 20:-20]
    beyond *= 1.5 * size(cell[0]) / size(beyond[None])
    words = said((cell[0] + beyond).astype(np.float32), network)
    assert "strongest at the right border, as with forces beyond it" in words


def test_wrong_vectors(
    cell: tuple[np.ndarray, np.ndarray], network: ReconstructionMethod
) -> None:
    steps = cell[0].copy()
    rng = np.random.default_rng(0)
    # All in one direction, they would look like an adhesion.
    steps[0, 52:56, 8:12] += rng.normal(0, 2 * size(steps), (4, 4, 2))
    verdict = verdicts_of(run(steps, network))[0]
    place = verdict.remainder.places[0]
    assert np.hypot(place.x - 9.5, place.y - 53.5) < 5


def test_a_point_of_divergence(
    cell: tuple[np.ndarray, np.ndarray], network: ReconstructionMethod
) -> None:
    y, x = np.indices((SIDE, SIDE))
    to = np.stack([x - 50, y - 14], axis=-1)
    away = to / (np.square(to).sum(axis=-1) + 9)[..., None]
    steps = cell[0] + 4 * size(cell[0]) * away
    words = said(steps.astype(np.float32), network)
    assert "most of what is left points away from x = 2" in words
    assert "a normal force would have to pull with" in words
    unknown = replace(run(steps.astype(np.float32), network), gel=Gel())
    assert "normal force" not in residual_in_words(unknown)


def test_a_gel_that_is_thinner_than_said(network: ReconstructionMethod) -> None:
    _, traction = simulate("adhesions", 1, seed=3, shape=(SIDE, SIDE))
    thin = Substrate(Gel(thickness_um=3.0))
    steps = surface_displacement(traction, thin, spacing_um=0.5)
    rng = np.random.default_rng(0)
    steps += rng.normal(0, 0.02 * size(steps), steps.shape)
    assert "as far as" in said(steps, network, thickness_um=3.0)
    assert said(steps, network).startswith("something is unexplained")


def test_noise_alone(network: ReconstructionMethod) -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, (1, SIDE, SIDE, 2))
    words = said(noise, network)
    assert "as far as the noise allows" in words


def test_a_film(
    cell: tuple[np.ndarray, np.ndarray], network: ReconstructionMethod
) -> None:
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    turn = 0.02 * size(cell[0]) * np.stack([y, -x], axis=-1)
    film = np.concatenate([cell[0], cell[0] + turn, cell[0]]).astype(np.float32)
    film[2] = 0
    traction = run(film, network)
    verdicts = verdicts_of(traction, first=10)
    assert sorted(verdicts) == [10, 11]
    words = verdicts_in_words(verdicts, traction)
    assert words.startswith("something is unexplained in 1 of 2 frames: ")
    assert "least in frame 11; long waves" in words
    assert np.isnan(unexplained_of(traction, 2)).all()
    assert unexplained_of(traction, 0).shape == (SIDE, SIDE)


def test_holes_are_bridged(
    cell: tuple[np.ndarray, np.ndarray], network: ReconstructionMethod
) -> None:
    steps = cell[0].copy()
    steps[0, 30:33, 30:33] = np.nan
    traction = run(steps, network)
    assert np.isnan(traction.companions["residual"][0, 31, 31]).all()
    assert "as far as the noise allows" in residual_in_words(traction)


def test_tractions_without_residual_say_nothing() -> None:
    plain = TractionStack(np.ones((1, 16, 16, 2)))
    assert verdicts_of(plain) == {}
    assert residual_in_words(plain) == ""


@pytest.mark.parametrize("model", ["fttc", "bayesian-fttc"])
def test_other_methods_are_compared_with_their_twins(
    cell: tuple[np.ndarray, np.ndarray], model: str
) -> None:
    stack = DisplacementStack(cell[0], unit="grid")
    config = replace(CONFIG, model=model)
    traction = reconstruct(stack, config=config)
    assert traction.records["allowance"][0] > 1
    assert "as far as" in residual_in_words(traction)
    again = reconstruct(stack, config=config)
    assert again.records["allowance"][0] == traction.records["allowance"][0]


def test_a_method_that_leaves_more_is_allowed_more(
    cell: tuple[np.ndarray, np.ndarray],
) -> None:
    stack = DisplacementStack(cell[0], unit="grid")
    options = {"regularisation": 10.0}
    config = replace(CONFIG, model="fttc", options=options)
    # The least factor of a twin is 2.5.
    assert reconstruct(stack, config=config).records["allowance"][0] > 3


def test_noise_that_is_negligible(network: ReconstructionMethod) -> None:
    displacement, _ = simulate("adhesions", 1, seed=3, shape=(SIDE, SIDE))
    words = said(displacement * (SIDE - 1), network)
    assert "as far as noise and method allow (the noise is negligible)" in words
