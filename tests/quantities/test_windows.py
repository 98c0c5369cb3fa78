"""What a displacement tells of the width of its interrogation windows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from napari_vit_tfm.benchmark.held_out import simulate
from napari_vit_tfm.quantities.windows import UNKNOWN, SquaredWidth, Windows
from napari_vit_tfm.synthesis import correlated
from napari_vit_tfm.trust.conditions import Conditions

CLEAN = Conditions(0.0, 0.0, 1.0)


def displacement(
    kind: str, window: float, *, noise: float = 0.0, seed: int = 3
) -> npt.NDArray[np.float32]:
    """Displacement of one field, averaged over windows."""
    fields, _ = simulate(kind, 1, seed=seed, shape=(96, 96), window_steps=window)
    rng = np.random.default_rng(seed)
    size = fields.std() * noise
    return (fields[0] + rng.normal(0, size, fields[0].shape)).astype(np.float32)


def found_in(field: npt.NDArray[np.float32], noise: float = 0.0) -> SquaredWidth:
    return Windows(field, Conditions(noise, 0.0, 1.0)).squared_width


@pytest.mark.parametrize("kind", ["adhesions", "mixture", "fibres"])
def test_fine_structures_tell_the_width(kind: str) -> None:
    narrow, usual, wide = (
        found_in(displacement(kind, window, noise=0.003), 0.003)
        for window in (0.0, 2.0, 3.0)
    )
    assert narrow.mean < 1
    assert usual.mean == pytest.approx(4, abs=1.5)
    assert wide.mean > 6
    assert usual.deviation < UNKNOWN.deviation


def test_noise_hides_the_width() -> None:
    found = found_in(displacement("adhesions", 2.0, noise=3.0), 3.0)
    assert found.mean == pytest.approx(UNKNOWN.mean, abs=0.5)
    assert found.deviation == pytest.approx(UNKNOWN.deviation, abs=0.5)


def test_noise_is_not_taken_for_detail() -> None:
    field = displacement("adhesions", 3.0, noise=0.05)
    assert found_in(field, 0.05).mean > 4
    assert found_in(field, 0.0).mean < 1


def test_correlated_noise_is_not_taken_for_detail() -> None:
    field = displacement("adhesions", 3.0)
    white = np.random.default_rng(1).normal(size=(2, *field.shape[:2]))
    made = np.moveaxis(np.asarray(correlated(white, np.full(2, 0.7))), 0, -1)
    noisy = field + 0.03 * field.std() / made.std() * made
    known, too_short, too_long = (
        Windows(noisy, Conditions(0.03, length, 1.0)).squared_width.mean
        for length in (0.7, 0.35, 1.4)
    )
    assert known > 8
    assert too_short < 7
    assert too_long < 1


@pytest.mark.parametrize("noise", [0.003, 0.02])
def test_a_rotation_does_not_matter(noise: float) -> None:
    field = displacement("mixture", 3.0)
    size = field.std()
    rng = np.random.default_rng(1)
    noisy = field + rng.normal(0, noise * size, field.shape)
    rows, columns = (part - 47.5 for part in np.indices(field.shape[:2]))
    rotation = np.stack([-rows, columns], axis=-1)
    turned = noisy + 10 * size / rotation.std() * rotation
    # Noise is relative to the displacement with its rotation.
    same, other = (
        Windows(one, Conditions(noise * size / one.std(), 0.0, 1.0)).squared_width
        for one in (noisy, turned)
    )
    assert other.mean == pytest.approx(same.mean, abs=0.3)
    assert other.deviation == pytest.approx(same.deviation, abs=0.3)


def test_unit_drift_and_orientation_do_not_matter() -> None:
    field = displacement("adhesions", 2.0)
    same = found_in(field)
    drifting = 40 * field + np.float32([3.0, -2.0])
    turned = np.ascontiguousarray(field.transpose(1, 0, 2)[..., ::-1])
    for other in (drifting, turned):
        assert found_in(other).mean == pytest.approx(same.mean, rel=0.02)


@pytest.mark.parametrize("shape", [(4, 4), (5, 9), (8, 8), (8, 40)])
def test_small_fields_have_a_width(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    field = rng.normal(size=(*shape, 2))
    found = Windows(field, CLEAN).squared_width
    assert 0 <= found.mean <= 9
    assert 0 <= found.deviation <= 4.5


def test_no_displacement_tells_nothing() -> None:
    still = Windows(np.zeros((16, 16, 2)), CLEAN).squared_width
    assert still.mean == pytest.approx(UNKNOWN.mean)
    assert still.deviation == pytest.approx(UNKNOWN.deviation)
