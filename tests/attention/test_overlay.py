"""Maps over the field, and where their colours end."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from napari_vit_tfm.attention.overlay import OverlayScale, overlay, picture
from napari_vit_tfm.attention.patches import PatchGrid

# 20 x 27 vectors: 3 x 4 patches, the lowest of four rows, the last of three columns.
GRID = PatchGrid((20, 27))
N = 12
UNIFORM = np.full((3, 4), 1 / N)


def test_overlay_of_weights_peaks_over_its_patch() -> None:
    grid = PatchGrid((20, 44))
    weights = np.zeros((grid.rows, grid.columns))
    weights[1, 3] = 0.02
    drawn = overlay(weights, np.zeros((20, 44, 2)), grid=grid)
    assert drawn.shape == (20, 44)
    assert drawn.dtype == np.float32
    row, column = np.unravel_index(drawn.argmax(), drawn.shape)
    assert grid.patch_at(column, row) == (1, 3)
    # Bilinear between patch centres: at the centre of four nodes, 15/16 per axis.
    assert drawn.max() == pytest.approx((15 / 16) ** 2, rel=1e-5)
    assert drawn[11, 10] == 0


def test_overlay_with_displacement_is_the_weighted_magnitude() -> None:
    grid = PatchGrid((16, 16))
    displacement = np.zeros((16, 16, 2))
    displacement[..., 0], displacement[..., 1] = 3.0, 4.0
    weights = np.array([[1.0, 0.0], [0.5, 0.25]])
    plain = overlay(weights, displacement, grid=grid)
    weighted = overlay(weights, displacement, grid=grid, kind="displacement")
    np.testing.assert_allclose(weighted, 5 * plain, rtol=1e-6)


def test_overlay_of_a_resampled_field_covers_the_field() -> None:
    grid = PatchGrid((160, 160), model_shape=(104, 104))
    weights = np.zeros((13, 13))
    weights[12, 0] = 1
    drawn = overlay(weights, np.zeros((160, 160, 2)), grid=grid)
    assert drawn.shape == (160, 160)
    assert drawn[-1, 0] == drawn.max() == 1


def draw(weights: Any, **options: Any) -> Any:
    displacement = np.random.default_rng(0).normal(size=(20, 27, 2))
    values = {"kind": "weights", "scale": "share", "unit": "um", "longest": 2.0}
    return displacement, picture(
        weights, displacement, grid=GRID, **{**values, **options}
    )


def test_relative_to_uniform_attention_a_uniform_map_is_one() -> None:
    _, drawn = draw(UNIFORM)
    np.testing.assert_allclose(drawn.data, 1, rtol=1e-6)
    assert drawn.data.shape == (20, 27)
    assert drawn.limits == (0, 4)
    assert drawn.title == "\N{MULTIPLICATION SIGN} uniform attention"
    displacement, weighted = draw(UNIFORM, kind="displacement")
    lengths = np.linalg.norm(displacement, axis=-1)
    np.testing.assert_allclose(weighted.data, lengths, rtol=1e-5)
    assert weighted.limits == (0, 8.0)
    _, wide = draw(UNIFORM, shares_shown=16.0)
    assert wide.limits == (0, 16)
    assert weighted.title == "\N{MICRO SIGN}m \N{MULTIPLICATION SIGN} uniform attention"


def test_relative_to_uniform_attention_ratios_are_kept() -> None:
    # Four patches of equal weight in a row: no interpolation between them.
    weights = np.repeat([[0.5], [0.25], [0.25]], 4, axis=1) / 4
    _, drawn = draw(weights)
    np.testing.assert_allclose(drawn.data[0], 0.5 / 4 * N, rtol=1e-6)
    np.testing.assert_allclose(drawn.data[-1], 0.25 / 4 * N, rtol=1e-6)


def test_the_original_scale_ends_at_the_maximum() -> None:
    weights = np.zeros((3, 4))
    weights[1, 2] = 0.3
    _, drawn = draw(weights, scale="peak")
    assert 0.8 < drawn.data.max() <= 1
    assert drawn.limits == (0, 1)
    assert drawn.title == "fraction of the maximum"
    _, weighted = draw(weights, scale="peak", kind="displacement")
    assert weighted.limits == (0, 2)


@pytest.mark.parametrize("scale", get_args(OverlayScale))
def test_a_field_without_displacement_has_a_scale(scale: str) -> None:
    _, drawn = draw(UNIFORM, kind="displacement", scale=scale, longest=0.0)
    assert drawn.limits == (0, 1)
