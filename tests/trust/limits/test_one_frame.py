"""The smallest forces that could have been found, at places of one frame."""

from dataclasses import replace

import numpy as np
import pytest

from napari_vit_tfm.config import LimitsConfig
from napari_vit_tfm.errors import Cancelled
from napari_vit_tfm.physics import surface_displacement
from napari_vit_tfm.physics.noise import Noise
from napari_vit_tfm.trust.limits import detection_limits
from napari_vit_tfm.trust.noise import estimated_noise
from two_adhesions import SIDE, inverted, measured

SIZE = 4.0
PLACE = np.array([[30, 20], [12, 20]])
FEW = LimitsConfig(n_without=40)


def test_forces_at_the_limit_are_found() -> None:
    steps, traction = measured(0.01)
    limits = detection_limits(
        steps, traction, PLACE, reconstruct=inverted, size_steps=SIZE
    )
    rng = np.random.default_rng(2)
    still = surface_displacement(traction)
    row, column = np.indices((SIDE, SIDE))
    n, found, alarms = 60, np.zeros(2), np.zeros(2)
    for _ in range(n):
        turn = rng.uniform(0, 2 * np.pi)
        along = np.array([np.cos(turn), np.sin(turn)])
        for number, (r, c) in enumerate(PLACE):
            inside = np.hypot(row - r, column - c) < SIZE / 2
            share = inside[..., None] / inside.sum()
            added = surface_displacement(share * limits.smallest_force[number] * along)
            with_it = still + added + rng.normal(0, 0.01, steps.shape)
            found[number] += limits.found(inverted(with_it[None])[0], along)[number]
        without = still + rng.normal(0, 0.01, steps.shape)
        alarms += limits.found(inverted(without[None])[0], along)
    assert (0.75 * n <= found).all()
    assert found.mean() <= 0.99 * n
    assert (alarms <= 0.15 * n).all()
    assert alarms.sum() > 0


def test_limits_grow_with_the_noise() -> None:
    weak, strong = (
        detection_limits(
            *measured(noise), PLACE, reconstruct=inverted, size_steps=SIZE, config=FEW
        )
        for noise in (0.005, 0.02)
    )
    ratio = strong.smallest_force / weak.smallest_force
    np.testing.assert_allclose(ratio, 4, rtol=0.4)
    # A linear method reconstructs the same share at any noise.
    np.testing.assert_allclose(weak.surviving_share, strong.surviving_share, atol=0.25)
    assert (weak.resolution_steps >= 2).all()
    assert (weak.resolution_steps < 10).all()


def test_method_that_halves_tractions_reconstructs_half() -> None:
    steps, traction = measured(0.005)
    whole, half = (
        detection_limits(
            *(steps, traction, PLACE),
            reconstruct=lambda steps, factor=factor: factor * inverted(steps),
            size_steps=SIZE,
            config=FEW,
        )
        for factor in (1.0, 0.5)
    )
    np.testing.assert_allclose(half.threshold, whole.threshold / 2, rtol=1e-6)
    np.testing.assert_allclose(
        half.surviving_share, whole.surviving_share / 2, rtol=0.2
    )


def test_progress_and_cancellation() -> None:
    steps, traction = measured(0.01)
    seen: list[tuple[int, int]] = []

    def is_cancelled() -> bool:
        return len(seen) >= 3

    with pytest.raises(Cancelled):
        detection_limits(
            *(steps, traction, PLACE),
            reconstruct=inverted,
            size_steps=SIZE,
            config=FEW,
            on_progress=lambda done, total: seen.append((done, total)),
            is_cancelled=is_cancelled,
        )
    assert [done for done, _ in seen] == [8, 16, 24]
    assert len({total for _, total in seen}) == 1


def test_progress_ends_at_the_total() -> None:
    steps, traction = measured(0.01)
    seen: list[tuple[int, int]] = []
    detection_limits(
        *(steps, traction, PLACE[:1]),
        reconstruct=inverted,
        size_steps=SIZE,
        config=FEW,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1][0] == seen[-1][1]


def test_progress_does_not_go_back_when_more_forces_are_tried() -> None:
    steps, traction = measured(0.01)
    seen: list[tuple[int, int]] = []
    limits = detection_limits(
        *(steps, traction, PLACE),
        # Nothing is ever found, so that all further rounds are needed.
        reconstruct=lambda steps: np.random.default_rng(0).normal(size=steps.shape),
        size_steps=SIZE,
        config=FEW,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert np.isinf(limits.smallest_force).all()
    done = [one for one, _ in seen]
    assert done == sorted(done)
    assert len(set(done)) > 10
    assert {total for _, total in seen} == {done[-1]}


def test_noise_is_estimated_once_for_all_batches(monkeypatch) -> None:
    steps, traction = measured(0.01)
    calls = []

    def spy(fields: np.ndarray) -> Noise:
        calls.append(len(fields))
        return estimated_noise(fields)

    monkeypatch.setattr("napari_vit_tfm.trust.limits.one_frame.estimated_noise", spy)
    detection_limits(
        *(steps, traction, PLACE[:1]), reconstruct=inverted, size_steps=SIZE, config=FEW
    )
    assert calls == [1]


def test_limits_along_a_direction() -> None:
    """A method that gives noise along y finds forces along x alone."""
    steps, traction = measured(0.01)
    rng = np.random.default_rng(3)

    def blind(steps: np.ndarray) -> np.ndarray:
        found = inverted(steps)
        found[..., 1] = rng.normal(0, 0.01, found.shape[:-1])
        return found

    along_x, along_y = (
        detection_limits(
            *(steps, traction, PLACE[:1]),
            reconstruct=blind,
            size_steps=SIZE,
            config=replace(FEW, direction_deg=direction),
        )
        for direction in (0.0, 90.0)
    )
    assert along_x.surviving_share[0] > 0.3
    assert along_x.smallest_force[0] > 0
    # No force is found, however strong.
    assert along_y.smallest_force[0] == np.inf


def test_forces_far_above_the_threshold_are_tried() -> None:
    """A method that suppresses weak tractions: its threshold is nearly zero."""
    steps, traction = measured(0.01)

    def suppressing(steps: np.ndarray) -> np.ndarray:
        found = inverted(steps)
        return np.where(np.abs(found) > 0.05, found, 1e-4 * found)

    limits = detection_limits(
        *(steps, traction, PLACE[:1]),
        reconstruct=suppressing,
        size_steps=SIZE,
        config=FEW,
    )
    ratio = limits.smallest_force[0] / limits.threshold[0]
    assert 30 < ratio < np.inf
    assert 0 < limits.surviving_share[0] < 1
