"""Windows: weights, and agreement with the solution of the whole field."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_vit_tfm.config import WindowConfig
from napari_vit_tfm.models import load
from napari_vit_tfm.models.windows import Windows, traction_in_windows, traction_of
from napari_vit_tfm.physics import bayesian_fttc, raster_displacement
from napari_vit_tfm.synthesis import synthesise

SMALL = WindowConfig(side=64, overlap=32, margin=6)


def nothing() -> None:
    pass


def in_windows(
    solve: Callable[[Tensor], Tensor],
    displacement: Tensor,
    config: WindowConfig,
    batch_size: int = 8,
) -> Tensor:
    shape = displacement.shape[-2], displacement.shape[-1]
    return traction_in_windows(
        solve,
        displacement,
        windows=Windows(shape, config),
        batch_size=batch_size,
        check=nothing,
    )


def simulated(n: int, shape: tuple[int, int], seed: int = 3) -> tuple[Tensor, Tensor]:
    fields = synthesise(n, seed=seed, shape=shape)
    displacement, traction = (
        torch.from_numpy(np.moveaxis(part, -1, 1).copy())
        for part in (fields.displacement, fields.traction)
    )
    return displacement, traction


def relative_squared(difference: Tensor, truth: Tensor) -> float:
    return float(difference.square().sum() / truth.square().sum())


@pytest.mark.parametrize(
    "shape", [(257, 40), (257, 300), (129, 128), (700, 513), (40, 1000), (128, 128)]
)
@pytest.mark.parametrize("config", [WindowConfig(), SMALL])
def test_windows_cover_the_field_and_weights_add_up_to_one(
    shape: tuple[int, int], config: WindowConfig
) -> None:
    windows = Windows(shape, config)
    total = np.zeros(shape)
    parts = list(windows)
    assert len(parts) == len(windows)
    for window in parts:
        assert total[window.rows, window.columns].shape == windows.shape_of_each
        assert window.weights.min() >= 0
        total[window.rows, window.columns] += window.weights
    np.testing.assert_allclose(total, 1.0, atol=1e-12)


def test_weights_are_smooth_and_zero_at_edges_inside_the_field() -> None:
    config = WindowConfig()
    first, *_, last = Windows((600, 40), config)
    assert (first.weights[-config.margin :] == 0).all()
    assert (last.weights[: config.margin] == 0).all()
    assert (first.weights[0] == 1).all()
    assert (last.weights[-1] == 1).all()
    for window in (first, last):
        assert np.abs(np.diff(window.weights, axis=0)).max() < 0.06


def test_neighbouring_windows_overlap_by_at_least_the_overlap() -> None:
    for n in range(129, 700, 13):
        parts = list(Windows((n, 20)))
        for one, other in pairwise(parts):
            assert one.rows.stop - other.rows.start >= WindowConfig.overlap


def test_a_field_of_one_window_is_solved_whole() -> None:
    displacement, _ = simulated(1, (48, 64))
    found = in_windows(lambda u: 2 * u, displacement[0], SMALL)
    expected = 2 * (displacement - displacement.mean(dim=(2, 3), keepdim=True))
    torch.testing.assert_close(found, expected[0], rtol=1e-4, atol=1e-6)


def test_the_windowed_network_equals_the_whole_one_without_seams() -> None:
    network = load("vit")
    displacement, truth = simulated(1, (96, 120))
    with torch.inference_mode():
        whole = network.traction(displacement)[0]
        parts = in_windows(network.traction, displacement[0], SMALL)
    assert relative_squared(whole - truth[0], truth) < 0.02
    assert relative_squared(parts - truth[0], truth) < 0.02
    assert relative_squared(parts - whole, truth) < 0.01
    # Where windows meet, the two solutions differ no more than elsewhere.
    difference = (parts - whole).square().sum(dim=0)
    seams = np.zeros((96, 120), dtype=bool)
    for window in Windows((96, 120), SMALL):
        blended = (window.weights > 0.05) & (window.weights < 0.95)
        seams[window.rows, window.columns] |= blended
    inside = torch.from_numpy(seams)
    assert difference[inside].mean() < 2 * difference[~inside].mean() + 1e-6


def test_what_tractions_outside_a_window_displace_in_it_is_subtracted() -> None:
    displacement, _ = simulated(1, (70, 160), seed=5)
    steps = displacement[0] * 159
    steps = steps - steps.mean(dim=(1, 2), keepdim=True)
    seen: list[Tensor] = []

    def solve(displacement: Tensor) -> Tensor:
        seen.extend(displacement * (SMALL.side - 1))
        return displacement

    in_windows(solve, displacement[0], SMALL)
    for field, window in zip(seen, Windows((70, 160), SMALL), strict=True):
        part = (slice(None), window.rows, window.columns)
        outside = torch.stack(bayesian_fttc(*steps))
        outside[part] = 0
        of_outside = torch.stack(raster_displacement(*outside))[part]
        torch.testing.assert_close(
            field, steps[part] - of_outside, rtol=0, atol=1e-3 * float(steps.std())
        )
        assert of_outside.std() > 0.1 * steps[part].std()


def test_the_number_of_windows_at_once_makes_no_difference() -> None:
    network = load("vit")
    displacement, _ = simulated(1, (72, 80))
    with torch.inference_mode():
        one, many = (
            in_windows(network.traction, displacement[0], SMALL, batch_size)
            for batch_size in (1, 8)
        )
    torch.testing.assert_close(one, many, rtol=1e-3, atol=1e-4)


def test_drift_and_amplitude() -> None:
    network = load("vit")
    displacement, _ = simulated(1, (72, 80))
    drift = torch.tensor([3.0, -2.0])[:, None, None]
    with torch.inference_mode():
        one, other = (
            in_windows(network.traction, field, SMALL)
            for field in (displacement[0], 4 * displacement[0] + drift)
        )
    scale = float(one.abs().max())
    torch.testing.assert_close(other / 4, one, rtol=0, atol=2e-3 * scale)


def test_a_field_of_zeros_has_no_traction() -> None:
    network = load("vit")
    with torch.inference_mode():
        found = in_windows(network.traction, torch.zeros(2, 80, 80), SMALL)
    assert not found.any()


@pytest.mark.parametrize("n_views", [1, 4])
def test_batches_views_and_narrow_fields(n_views: int) -> None:
    network = load("vit")
    network.n_views = n_views
    displacement, truth = simulated(2, (132, 24))
    with torch.inference_mode():
        whole = network.traction(displacement)
        network.max_whole_side = 100
        found = traction_of(network, displacement, batch_size=2, check=nothing)
    of_whole = relative_squared(whole - truth, truth)
    assert relative_squared(found - truth, truth) < 1.2 * of_whole
    assert not torch.equal(found, whole)
