"""Spots, waves and random fields are of the shape and size that is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.benchmark.held_out.gel import FINER, Canvas
from napari_vit_tfm.benchmark.held_out.shapes import Wave, add_spot, random_field

CANVAS = Canvas((48, 56), 2)
CENTRE = np.array([30.3, 20.6])
ALONG = np.array([np.cos(0.6), np.sin(0.6)])


def spot(profile: str) -> np.ndarray:
    """Twice as long as wide, of traction ``(1, -2)`` at its middle."""
    traction = CANVAS.empty()
    axes = {"semi_axes": (9.0, 4.5), "along": ALONG, "profile": profile}
    add_spot(traction, CANVAS, CENTRE, (1.0, -2.0), **axes)
    np.testing.assert_allclose(traction[1], -2 * traction[0], rtol=1e-6)
    return traction[0].astype(float)


# Areas and second moments over those of the whole ellipse; a Gaussian's are
# its standard deviations', half of the semi-axes.
@pytest.mark.parametrize(
    ("profile", "area", "moment"),
    [
        ("sharp", 1.0, 0.25),
        ("cosine", 1 / 2 - 2 / np.pi**2, 1 / 8 - 3 / 2 / np.pi**2 + 6 / np.pi**4),
        ("gaussian", 0.5, 0.125),
    ],
)
def test_a_spot_lies_where_and_as_it_should(
    profile: str, area: float, moment: float
) -> None:
    share = spot(profile)
    assert share.max() == pytest.approx(1, abs=0.02)
    x, y = CANVAS.x - CENTRE[0], CANVAS.y - CENTRE[1]
    total = share.sum()
    assert total / FINER**2 == pytest.approx(area * np.pi * 9 * 4.5, rel=0.01)
    assert abs((share * x).sum() / total) < 0.02
    assert abs((share * y).sum() / total) < 0.02
    along, across = x * ALONG[0] + y * ALONG[1], y * ALONG[0] - x * ALONG[1]
    for way, side in ((along, 9.0), (across, 4.5)):
        found = (share * way**2).sum() / total
        assert found == pytest.approx(moment / area * side**2, rel=0.02)
    assert abs((share * along * across).sum() / total) < 0.2


def test_a_wave_has_its_orders() -> None:
    angle = np.linspace(-np.pi, np.pi, 50)
    wave = Wave(np.array([0.5, -0.2]), np.array([0.3, 1.0]), first=3)
    expected = 0.5 * np.cos(3 * angle + 0.3) - 0.2 * np.cos(4 * angle + 1.0)
    np.testing.assert_allclose(wave(angle), expected, atol=1e-3)


@pytest.mark.parametrize("shape", [(64, 160), (160, 64)])
def test_random_fields_have_their_length_in_all_directions(
    shape: tuple[int, int],
) -> None:
    field = random_field(np.random.default_rng(0), Canvas(shape, 1), 2.0)
    assert field.std() == pytest.approx(1)
    # Two lengths apart, along both axes and both diagonals.
    straight, diagonal = 16, 11
    pairs = [
        (field[:, straight:], field[:, :-straight]),
        (field[:, :, straight:], field[:, :, :-straight]),
        (field[:, diagonal:, diagonal:], field[:, :-diagonal, :-diagonal]),
        (field[:, diagonal:, :-diagonal], field[:, :-diagonal, diagonal:]),
    ]
    for one, other in pairs:
        assert (one * other).mean() == pytest.approx(np.exp(-1), abs=0.12)
