"""Every kind: reproducible, stressed, of sane size, and its displacement's cause."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from napari_vit_tfm.benchmark.held_out import KINDS, simulate
from napari_vit_tfm.benchmark.held_out.gel import Canvas
from napari_vit_tfm.benchmark.held_out.shapes import Outline, balanced, random_field
from napari_vit_tfm.physics.halfspace import displacement_of

SHAPE = (40, 48)


@pytest.mark.parametrize("kind", KINDS)
def test_fields_are_stressed_and_reproducible(kind: str) -> None:
    displacement, traction = simulate(kind, 3, seed=1, shape=SHAPE)
    again = simulate(kind, 2, seed=1, shape=SHAPE)
    np.testing.assert_array_equal(again[0], displacement[:2])
    np.testing.assert_array_equal(again[1], traction[:2])
    for array in (displacement, traction):
        assert array.shape == (3, *SHAPE, 2)
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
        assert (array.std(axis=(1, 2, 3)) > 0).all()
    largest = np.abs(traction).max(axis=(1, 2, 3))
    assert (largest > 1e-3).all()
    assert (largest < 3).all()
    assert len(set(largest)) == 3


@pytest.mark.parametrize("kind", ["pads", "ring", "dipoles", "adhesions"])
def test_tractions_of_the_nodes_make_the_displacement(kind: str) -> None:
    displacement, traction = simulate(kind, 3, seed=2, shape=(64, 64))
    for u, t in zip(displacement, traction, strict=True):
        again = np.stack(displacement_of(t[..., 0], t[..., 1]), axis=-1)
        steps = 63 * (u - u.mean(axis=(0, 1)))
        again -= again.mean(axis=(0, 1))
        # Node squares in place of fine points, and a periodic canvas.
        assert np.square(again - steps).sum() < 0.08 * np.square(steps).sum()


def test_a_cell_of_adhesions_is_balanced() -> None:
    (traction,) = simulate("adhesions", 1, seed=0)[1]
    assert np.abs(traction.sum(axis=(0, 1))).max() < 1e-4 * np.abs(traction).sum()


@pytest.mark.parametrize("kind", ["layer", "front", "neighbour"])
def test_some_kinds_go_on_beyond_the_border(kind: str) -> None:
    traction = KINDS[kind](np.random.default_rng(3), SHAPE)
    margin = 4 * traction.canvas.margin
    strength = np.abs(traction.fine).sum(axis=0)
    outside = strength.sum() - strength[margin:-margin, margin:-margin].sum()
    assert outside > 0.05 * strength.sum()


def test_a_disc_has_one_traction() -> None:
    traction = KINDS["discs"](np.random.default_rng(0), (64, 64)).at_nodes()
    values = np.unique(traction[0][traction[0] != 0])
    assert 1 <= len(values) < 60


def test_net_force_and_torque_are_taken_off() -> None:
    canvas = Canvas(SHAPE, 3)
    field = random_field(np.random.default_rng(0), canvas, 3.0)
    free = balanced(field, canvas).astype(float)
    total = np.abs(free).sum()
    assert np.abs(free.sum(axis=(1, 2))).max() < 1e-5 * total
    assert abs((canvas.x * free[1] - canvas.y * free[0]).sum()) < 1e-4 * total


@pytest.mark.parametrize("length", [3.0, 8.0])
def test_random_fields_have_their_length(length: float) -> None:
    canvas = Canvas((128, 128), 1)
    field = random_field(np.random.default_rng(0), canvas, length)
    assert field.std() == pytest.approx(1)
    lag = round(4 * 2 * length)
    found = (field[:, :, lag:] * field[:, :, :-lag]).mean()
    assert found == pytest.approx(np.exp(-1), abs=0.15)


def test_rough_random_fields_have_finer_detail() -> None:
    canvas = Canvas((64, 64), 1)
    smooth, rough = (
        random_field(np.random.default_rng(0), canvas, 6.0, roughness=roughness)
        for roughness in (0.0, 1.8)
    )
    assert np.diff(rough, axis=2).std() > 2 * np.diff(smooth, axis=2).std()


def test_an_outline_is_where_its_depth_vanishes() -> None:
    canvas = Canvas((64, 64), 2)
    outline = Outline.draw(np.random.default_rng(4), (64, 64))
    inside = outline.depth(canvas) > 0
    angle = np.linspace(-np.pi, np.pi, 2000)
    area = np.square(outline.reach(angle)).mean() * np.pi
    assert inside.sum() / 16 == pytest.approx(area, rel=0.02)
    out = outline.outward(canvas)
    np.testing.assert_allclose(np.hypot(*out), 1, atol=1e-4)


def test_every_kind_is_described() -> None:
    page = Path(__file__).parents[3] / "docs" / "benchmark.md"
    described = re.findall(r"^\| `([a-z-]+)` \|", page.read_text(), flags=re.MULTILINE)
    assert [name for name in described if name in KINDS] == list(KINDS)
