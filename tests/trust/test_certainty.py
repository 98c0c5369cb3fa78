from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.trust.certainty import (
    deviation_of_magnitude,
    possible_directions,
    visibility,
)


def test_deviation_is_that_of_many_draws():
    rng = np.random.default_rng(0)
    vector, halfwidths = np.array([30.0, -40.0]), np.array([1.0, 0.3])
    draws = vector + rng.normal(size=(100_000, 2)) * halfwidths
    expected = np.hypot(*draws.T).std()
    found = deviation_of_magnitude(vector, halfwidths)
    assert found == pytest.approx(expected, rel=0.02)


def test_deviation_without_a_direction_or_a_vector():
    vectors = np.array([[0.0, 0.0], [np.nan, np.nan]])
    zero, hole = deviation_of_magnitude(vectors, np.array([[3.0, 4.0]] * 2))
    assert zero == pytest.approx(np.sqrt(12.5))
    assert np.isnan(hole)


def test_visibility_ends_at_two_deviations():
    magnitude = np.array([0.0, 10, 15, 19, 20, 50])
    found = visibility(magnitude, np.full(6, 10.0))
    np.testing.assert_allclose(found, [0, 0, 0.5, 0.9, 1, 1], atol=1e-6)


def test_what_is_not_known_or_exact_is_visible():
    magnitude, deviation = np.array([1.0, np.nan, 1, 0]), np.array([np.nan, 1, 0, 0])
    np.testing.assert_array_equal(visibility(magnitude, deviation), np.ones(4))


@pytest.mark.parametrize("degrees", range(0, 360, 30))
def test_directions_are_those_of_all_vectors_in_the_intervals(degrees):
    angle = np.radians(degrees)
    vector = 5 * np.array([np.cos(angle), np.sin(angle)])
    halfwidths = np.array([3.0, 1.0])
    rng = np.random.default_rng(1)
    draws = vector + rng.uniform(-1, 1, size=(200_000, 2)) * halfwidths
    around = np.angle(np.exp(1j * (np.arctan2(draws[:, 1], draws[:, 0]) - angle)))
    low, high = possible_directions(vector, halfwidths)
    assert low <= around.min()
    assert around.max() <= high
    np.testing.assert_allclose([low, high], [around.min(), around.max()], atol=0.03)


def test_all_directions_are_possible_around_zero():
    vectors = np.array([[0.9, -0.9], [1.1, 0.0], [np.nan, np.nan]])
    found = np.isnan(possible_directions(vectors, np.ones((3, 2))))
    np.testing.assert_array_equal(found, [[True] * 2, [False] * 2, [True] * 2])
