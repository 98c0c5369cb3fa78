"""Every kind: reproducible, of the stated strain, and its displacement's cause."""

from __future__ import annotations

import re
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from napari_vit_tfm.benchmark.unseen import KINDS, WINDOWS_STEPS, simulate
from napari_vit_tfm.benchmark.unseen.canvas import Canvas

SHAPE = (40, 48)
OPEN = ("layer", "front", "neighbour")
"""Kinds whose forces reach beyond the border."""
UNBALANCED = (*OPEN, "dipoles", "fibres")
"""Kinds that may be cut by the border, or whose parts cover different squares."""


@pytest.mark.parametrize("kind", KINDS)
def test_fields_are_reproducible(kind: str) -> None:
    displacement, traction = simulate(kind, 3, seed=1, shape=SHAPE)
    again = simulate(kind, 2, seed=1, shape=SHAPE)
    np.testing.assert_array_equal(again[0], displacement[:2])
    np.testing.assert_array_equal(again[1], traction[:2])
    for array in (displacement, traction):
        assert array.shape == (3, *SHAPE, 2)
        assert array.dtype == np.float32
        assert len(set(np.abs(array).max(axis=(1, 2, 3)))) == 3
    steps = displacement * (SHAPE[1] - 1)
    strain = max(
        np.abs(np.gradient(steps, axis=axis)[:, 1:-1, 1:-1]).max() for axis in (1, 2)
    )
    assert 0.02 < strain < 0.31


@pytest.mark.parametrize("kind", ["ring", "fibres"])
def test_displacement_and_traction_have_the_same_factor(kind: str) -> None:
    displacement, traction = simulate(kind, 1, seed=6, shape=SHAPE, window_steps=1.0)
    canvas = Canvas(SHAPE, np.random.default_rng([6, crc32(kind.encode()), 0]))
    KINDS[kind](canvas)
    moved, drawn = canvas.displacement(1.0), canvas.at_nodes()
    in_steps = displacement[0] * (SHAPE[1] - 1)
    factor = np.abs(traction).max() / np.abs(drawn).max()
    np.testing.assert_allclose(in_steps, factor * np.moveaxis(moved, 0, -1), rtol=1e-4)
    np.testing.assert_allclose(
        traction[0], factor * np.moveaxis(drawn, 0, -1), rtol=1e-4
    )


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in UNBALANCED])
def test_cells_are_balanced(kind: str) -> None:
    _, traction = simulate(kind, 2, seed=4, shape=(64, 64))
    force = np.abs(traction.sum(axis=(1, 2))).max(axis=1)
    total = np.hypot(traction[..., 0], traction[..., 1]).sum(axis=(1, 2))
    assert (force < 0.12 * total).all()


def test_contraction_moves_the_gel_inwards() -> None:
    displacement, traction = simulate("ring", 2, seed=0, shape=SHAPE)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for vectors in (displacement, traction):
        about = vectors - vectors.mean(axis=(1, 2), keepdims=True)
        inwards = about[..., 0] * (x - x.mean()) + about[..., 1] * (y - y.mean())
        assert (inwards.sum(axis=(1, 2)) < 0).all()


def test_wide_windows_smooth() -> None:
    narrow, wide = (
        simulate("small adhesions", 1, seed=2, shape=SHAPE, window_steps=window)
        for window in (0.5, 3.0)
    )
    fine = [np.diff(one[0], n=2, axis=1).std() / one[0].std() for one in (narrow, wide)]
    assert fine[1] < 0.9 * fine[0]


def test_windows_take_turns() -> None:
    taken = [
        simulate("ring", 3, seed=0, shape=SHAPE, window_steps=window)[0]
        for window in WINDOWS_STEPS
    ]
    in_turn = simulate("ring", 3, seed=0, shape=SHAPE)[0]
    for i, of_window in enumerate(taken):
        np.testing.assert_array_equal(in_turn[i], of_window[i])


def test_every_kind_is_described() -> None:
    page = Path(__file__).parents[3] / "docs" / "benchmark.md"
    section = page.read_text("utf-8").split("### Unseen fields")[1].split("\n## ")[0]
    described = re.findall(r"^\| `([a-z ]+)` \|", section, flags=re.MULTILINE)
    assert described == list(KINDS)
