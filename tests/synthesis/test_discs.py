"""The original distribution, and the fields it gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.synthesis import DiscDistribution, Discs, synthesise
from napari_vit_tfm.synthesis.fields import render


def _first(discs: Discs) -> Discs:
    return Discs(discs.centre[0], discs.radius[0], discs.traction[0])


def test_the_same_seed_gives_the_same_fields() -> None:
    one, two, other = (synthesise(2, seed=s, shape=(40, 40)) for s in (5, 5, 6))
    np.testing.assert_array_equal(one.displacement, two.displacement)
    assert not np.array_equal(one.displacement, other.displacement)
    assert not np.array_equal(one.traction[0], one.traction[1])


def test_shapes_and_types() -> None:
    stack = synthesise(3, seed=0, shape=(40, 56))
    assert stack.displacement.shape == stack.traction.shape == (3, 40, 56, 2)
    assert stack.segmentation.shape == (3, 40, 56)
    assert stack.displacement.dtype == stack.traction.dtype == np.float32
    assert stack.segmentation.dtype == np.uint16


def test_discs_keep_their_ranges_and_distances() -> None:
    rng = np.random.default_rng(0)
    counts = []
    for _ in range(200):
        discs = _first(DiscDistribution().draw(rng, (104, 104)))
        counts.append(len(discs.radius))
        assert discs.radius.min() >= 0.01
        assert discs.radius.max() <= 0.05
        magnitude = np.hypot(*discs.traction.T)
        assert magnitude.max() <= 0.5
        inset = np.minimum(discs.centre, 1 - discs.centre) - discs.radius[:, None]
        assert inset.min() >= 0.05
        for i in range(1, len(discs.radius)):
            distance = np.hypot(*(discs.centre[:i] - discs.centre[i]).T)
            assert distance.min() > 2 * discs.radius[i] + 0.001
    # Redrawing the limit for every disc gives about 18, not 30.
    assert 15 < np.mean(counts) < 20
    assert min(counts) >= 10


def test_more_discs_than_a_byte_counts() -> None:
    count = 300
    small = DiscDistribution(count=(count, count), radius=(0.004, 0.005), margin=0.0)
    stack = synthesise(1, seed=0, distribution=small, shape=(160, 160))
    assert stack.segmentation.max() == count
    np.testing.assert_array_equal(
        stack.segmentation > 0, np.any(stack.traction != 0, axis=-1)
    )


def test_a_field_without_room_for_its_discs() -> None:
    with pytest.raises(ConfigError, match="do not fit into 16 x 200 vectors"):
        synthesise(1, seed=0, shape=(16, 200))


def test_the_segmentation_names_each_disc_where_its_traction_is() -> None:
    discs = Discs(
        np.array([[[0.25, 0.5], [0.75, 0.5]]]),
        np.array([[0.1, 0.1]]),
        np.array([[[0.2, 0.0], [0.0, -0.3]]]),
    )
    field = render(discs, (41, 41))
    assert field.segmentation[0, 20, 10] == 1
    assert field.segmentation[0, 20, 30] == 2
    np.testing.assert_allclose(field.traction[0, 20, 10], [0.2, 0], rtol=1e-6)
    np.testing.assert_allclose(field.traction[0, 20, 30], [0, -0.3], rtol=1e-6)
    assert field.segmentation[0, 0, 0] == 0
    assert np.all((field.segmentation > 0) == (np.abs(field.traction).sum(-1) > 0))


def test_a_crowded_distribution_gives_up_in_the_end() -> None:
    crowded = DiscDistribution(count=(500, 501), radius=(0.05, 0.05))
    discs = crowded.draw(np.random.default_rng(0), (104, 104))
    assert 10 < discs.radius.size < 255


def test_a_negative_margin_has_discs_outside_the_view() -> None:
    outside = DiscDistribution(count=(4, 4), margin=-0.4)
    rng = np.random.default_rng(2)
    centres = [outside.draw(rng, (40, 60)).centre for _ in range(20)]
    low, high = np.min(centres, axis=(0, 1, 2)), np.max(centres, axis=(0, 1, 2))
    assert np.all(low < -0.2)
    assert np.all(high > np.array([1.2, 39 / 59 + 0.2]))


def test_the_statistics_are_those_of_the_reference_fields(reference: Path) -> None:
    with np.load(reference / "discs_dev.npz") as file:
        expected = {key: file[key] for key in ("displacement", "traction")}
        counts = file["segmentation"].max(axis=(1, 2))
    found = synthesise(64, seed=0)
    power = [
        np.square(t).sum((1, 2, 3)).mean()
        for t in (found.traction, expected["traction"])
    ]
    assert power[0] == pytest.approx(power[1], rel=0.2)
    spread = [found.displacement.std(), expected["displacement"].std()]
    assert spread[0] == pytest.approx(spread[1], rel=0.15)
    assert found.segmentation.max((1, 2)).mean() == pytest.approx(
        counts.mean(), rel=0.1
    )
