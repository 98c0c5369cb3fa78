"""Widths of the windows over which displacements are averaged."""

from __future__ import annotations

import numpy as np

from napari_vit_tfm.benchmark.held_out import draw_window_steps


def test_a_third_are_at_the_vectors_and_a_third_have_overlapping_windows() -> None:
    rng = np.random.default_rng(0)
    steps = np.array([draw_window_steps(rng) for _ in range(3000)])
    assert abs(np.mean(steps == 0) - 1 / 3) < 0.03
    assert abs(np.mean(steps > 1.5) - 1 / 3) < 0.03
    assert steps[steps > 0].min() >= 0.5
    assert steps.max() <= 3
