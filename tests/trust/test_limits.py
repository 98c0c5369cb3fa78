"""Tests of the limits of detection."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_vit_tfm.config import LimitsConfig
from napari_vit_tfm.errors import Cancelled, ConfigError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics import fttc, surface_displacement
from napari_vit_tfm.physics.noise import Noise
from napari_vit_tfm.trust.limits import (
    DetectionMap,
    detection_limits,
    detection_map,
    grid_of_places,
)
from napari_vit_tfm.trust.limits.trials import _limit, threshold_of
from napari_vit_tfm.trust.noise import estimated_noise, size_of

SIDE = 40
SIZE = 4.0
PLACE = np.array([[30, 20], [12, 20]])
FEW = LimitsConfig(n_without=40)


def inverted(steps: np.ndarray) -> np.ndarray:
    """Tractions by FTTC of fixed regularisation: a linear method."""
    found = fttc(steps[..., 0], steps[..., 1], regularisation=0.1)
    return np.stack(found, axis=-1)


def measured(noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Displacement of two adhesions with noise, and its tractions."""
    traction = np.zeros((SIDE, SIDE, 2))
    traction[8:14, 4:10, 0], traction[8:14, 30:36, 0] = 0.05, -0.05
    rng = np.random.default_rng(1)
    steps = surface_displacement(traction) + rng.normal(0, noise, traction.shape)
    return steps, inverted(steps[None])[0]


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


def test_threshold_and_limit_of_known_distributions() -> None:
    drawn = np.random.default_rng(0).normal(size=(20_000, 1, 2))
    # The 95% point of a normal distribution.
    assert threshold_of(drawn, None) == pytest.approx(1.645, rel=0.03)
    force = np.geomspace(0.3, 3, 400)
    found = force > np.exp(np.random.default_rng(0).normal(0, 0.2, 400))
    assert 1.25 < _limit(force, found, 1.0) < 1.45


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


def stacks(young_pa: float | None) -> tuple[DisplacementStack, TractionStack]:
    steps, traction = measured(0.01)
    displacement = DisplacementStack(
        steps[None].astype(np.float32) * 0.5, unit="um", spacing_um=0.5
    )
    return displacement, TractionStack(
        traction[None].astype(np.float32) * (young_pa or 1.0),
        unit="1" if young_pa is None else "Pa",
        spacing_um=0.5,
        gel=Gel(young_pa=young_pa),
        model="fttc",
    )


def map_of(
    young_pa: float | None,
    config: LimitsConfig,
    *,
    hole: bool = False,
    **options: Any,
) -> DetectionMap:
    """The map of a stack of one frame on a gel."""
    displacement, traction = stacks(young_pa)
    if hole:
        traction.data[0, :8] = np.nan

    def reconstruct(stack: DisplacementStack) -> TractionStack:
        found = inverted(stack.in_grid_steps().astype(np.float64))
        data = found.astype(np.float32) * np.float32(young_pa or 1.0)
        return replace(traction, data=data, records={})

    return detection_map(
        displacement, traction, reconstruct=reconstruct, config=config, **options
    )


def test_map_is_in_nanonewtons() -> None:
    config = LimitsConfig(step_patches=2, n_without=40)
    plain, physical = map_of(None, config), map_of(10_000.0, config)
    assert plain.smallest_force.shape == (1, 3, 3)
    assert plain.in_known_units()[1] != "nN"
    force, unit = physical.in_known_units()
    assert unit == "nN"
    # E h^2 = 10 kPa x (0.5 um)^2 = 2.5 nN.
    np.testing.assert_allclose(force, 2.5 * plain.smallest_force, rtol=0.02)
    assert "nN" in physical.sentence()
    assert "2 \N{MICRO SIGN}m in diameter" in physical.sentence()


def test_kept_reconstructions_change_nothing() -> None:
    config = LimitsConfig(n_without=40)
    kept: dict[int, np.ndarray] = {}
    first = map_of(None, config, place=(12, 20), kept=kept)
    assert kept[0].shape == (40, SIDE, SIDE, 2)
    seen: list[int] = []
    again = map_of(
        None,
        config,
        place=(12, 20),
        kept=kept,
        on_progress=lambda _, total: seen.append(total),
    )
    # 34 reconstructions, and 6 in a further round, if one is needed.
    assert set(seen) == {40}
    np.testing.assert_array_equal(again.smallest_force, first.smallest_force)
    np.testing.assert_array_equal(again.resolution_steps, first.resolution_steps)


def test_one_place_has_a_sentence_of_its_own() -> None:
    config = LimitsConfig(n_without=40, direction_deg=90.0)
    found = map_of(10_000.0, config, place=(30, 20))
    assert (found.row.tolist(), found.column.tolist()) == ([30], [20])
    assert "median" not in found.sentence()
    assert "at 90\N{DEGREE SIGN} to x" in found.sentence()


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


def test_exceptions_are_named() -> None:
    found = map_of(10_000.0, LimitsConfig(n_without=40, step_patches=2))
    assert "no force" not in found.sentence()
    assert "noise" not in found.sentence()
    force = found.smallest_force.copy()
    force[0, 1] = np.inf
    some = replace(found, smallest_force=force)
    assert "median of 6 places" in some.sentence()
    assert "At 3 more places, no force would have been found." in some.sentence()
    clean = replace(found, noise_share=np.array([1e-5]))
    assert "hardly any noise" in clean.sentence()
    assert "hardly any noise" in clean.in_short()
    none = replace(found, smallest_force=np.full_like(force, np.inf))
    assert none.sentence() == "No force would have been found."


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


@pytest.mark.parametrize("size_um", [0.4, 11.0])
def test_size_must_suit_the_field(size_um: float) -> None:
    with pytest.raises(ConfigError, match="must have 1 to 20"):
        map_of(None, LimitsConfig(size_um=size_um))


def test_no_limits_in_holes() -> None:
    config = LimitsConfig(step_patches=2, n_without=40)
    found = map_of(10_000.0, config, hole=True)
    assert np.isnan(found.smallest_force[0, 0]).all()
    assert np.isfinite(found.smallest_force[0, 1:]).all()


def test_size_in_um_needs_a_spacing() -> None:
    displacement, traction = stacks(None)
    displacement = DisplacementStack(displacement.data, unit="grid")
    traction = replace(traction, spacing_um=None)
    with pytest.raises(ConfigError, match="spacing"):
        detection_map(
            displacement,
            traction,
            reconstruct=lambda _: traction,
            config=LimitsConfig(size_um=2.0),
        )


def test_no_limits_in_a_frame_without_displacement() -> None:
    displacement, traction = stacks(10_000.0)
    still = displacement.with_data(np.zeros_like(displacement.data))
    found = detection_map(
        still,
        replace(traction, data=np.zeros_like(traction.data)),
        reconstruct=lambda _: pytest.fail("nothing is reconstructed"),
        config=FEW,
    )
    assert np.isnan(found.smallest_force).all()


def test_a_chosen_place_must_have_room_for_the_adhesion() -> None:
    with pytest.raises(ConfigError, match="beyond the border"):
        map_of(None, LimitsConfig(size_um=4.0), place=(4, 20))


def test_whole_adhesions_are_in_the_field() -> None:
    # Sides of which the places would be at the border without a margin.
    for n in (33, 65):
        row, column = grid_of_places((n, n + 1), 16, margin=3)
        for places, side in ((row, n), (column, n + 1)):
            assert places.min() >= 3
            assert places.max() <= side - 4
    # Adhesions of eight steps reach five steps far.
    config = LimitsConfig(step_patches=2, n_without=40, size_um=4.0)
    assert map_of(None, config).row.tolist() == [11, 27]


def test_noise_of_noise_alone_is_all_of_the_displacement() -> None:
    white = np.random.default_rng(0).normal(size=(64, 64, 2))
    for length in (0.0, 0.8, 1.2):
        noise = gaussian_filter(white, (length, length, 0))
        found = estimated_noise(noise[None]).standard_deviation().item()
        assert found / size_of(noise) == pytest.approx(1, abs=0.15)


def test_places_are_inside() -> None:
    for n in (8, 40, 104):
        row, column = grid_of_places((n, n + 3), 16)
        assert row.min() >= 0
        assert row.max() < n
        assert column.max() < n + 3
