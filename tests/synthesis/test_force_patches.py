"""Patches on the grid, and balanced forces."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from napari_vit_tfm.config import FIELD_KINDS
from napari_vit_tfm.physics.raster import raster_displacement
from napari_vit_tfm.synthesis import (
    KINDS,
    AdhesionDistribution,
    CellDistribution,
    ColonyDistribution,
    DiscDistribution,
    Distribution,
    FibreDistribution,
    ForcePatches,
    LayerDistribution,
    PadDistribution,
)
from napari_vit_tfm.synthesis.force_patches import (
    BELL,
    DOME,
    ELLIPSE,
    GAUSSIAN,
    RECTANGLE,
    balance_forces,
)


def _patch(**changes: Any) -> ForcePatches:
    values: dict[str, Any] = {
        "centre": np.array([[[10.0, 14.0]]]),
        "semi_axes": np.array([[[6.0, 2.0]]]),
        "direction": np.array([[[1.0, 0.0]]]),
        "profile": np.array([[ELLIPSE]]),
        "traction": np.array([[[0.3, -0.1]]]),
    }
    return ForcePatches(**(values | changes))


@pytest.mark.parametrize("profile", [ELLIPSE, DOME, RECTANGLE, BELL, GAUSSIAN])
def test_the_force_is_the_mean_traction_times_the_area(profile: float) -> None:
    _, traction = _patch(profile=np.array([[profile]])).on_grid((28, 24))
    area = 24.0 * 2 if profile == RECTANGLE else np.pi * 12
    assert traction[0, ..., 0].sum() == pytest.approx(0.3 * area, rel=0.02)
    assert traction[0, ..., 1].sum() == pytest.approx(-0.1 * area, rel=0.02)


def test_a_patch_lies_where_and_as_it_should() -> None:
    cover = _patch().on_grid((28, 24))[1][0, ..., 0] > 0.15
    rows, columns = np.nonzero(cover)
    assert (rows.mean(), columns.mean()) == (14, 10)
    assert np.ptp(columns) > 2 * np.ptp(rows)
    turned = _patch(direction=np.array([[[0.0, 1.0]]])).on_grid((28, 24))[1]
    rows, columns = np.nonzero(turned[0, ..., 0] > 0.15)
    assert np.ptp(rows) > 2 * np.ptp(columns)


def test_a_dome_is_highest_in_the_middle() -> None:
    dome = np.array([[DOME]])
    traction = _patch(profile=dome).on_grid((28, 24))[1][0, ..., 0]
    assert traction[14, 10] == pytest.approx(0.6, rel=0.05)
    assert traction[14, 10] == traction.max()
    assert traction[14, 15] < 0.3


def test_a_bell_has_no_edge() -> None:
    bell = np.array([[BELL]])
    traction = _patch(profile=bell).on_grid((28, 24))[1][0, ..., 0]
    assert traction[14, 10] == pytest.approx(0.9, rel=0.07)
    assert traction[14, 15] < 0.1


def test_a_gaussian_has_the_standard_deviation_that_is_said() -> None:
    gaussian = _patch(profile=np.array([[GAUSSIAN]]), semi_axes=np.full((1, 1, 2), 6.0))
    traction = gaussian.on_grid((28, 24))[1][0, ..., 0]
    one_deviation, two_deviations = traction[14 - 2, 10 + 1], traction[14 - 4, 10 - 2]
    assert one_deviation / traction[14, 10] == pytest.approx(np.exp(-5 / 10), rel=0.05)
    assert two_deviations / traction[14, 10] == pytest.approx(np.exp(-20 / 10), rel=0.1)


def test_a_displacement_is_not_made_on_the_grid_it_is_measured_on() -> None:
    small = _patch(semi_axes=np.full((1, 1, 2), 0.5))
    displacement, traction = small.on_grid((28, 24))
    on_the_grid = raster_displacement(*np.moveaxis(traction[0], -1, 0))
    error = displacement[0, ..., 0] * 23 - on_the_grid[0]
    assert np.abs(error).max() > 0.02 * np.abs(displacement[..., 0] * 23).max()
    far = np.abs(error[:4]).max() / np.abs(on_the_grid[0][:4]).max()
    assert far < 1e-3


def test_a_window_flattens_the_displacement_and_leaves_the_traction() -> None:
    sharp, wide = (_patch().on_grid((28, 24), window=w) for w in (0.0, 3.0))
    np.testing.assert_array_equal(sharp[1], wide[1])
    assert wide[0].max() < 0.99 * sharp[0].max()


def test_the_segmentation_numbers_what_is_covered() -> None:
    both = ForcePatches(
        centre=np.array([[[5.0, 5.0], [15.0, 20.0]]]),
        semi_axes=np.full((1, 2, 2), 2.0),
        direction=np.array([[[1.0, 0.0], [1.0, 0.0]]]),
        profile=np.zeros((1, 2)),
        traction=np.array([[[0.1, 0.0], [0.0, 0.1]]]),
    )
    numbers = both.segmentation((24, 20))
    assert numbers[0, 5, 5] == 1
    assert numbers[0, 20, 15] == 2
    traction = both.on_grid((24, 20))[1]
    assert np.all((numbers > 0) == (np.abs(traction).sum(axis=-1) > 0))


def test_a_margin_brings_forces_from_outside() -> None:
    near = {"centre": np.array([[[-6.0, 14.0]]]), "semi_axes": np.full((1, 1, 2), 2.0)}
    without, _ = _patch(**near).on_grid((28, 24))
    displacement, traction = _patch(**near, margin=10).on_grid((28, 24))
    assert not without.any()
    assert not traction.any()
    # It falls off with the distance from the patch.
    assert displacement[0, 14, 0, 0] > 2 * displacement[0, 14, 20, 0] > 0
    inner, _ = _patch().on_grid((28, 24))
    np.testing.assert_allclose(_patch(margin=10).on_grid((28, 24))[0], inner, atol=1e-9)


@pytest.mark.parametrize(
    "distribution",
    [
        DiscDistribution(count=(4, 9), margin=-0.1),
        AdhesionDistribution(margin=8),
        PadDistribution(count=(3, 9), semi_axis=(1.0, 5.0)),
        FibreDistribution(margin=4),
        ColonyDistribution(),
        LayerDistribution(),
        CellDistribution(adhesions=(10, 30), offset=0.5, margin=8),
    ],
)
def test_a_joined_batch_in_torch_is_the_fields_one_by_one(
    distribution: Distribution,
) -> None:
    rng = np.random.default_rng(0)
    shape = (40, 48)
    single = [distribution.draw(rng, shape) for _ in range(5)]
    joined = type(single[0]).join(single)
    tensors = {
        field.name: torch.as_tensor(value)
        for field in fields(joined)  # type: ignore[arg-type]
        if isinstance(value := getattr(joined, field.name), np.ndarray)
    }
    batch = replace(joined, **tensors).on_grid(shape)  # type: ignore[type-var]
    for i, found in enumerate(batch):
        expected = np.concatenate([pattern.on_grid(shape)[i] for pattern in single])
        np.testing.assert_allclose(
            found.numpy(), expected, atol=2e-5 * np.abs(expected).max()
        )


def test_every_kind_has_patches_with_tractions() -> None:
    assert list(KINDS) == list(FIELD_KINDS)
    for distribution in KINDS.values():
        pattern = distribution().draw(np.random.default_rng(1), (48, 64))
        displacement, traction = pattern.on_grid((48, 64))
        numbers = pattern.segmentation((48, 64))
        assert displacement.shape == traction.shape == (1, 48, 64, 2)
        assert numbers.max() > 0
        magnitude = np.hypot(traction[..., 0], traction[..., 1])
        assert np.all(numbers[magnitude > 0.2 * magnitude.max()] > 0)


@pytest.mark.parametrize("n", [2, 12])
def test_force_and_torque_are_balanced_with_the_smallest_change(n: int) -> None:
    rng = np.random.default_rng(0)
    position, traction = rng.normal(size=(2, n, 2))
    area = rng.uniform(1, 9, n)
    balanced = balance_forces(position, area, traction)
    force = balanced * area[:, None]
    np.testing.assert_allclose(force.sum(axis=0), 0, atol=1e-12)
    torque = position[:, 0] * force[:, 1] - position[:, 1] * force[:, 0]
    assert abs(torque.sum()) < 1e-12
    zero = np.zeros(n)
    x, y = position.T
    sums = np.stack(
        [
            np.stack([area, zero], axis=1).ravel(),
            np.stack([zero, area], axis=1).ravel(),
            np.stack([-y * area, x * area], axis=1).ravel(),
        ]
    )
    change, *_ = np.linalg.lstsq(sums, sums @ traction.ravel(), rcond=None)
    np.testing.assert_allclose(traction - balanced, change.reshape(n, 2), atol=1e-12)


def test_a_single_patch_cannot_pull() -> None:
    one = np.ones((1, 1))
    balanced = balance_forces(np.ones((1, 2)), np.ones(1), one * [0.2, 0.1])
    np.testing.assert_allclose(balanced, 0, atol=1e-15)
