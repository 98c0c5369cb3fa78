"""Every kind: reproducible, stressed, of sane size, and its displacement's cause."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from napari_vit_tfm.benchmark.held_out import KINDS, kinds, simulate
from napari_vit_tfm.benchmark.held_out.gel import Canvas, Traction
from napari_vit_tfm.benchmark.held_out.shapes import (
    Outline,
    add_spot,
    balanced,
    random_field,
)
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
    if kind != "discs":
        # Where the field is stressed: weighted by itself.
        square = np.square(traction, dtype=float).sum(axis=-1)
        typical = np.square(square).sum(axis=(1, 2)) / square.sum(axis=(1, 2))
        assert (np.sqrt(typical) > 0.0029).all()
        assert (np.sqrt(typical) < 0.31).all()


@pytest.mark.parametrize("kind", ["pads", "ring", "dipoles", "adhesions"])
def test_tractions_of_the_nodes_make_the_displacement(kind: str) -> None:
    displacement, traction = simulate(kind, 3, seed=2, shape=(48, 80))
    for u, t in zip(displacement, traction, strict=True):
        again = np.stack(displacement_of(t[..., 0], t[..., 1]), axis=-1)
        steps = 79 * (u - u.mean(axis=(0, 1)))
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


@pytest.mark.parametrize(
    ("kind", "least"),
    [("band", 0.6), ("adhesions", 0.6), ("ring", 0.6), ("dipoles", 0.1), ("fibres", 0)],
)
def test_cells_and_fibres_contract(kind: str, least: float) -> None:
    for seed in range(6):
        traction = KINDS[kind](np.random.default_rng(seed), SHAPE)
        x, y = traction.canvas.x, traction.canvas.y
        t_x, t_y = traction.fine
        strength = np.hypot(t_x, t_y)
        share = strength / strength.sum()
        x, y = x - (share * x).sum(), y - (share * y).sum()
        inwards = -(t_x * x + t_y * y).sum() / (strength * np.hypot(x, y)).sum()
        assert inwards > least


def test_pads_point_anywhere_or_inwards() -> None:
    inwards = []
    for seed in range(12):
        traction = KINDS["pads"](np.random.default_rng(seed), SHAPE)
        x = traction.canvas.x - SHAPE[1] / 2
        y = traction.canvas.y - SHAPE[0] / 2
        t_x, t_y = traction.fine
        size = (np.hypot(t_x, t_y) * np.hypot(x, y)).sum()
        inwards.append(-(t_x * x + t_y * y).sum() / size)
    assert (np.array(inwards) > 0.7).sum() >= 2
    assert min(inwards) < 0.4


def test_a_front_pulls_away_from_its_free_side_and_less_far_behind_it() -> None:
    cosine, ratio = [], []
    for seed in range(8):
        traction = KINDS["front"](np.random.default_rng(seed), SHAPE)
        strength = np.hypot(*traction.fine)
        there = strength > 1e-3 * strength.max()
        places = np.indices(there.shape)[::-1]
        into = places[:, there].mean(axis=1) - places[:, ~there].mean(axis=1)
        pull = traction.fine.sum(axis=(1, 2))
        cosine.append(pull @ into / np.linalg.norm(pull) / np.linalg.norm(into))
        depth = distance_transform_edt(there) / 4
        near = strength[(depth > 2) & (depth < 6)].mean()
        ratio.append(strength[depth > 16].mean() / near)
    assert np.median(cosine) > 0.8
    assert np.median(ratio) < 0.6


def test_a_mixture_lays_its_parts_over_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def part(centre: tuple[int, int], margin: int, strength: float) -> Traction:
        canvas = Canvas(SHAPE, margin)
        fine = canvas.empty()
        add_spot(fine, canvas, centre, (strength, 0.0), semi_axes=(2.0, 2.0))
        return Traction(canvas, fine)

    parts = {
        "near": lambda _rng, _shape: part((12, 10), 6, 1.0),
        "wide": lambda _rng, _shape: part((30, 20), 20, 1000.0),
        "wider": lambda _rng, _shape: part((40, 30), 30, 0.1),
    }
    monkeypatch.setattr(kinds, "_UNSCALED", parts)
    for seed in range(10):
        found = kinds.mixture(np.random.default_rng(seed), SHAPE).at_nodes()[0]
        middles = found[[10, 20, 30], [12, 30, 40]]
        there = middles[middles > 0]
        assert len(there) >= 2
        assert (found > 0).sum() == 25 * len(there)
        # Weights from 0.3 to 3 of their power.
        assert there.max() < 10.1 * there.min()


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
    section = page.read_text("utf-8").split("### Unseen fields")[0]
    described = re.findall(r"^\| `([a-z-]+)` \|", section, flags=re.MULTILINE)
    assert [name for name in described if name in KINDS] == list(KINDS)
