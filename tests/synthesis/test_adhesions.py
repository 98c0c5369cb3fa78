"""Elongated adhesions, pulled along their long axis."""

from __future__ import annotations

import numpy as np

from napari_vit_tfm.synthesis import AdhesionDistribution


def test_adhesions_keep_their_ranges() -> None:
    rng = np.random.default_rng(0)
    distribution = AdhesionDistribution(count=(5, 80), semi_axis=(0.6, 8.0), margin=4)
    counts, longest = [], []
    for _ in range(100):
        pattern = distribution.draw(rng, (40, 60))
        counts.append(pattern.centre.shape[1])
        longest.append(pattern.semi_axes[..., 0].max())
        assert pattern.semi_axes.min() >= 0.3
        assert np.all(pattern.semi_axes[..., 0] >= pattern.semi_axes[..., 1])
        assert np.all(pattern.centre >= -4)
        assert np.all(pattern.centre <= np.array([59, 39]) + 4)
        (x, y), (t_x, t_y) = pattern.direction[0].T, pattern.traction[0].T
        np.testing.assert_allclose(x * t_y - y * t_x, 0, atol=1e-12)
        assert np.linalg.norm(pattern.traction, axis=-1).max() <= 0.3
    assert 5 <= min(counts) < 8
    assert 60 < max(counts) <= 80
    assert 7 < max(longest) <= 8
