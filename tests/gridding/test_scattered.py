"""Vectors of beads in any arrangement."""

from __future__ import annotations

import re

import numpy as np
import pytest

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.gridding import FloatArray, PositionedVectors, node_grid

RNG = np.random.default_rng(0)
SIDE = 100.0


def beads(number: int = 1000) -> FloatArray:
    return RNG.uniform(0, SIDE, size=(number, 2))


def linear(points: FloatArray) -> FloatArray:
    return points * (0.01, -0.02) + (0.3, 0.1)


def field_of(*frames: FloatArray) -> PositionedVectors:
    return PositionedVectors(frames, [linear(frame) for frame in frames])


def node_positions(field: PositionedVectors) -> FloatArray:
    rows, columns = np.indices(field.grid.shape)
    nodes = np.stack([columns, rows], axis=-1) * field.grid.step
    return np.asarray(nodes + np.array([field.grid.x, field.grid.y]))


def assert_linear(field: PositionedVectors, tolerance: float = 1e-9) -> None:
    """Inside, where the vectors are known, they are right."""
    inside = (slice(None), slice(2, -2), slice(2, -2))
    values, truth = field.values()[inside], linear(node_positions(field))[inside[1:]]
    deviation = np.abs(values - truth)
    assert np.nanmax(deviation) < tolerance


def test_one_node_per_bead() -> None:
    field = field_of(beads())
    assert field.grid.is_scattered
    assert field.grid.step == pytest.approx(SIDE / np.sqrt(1000), rel=0.06)
    assert "interpolated linearly at" in field.notes[0]
    assert len(field.notes) == 1
    assert_linear(field)


def test_the_order_has_no_influence() -> None:
    points = beads()
    one, other = field_of(points), field_of(RNG.permutation(points))
    assert one.grid == other.grid
    np.testing.assert_allclose(one.values(), other.values())


def test_beads_without_a_vector_do_not_stretch_the_grid() -> None:
    points = beads()
    outside = RNG.uniform(-3 * SIDE, -SIDE, size=(200, 2))
    positions = np.vstack([points, outside])
    vectors = linear(positions)
    vectors[1000:] = np.nan
    field = PositionedVectors([positions], [vectors])
    assert field.grid == node_grid([points])
    np.testing.assert_array_equal(field.values(), field_of(points).values())


def test_a_bead_with_a_vector_in_any_frame_belongs_to_the_grid() -> None:
    points = beads()
    half = linear(points)
    half[points[:, 0] > SIDE / 2] = np.nan
    field = PositionedVectors([points, points], [half, linear(points)])
    assert field.grid == node_grid([points])


@pytest.mark.parametrize("place", [(900.0, 40.0), (-1e9, 1e7), (50.0, 1e300)])
def test_a_stray_bead_has_no_influence_and_is_named(
    place: tuple[float, float],
) -> None:
    points = beads()
    field = field_of(np.vstack([points, place]))
    without = field_of(points)
    assert field.grid.step == pytest.approx(without.grid.step, rel=0.01)
    assert field.grid.shape == without.grid.shape
    assert field.grid.left_out == (place,)
    note = f"left out: 1, at ({place[0]:.6g}, {place[1]:.6g}); correct"
    assert note in " ".join(field.notes)
    assert_linear(field)


def test_one_stray_bead_in_one_of_many_frames() -> None:
    frames = [beads(500) for _ in range(20)]
    frames[7] = np.vstack([frames[7], (5000.0, 50.0)])
    field = field_of(*frames)
    assert field.grid.left_out == ((5000.0, 50.0),)
    assert field.grid.shape == node_grid([*frames[:7], *frames[8:]]).shape


def test_many_failed_vectors_at_one_position_are_stray() -> None:
    points = beads() + 500
    field = field_of(np.vstack([points, np.zeros((300, 2))]))
    assert field.grid.left_out == ((0.0, 0.0),) * 300
    assert field.grid.shape == node_grid([points]).shape
    assert "left out: 300, at (0, 0); correct" in " ".join(field.notes)
    assert_linear(field)


def test_a_second_region_is_not_stray() -> None:
    other = beads(300) * 0.5 + (1.5 * SIDE, 0)
    field = field_of(np.vstack([beads(), other]))
    assert field.grid.left_out == ()
    assert field.grid.x + field.grid.step * field.grid.shape[1] > 1.9 * SIDE
    assert_linear(field)


def test_sparse_beads_around_dense_ones_are_kept() -> None:
    sparse = RNG.uniform(-2 * SIDE, 3 * SIDE, size=(150, 2))
    grid = node_grid([np.vstack([beads(), sparse])])
    assert grid.left_out == ()
    assert grid.shape[0] * grid.step > 4 * SIDE


def test_two_regions_far_apart_are_refused() -> None:
    points = np.vstack([beads(), beads() + 1e5])
    with pytest.raises(FieldError, match=r"most of which is empty: .*separate files"):
        node_grid([points])


def test_a_gap_is_not_filled() -> None:
    points = beads(2500)
    distance = np.hypot(*(points - SIDE / 2).T)
    points = points[distance > 25]
    field = field_of(points, points)
    rows = np.hypot(*np.moveaxis(node_positions(field) - SIDE / 2, -1, 0))
    missing = np.isnan(field.values()).any(axis=-1)
    assert missing[:, rows < 25 - 3 * field.grid.step].all()
    assert not missing[:, (rows > 25) & (rows < 45)].any()
    (note,) = field.notes[1:]
    number = re.match(r"(\d+) of (\d+) nodes are further than 3 steps", note)
    assert number is not None
    assert int(number[1]) == missing[:, rows < 40].sum()
    assert int(number[2]) == missing.size
    assert_linear(field)


def test_random_beads_have_no_gaps() -> None:
    for number in (30, 300, 5000):
        field = field_of(beads(number))
        assert not [note for note in field.notes if "further" in note]


def test_a_frame_with_few_beads_is_empty() -> None:
    points = beads()
    line = np.stack([np.linspace(0, SIDE, 30)] * 2, axis=1)
    none = np.empty((0, 2))
    field = field_of(points, points[:9], points, none, line)
    empty = np.isnan(field.values()).all(axis=(1, 2, 3))
    assert empty.tolist() == [False, True, False, True, True]
    assert field.notes[1] == (
        "frames 1, 3 to 4 have fewer than 10 vectors, or all on a line: all nodes are "
        "holes there"
    )


def test_no_frame_has_enough_beads() -> None:
    with pytest.raises(FieldError, match=r"9 vectors at .* are too few"):
        node_grid([beads(9), beads(5)])
    with pytest.raises(FieldError, match="0 vectors at scattered positions"):
        node_grid([beads(50)], [np.full((50, 2), np.nan)])


def test_beads_at_the_same_position() -> None:
    points = beads()
    positions = np.vstack([points, points[:2]])
    vectors = linear(positions)
    vectors[-2:] += 0.5
    field = PositionedVectors([positions], [vectors])
    expected = linear(points)
    expected[:2] += 0.25
    assert field.notes[1] == (
        "2 vectors have the position of another vector: the mean is taken"
    )
    np.testing.assert_allclose(
        field.values(), PositionedVectors([points], [expected]).values()
    )


def test_frames_in_one_list_are_refused() -> None:
    points = beads(100)
    with pytest.raises(FieldError, match=r"100 of 200 .*once in a frame"):
        field_of(np.vstack([points, points])).values()


def test_whole_numbers() -> None:
    points = np.round(beads(2000) * 10)
    field = field_of(points)
    assert field.grid.is_scattered
    assert_linear(field)
