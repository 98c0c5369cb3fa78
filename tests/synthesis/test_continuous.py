"""Continuous tractions, and pairs of spots: where they are and how they pull."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from napari_vit_tfm.benchmark.held_out.gel import FINER, Canvas, Traction
from napari_vit_tfm.physics.raster import raster_displacement
from napari_vit_tfm.synthesis import (
    AdhesionDistribution,
    BandDistribution,
    ColonyDistribution,
    FibreDistribution,
    FineTractions,
    FrontDistribution,
    LayerDistribution,
    MixtureDistribution,
    SpotDistribution,
    synthesise,
)

SHAPE = (48, 56)


def drawn(distribution: Any, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Displacement in steps and traction of one field, ``(H, W, 2)``."""
    pattern = distribution.draw(np.random.default_rng(seed), SHAPE)
    displacement, traction = pattern.on_grid(SHAPE)
    return displacement[0] * (SHAPE[1] - 1), traction[0]


def smoothness(traction: np.ndarray) -> float:
    """Correlation of neighbours along a row."""
    a, b = traction[:, 1:].ravel(), traction[:, :-1].ravel()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def test_two_simulations_agree() -> None:
    """Squares of a third of a step, and a spectral response on quarters of one."""
    canvas = Canvas(SHAPE, 2)

    def bump(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.exp(-((x - 20) ** 2 + (y - 30) ** 2) / (2 * 3.0**2))

    fine = np.stack([bump(canvas.x, canvas.y), -0.5 * bump(canvas.x, canvas.y)])
    expected = Traction(canvas, fine.astype(np.float32)).displacement()
    assert FINER != 3
    y, x = ((np.arange(3 * n) - 1) / 3 for n in SHAPE)
    one = bump(x[None, :], y[:, None])[None].astype(np.float32)
    found, traction = FineTractions(one, -0.5 * one).on_grid(SHAPE)
    error = np.moveaxis(found[0], -1, 0) * (SHAPE[1] - 1) - expected
    assert np.abs(error).max() < 1e-3 * np.abs(expected).max()
    # Forces are kept.
    assert traction[0, ..., 0].sum() == pytest.approx(one.sum() / 9, rel=1e-6)


def test_a_colony_s_cells_may_balance() -> None:
    one = {"cells": (1, 1), "extent": (0.2, 0.2), "spread": 0.1, "softness": (2.0, 2.0)}
    for seed in range(4):
        rng = np.random.default_rng(seed)
        balanced = ColonyDistribution(balanced_share=1.0, **one).draw(rng, SHAPE)
        x, y = balanced.x[0].astype(float), balanced.y[0].astype(float)
        total = np.abs(x).sum() + np.abs(y).sum()
        assert max(abs(x.sum()), abs(y.sum())) < 1e-4 * total
        rows, columns = np.mgrid[0 : x.shape[0], 0 : x.shape[1]]
        middle = np.array(x.shape) / 2
        torque = (columns - middle[1]) * y - (rows - middle[0]) * x
        assert abs(torque.sum()) < 1e-4 * np.abs(torque).sum()
        free = ColonyDistribution(balanced_share=0.0, **one).draw(rng, SHAPE)
        assert abs(free.x.sum()) > 1e-3 * np.abs(free.x).sum()


def test_a_cell_of_a_single_node_balances_too() -> None:
    tiny = ColonyDistribution(
        cells=(1, 1),
        extent=(0.02, 0.02),
        softness=(0.1, 0.1),
        balanced_share=1.0,
        spread=0.4,
    )
    # With this seed the cell covers one square alone.
    fine = tiny.draw(np.random.default_rng(269), (16, 16))
    x, y = (part[0] for part in (fine.x, fine.y))
    assert np.abs(x).max() < 1e-6
    assert np.abs(y).max() < 1e-6


def test_a_colony_is_smooth_inside_and_nothing_outside() -> None:
    one = {"cells": (1, 1), "extent": (0.25, 0.25), "spread": 0.1}
    smooth = drawn(ColonyDistribution(length=(10.0, 10.0), **one))[1]
    rough = drawn(ColonyDistribution(length=(0.7, 0.7), **one))[1]
    assert smoothness(smooth) > 0.9 > smoothness(rough)
    there = np.hypot(smooth[..., 0], smooth[..., 1]) > 0
    assert 0.1 < there.mean() < 0.6
    assert not there[:4, :4].any()


def test_a_band_pulls_inwards_at_the_edge() -> None:
    distribution = BandDistribution(
        extent=(0.3, 0.3), width=(2.0, 2.0), balanced_share=0.0, spread=0.0
    )
    for seed in range(4):
        traction = drawn(distribution, seed)[1]
        rows, columns = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
        outwards = np.stack([columns - SHAPE[1] / 2, rows - SHAPE[0] / 2], axis=-1)
        pull = (traction * outwards).sum()
        assert pull < -0.6 * (np.abs(traction) * np.abs(outwards)).sum()
        magnitude = np.hypot(traction[..., 0], traction[..., 1])
        assert magnitude[SHAPE[0] // 2, SHAPE[1] // 2] < 0.1 * magnitude.max()


def unexplained(displacement: np.ndarray, traction: np.ndarray) -> float:
    """Share of the displacement that the field's own tractions do not make."""
    made = np.stack(raster_displacement(*np.moveaxis(traction, -1, 0)), axis=-1)
    rest = displacement - made
    rest = rest - rest.mean(axis=(0, 1))
    return float(np.square(rest).sum() / np.square(displacement).sum())


@pytest.mark.parametrize("distribution", [LayerDistribution(), FrontDistribution()])
def test_layers_go_on_beyond_the_border(distribution: Any) -> None:
    shares = [unexplained(*drawn(distribution, seed)) for seed in range(4)]
    assert np.median(shares) > 0.02
    inside = [
        unexplained(*drawn(ColonyDistribution(spread=0.0, extent=(0.1, 0.2)), seed))
        for seed in range(4)
    ]
    assert max(inside) < 0.01


def test_a_layer_is_everywhere_and_a_front_has_a_free_side() -> None:
    layer = drawn(LayerDistribution(length=(3.0, 3.0)))[1]
    assert (np.hypot(layer[..., 0], layer[..., 1]) > 0).mean() > 0.99
    free = []
    for seed in range(6):
        front = drawn(FrontDistribution(), seed)[1]
        free.append((np.hypot(front[..., 0], front[..., 1]) == 0).mean())
    assert 0.05 < np.median(free) < 0.95


def test_a_fibre_pulls_its_ends_towards_each_other() -> None:
    fibres = FibreDistribution(count=(5, 9)).draw(np.random.default_rng(1), SHAPE)
    n = fibres.profile.shape[1] // 2
    start, end = fibres.centre[0, :n], fibres.centre[0, n:]
    pull = fibres.traction[0, :n]
    np.testing.assert_allclose(fibres.traction[0, n:], -pull)
    along = (pull * (end - start)).sum(axis=1)
    lengths = np.linalg.norm(pull, axis=1) * np.linalg.norm(end - start, axis=1)
    np.testing.assert_allclose(along, lengths)
    margins = np.concatenate([start, end])
    assert (margins > 0).all()
    assert (margins < np.array(SHAPE[::-1]) - 1).all()


def test_spots_stand_out_of_the_traction_below_them() -> None:
    traction = drawn(SpotDistribution(weight=(1.0, 1.0)), 3)[1]
    magnitude = np.hypot(traction[..., 0], traction[..., 1])
    covered = (magnitude > 0.02 * magnitude.max()).mean()
    strong = (magnitude > 0.5 * magnitude.max()).mean()
    assert strong < 0.05 < covered


def test_a_mixture_has_several_kinds_and_is_the_same_for_the_same_seed() -> None:
    made = [
        synthesise(3, seed=5, shape=SHAPE, distribution=MixtureDistribution())
        for _ in range(2)
    ]
    np.testing.assert_array_equal(made[0].traction, made[1].traction)
    assert all(np.abs(field).max() > 0 for field in made[0].traction)
    assert not np.array_equal(made[0].traction[0], made[0].traction[1])


def test_regions_of_traction_are_numbered() -> None:
    x = np.zeros((1, 3 * SHAPE[0], 3 * SHAPE[1]), dtype=np.float32)
    x[0, 30:45, 30:45] = 1.0
    x[0, 90:120, 60:90] = 0.5
    x[0, 6:12, 6:12] = 0.05
    numbers = FineTractions(x, 0 * x).segmentation(SHAPE)
    assert numbers.max() == 2
    assert numbers[0, 12, 12] != numbers[0, 35, 25] != 0
    assert numbers[0, 3, 3] == 0


def test_random_tractions_have_their_length_in_all_directions() -> None:
    """A Gaussian's correlation, or what power ``(1 + k^2 l^2 / tail)^-tail`` makes."""
    layer = LayerDistribution(length=(3.0, 3.0), uneven=0.0, margin=0.0)
    lag = 3 * 6
    # Two lengths apart, with tails of two and four, and without any.
    known = np.array([0.134, 0.239, np.exp(-1)])
    met = set()
    for seed in range(12):
        pattern = layer.draw(np.random.default_rng(seed), (120, 144))
        x = np.concatenate([pattern.x, pattern.y]).astype(float)
        power = np.square(x).mean()
        found = [
            (x[:, lag:] * x[:, :-lag]).mean() / power,
            (x[:, :, lag:] * x[:, :, :-lag]).mean() / power,
        ]
        nearest = np.abs(np.mean(found) - known).argmin()
        np.testing.assert_allclose(found, known[nearest], atol=0.09)
        met.add(nearest)
    assert met == {0, 1, 2}


@pytest.mark.parametrize(
    "distribution",
    [ColonyDistribution(cells=(1, 1), extent=(0.1, 0.1)), LayerDistribution()],
)
def test_typical_tractions_are_of_sane_size(distribution: Any) -> None:
    typical = []
    for seed in range(20):
        pattern = distribution.draw(np.random.default_rng(seed), SHAPE)
        square = np.square(pattern.x, dtype=float) + np.square(pattern.y, dtype=float)
        stressed = square[square > 1e-4 * square.max()]
        typical.append(float(np.sqrt(stressed.mean())))
    assert 0.0099 < min(typical) < 0.03 < 0.08 < max(typical) < 0.201


def test_a_colony_s_cells_may_pull_inwards() -> None:
    cells = ColonyDistribution(
        cells=(1, 1), extent=(0.3, 0.3), spread=0.0, pull=30.0, balanced_share=0.0
    )
    rows, columns = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    outwards = np.stack([columns - SHAPE[1] / 2, rows - SHAPE[0] / 2], axis=-1)
    share = []
    for seed in range(12):
        traction = drawn(cells, seed)[1]
        size = np.linalg.norm(traction, axis=-1) * np.linalg.norm(outwards, axis=-1)
        share.append((traction * outwards).sum() / size.sum())
    # Every other one does.
    assert 3 <= (np.array(share) < -0.9).sum() <= 9


def test_a_front_pulls_away_from_its_free_side_most_of_all_at_the_edge() -> None:
    front = FrontDistribution(decay=(4.0, 4.0), length=(1.5, 3.0))
    deep, shallow, cosine = [], [], []
    for seed in range(8):
        pattern = front.draw(np.random.default_rng(seed), SHAPE)
        traction = np.stack([pattern.x[0], pattern.y[0]]).astype(float)
        strength = np.hypot(*traction)
        there = strength > 0
        places = np.indices(there.shape)[::-1]
        into = places[:, there].mean(axis=1) - places[:, ~there].mean(axis=1)
        pull = traction[:, there].mean(axis=1)
        cosine.append(pull @ into / np.linalg.norm(pull) / np.linalg.norm(into))
        depth = distance_transform_edt(there) / 3
        shallow.append(strength[(depth > 4) & (depth < 6)].mean())
        deep.append(strength[depth > 16].mean())
    assert min(cosine) > 0.9
    assert np.median(np.divide(deep, shallow)) < 0.6


def test_a_layer_s_margin_is_a_share_of_the_longer_side() -> None:
    for distribution, margin in ((LayerDistribution(), 28), (FrontDistribution(), 22)):
        pattern = distribution.draw(np.random.default_rng(0), SHAPE)
        assert pattern.margin == margin
        assert pattern.x.shape == (1, *(3 * (n + 2 * margin) for n in SHAPE))


def test_the_weight_of_a_kind_is_not_that_of_its_magnitude() -> None:
    weak, strong = (
        drawn(SpotDistribution(spots=AdhesionDistribution(magnitude=magnitude)))[1]
        for magnitude in (0.01, 1.0)
    )
    np.testing.assert_allclose(weak, strong, rtol=1e-3, atol=1e-6)


def test_fibres_lie_in_their_direction_and_may_lie_outside() -> None:
    rng = np.random.default_rng(3)
    fibres = FibreDistribution(count=(30, 30), order=0.1, margin=12).draw(rng, SHAPE)
    n = fibres.profile.shape[1] // 2
    along = fibres.centre[0, n:] - fibres.centre[0, :n]
    along = np.tile(along / np.linalg.norm(along, axis=1)[:, None], (2, 1))
    np.testing.assert_allclose(fibres.direction[0], along)
    # The longer axis.
    assert (fibres.semi_axes[0, :, 0] >= fibres.semi_axes[0, :, 1]).all()
    outside = (fibres.centre[0] < 0) | (fibres.centre[0] > np.array(SHAPE[::-1]) - 1)
    assert outside.any()
    order = []
    for _ in range(20):
        others = FibreDistribution(count=(30, 30), order=0.1).draw(rng, SHAPE)
        x, y = others.direction[0].T
        # The nematic order: one where all are parallel.
        order.append(abs(np.mean((x + 1j * y) ** 2)))
    assert min(order) < 0.4 < 0.95 < max(order)
