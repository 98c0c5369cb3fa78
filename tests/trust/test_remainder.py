"""Tests of what a residual has beyond the noise."""

import numpy as np
import pytest

from napari_vit_tfm.physics import surface_displacement
from napari_vit_tfm.trust.remainder import (
    Remainder,
    needed_allowance,
    remainder_of,
    unexplained_map,
)

SHAPE = (64, 80)
NOISE = 0.01


@pytest.fixture
def model() -> np.ndarray:
    """Displacement of two adhesions that pull towards each other."""
    traction = np.zeros((*SHAPE, 2))
    traction[28:36, 20:26, 0], traction[28:36, 54:60, 0] = 0.1, -0.1
    return surface_displacement(traction)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(1).normal(0, NOISE, (*SHAPE, 2))


def left(model: np.ndarray, residual: np.ndarray, **options: float) -> Remainder:
    return remainder_of(model, residual, variance=NOISE**2, **options)


def size(field: np.ndarray) -> float:
    about = field - field.mean(axis=(0, 1))
    return float(np.sqrt(np.square(about).sum(axis=-1).mean()))


def ramps() -> tuple[np.ndarray, np.ndarray]:
    """Positions ``(y, x)`` from the middle of the field."""
    y, x = np.indices(SHAPE)
    return y - y.mean(), x - x.mean()


def test_noise_is_explained(model: np.ndarray, noise: np.ndarray) -> None:
    assert not left(model, noise).is_unexplained
    assert not left(np.zeros_like(model), noise).is_unexplained
    assert not unexplained_map(model, noise, variance=NOISE**2).any()


def test_mean_is_no_long_wave(model: np.ndarray, noise: np.ndarray) -> None:
    assert not left(model, noise + 10 * size(model)).is_unexplained


@pytest.mark.parametrize("degrees", [0.3, -0.3])
def test_rotation(model: np.ndarray, noise: np.ndarray, degrees: float) -> None:
    y, x = ramps()
    # Counter-clockwise on the screen, where y points down: right goes up.
    turned = np.radians(degrees) * np.stack([y, -x], axis=-1)
    long = left(model, noise + turned).long_waves
    assert long.is_unexplained
    assert np.degrees(long.rotation) == pytest.approx(degrees, rel=0.05)
    assert long.strain == 0


def test_strain(model: np.ndarray, noise: np.ndarray) -> None:
    y, x = ramps()
    long = left(model, noise + np.stack([0.004 * x, -0.001 * y], axis=-1)).long_waves
    assert long.is_unexplained
    assert long.strain == pytest.approx(0.004, rel=0.05)
    assert long.rotation == 0


def test_force_beyond_the_border(model: np.ndarray, noise: np.ndarray) -> None:
    traction = np.zeros((64, 120, 2))
    traction[26:38, 4:12, 0] = 0.2
    beyond = surface_displacement(traction)[:, 20:100]
    found = left(model, noise + beyond)
    assert found.long_waves.is_unexplained
    assert found.long_waves.side == "left"


def test_wrong_vectors(model: np.ndarray, noise: np.ndarray) -> None:
    noise[50:54, 9:13] += (0.06, -0.06)
    found = left(model, noise)
    assert not found.long_waves.is_unexplained
    (place,) = found.places
    assert place.x == pytest.approx(10.5, abs=0.5)
    assert place.y == pytest.approx(51.5, abs=0.5)
    assert 3 < place.width < 9
    assert place.side == ""
    beyond = unexplained_map(model, noise, variance=NOISE**2)
    assert beyond[52, 11] > 0
    assert not beyond[:40].any()


def test_place_at_the_border(model: np.ndarray, noise: np.ndarray) -> None:
    noise[-4:, 40:46] += 0.1
    (place,) = left(model, noise).places
    assert place.side == "lower"


def test_point_of_divergence(model: np.ndarray, noise: np.ndarray) -> None:
    y, x = np.indices(SHAPE)
    to = np.stack([x - 60, y - 15], axis=-1)
    residual = noise + 0.5 * to / (np.square(to).sum(axis=-1) + 4)[..., None]
    point = left(model, residual).point
    assert point is not None
    assert np.hypot(point.x - 60, point.y - 15) <= 2
    assert point.strength > 0


def test_error_of_the_method_is_allowed_for(model: np.ndarray) -> None:
    assert not left(model, 0.03 * model).is_unexplained
    much = 0.2 * model
    assert left(model, much).is_unexplained
    needed = needed_allowance(model, much, variance=NOISE**2)
    assert needed > 1
    assert left(model, much, allowance=0.9 * needed).is_unexplained
    assert not left(model, much, allowance=1.01 * needed).is_unexplained


@pytest.mark.parametrize("length", [0.0, 1.0])
@pytest.mark.parametrize("side", [16, 48])
def test_noise_seldom_has_a_place(side: int, length: float) -> None:
    k = 2 * np.pi * np.fft.fftfreq(side)
    kept = np.exp(-np.square(k * length) / 2)
    kept = (kept[:, None] * kept)[..., None]
    rng = np.random.default_rng(3)
    model = np.zeros((side, side, 2))
    alarms = 0
    for _ in range(40):
        modes = np.fft.fft2(rng.normal(size=model.shape), axes=(0, 1)) * kept
        field = np.fft.ifft2(modes, axes=(0, 1)).real
        found = remainder_of(model, field, variance=1.0, length=length)
        alarms += found.is_unexplained
    assert alarms <= 2


def least_found(row: int, column: int) -> float:
    """Size of a bump at a node from which on it is a place, without noise."""
    y, x = np.indices(SHAPE)
    away = np.square(y - row) + np.square(x - column)
    bump = np.exp(-away / 18.0)[..., None] * [1.0, 1.0]
    for size in np.geomspace(0.1, 10, 150):
        if left(np.zeros((*SHAPE, 2)), size * NOISE * bump).places:
            return float(size)
    raise AssertionError("it is never found")


def test_more_is_needed_where_the_window_is_cut_by_the_border() -> None:
    """In a corner, a mean over fewer vectors varies more by chance."""
    middle, side, corner = (least_found(*at) for at in ((32, 40), (0, 40), (0, 0)))
    # A bump is mirrored at the border, so that its local mean square is the same.
    assert 1.02 * middle < side
    assert 1.02 * side < corner
