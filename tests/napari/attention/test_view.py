from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.attention.frame import FrameAttention, MapChoice
from napari_vit_tfm.attention.overlay import Picture
from napari_vit_tfm.attention.patch import PatchFindings
from napari_vit_tfm.attention.patches import PatchGrid
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.napari.attention.requests import FrameRequest, findings_of
from napari_vit_tfm.napari.attention.view import Frame, View, coloured
from napari_vit_tfm.napari.attention.view import tiles as tiles_of
from napari_vit_tfm.physics.substrate import Substrate

# 20 x 27 vectors: 3 x 4 patches, the lowest of four rows, the last of three columns.
GRID = PatchGrid((20, 27))
N = 12


@pytest.fixture
def frame() -> Frame:
    rng = np.random.default_rng(0)
    attention = rng.random((2, 3, N, N), dtype=np.float32)
    attention /= attention.sum(axis=-1, keepdims=True)
    found = FrameAttention(
        attention, attention.mean(axis=1), GRID, np.zeros((20, 27, 2), np.float32)
    )
    return Frame(GRID, "vit", "0" * 64, found)


@pytest.fixture
def without_attention() -> Frame:
    return Frame(GRID, "fttc", "", None)


def test_a_view_is_brought_to_what_a_frame_has(frame, without_attention):
    wanted = View(patch=(2, 3), maps=MapChoice("attention", 7))
    shown = wanted.on(frame)
    assert (shown.patch, shown.block, shown.maps.head) == ((2, 3), 1, None)
    assert View(patch=(3, 0)).on(frame).patch is None
    assert View(maps=MapChoice("attention", 2)).on(frame).maps.head == 2
    assert wanted.on(without_attention).evidence == "influence"


@pytest.mark.parametrize(
    ("start", "by", "end"),
    [
        (None, (0, 1), (1, 2)),
        ((0, 0), (-1, 0), (0, 0)),
        ((2, 3), (1, 1), (2, 3)),
        ((1, 1), (1, -1), (2, 0)),
    ],
)
def test_patches_move_inside_the_grid(start, by, end):
    assert View(patch=start).moved(*by, GRID).patch == end


def test_colours_run_from_end_to_end():
    table = np.array([[0, 0, 0, 1], [0, 0.5, 1, 1]])
    drawn = Picture(np.array([[-1.0, 2.0], [4.0, 9.0]]), (0, 4), "")
    pixels = coloured(drawn, table)
    assert pixels.dtype == np.uint8
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[1, 0].tolist() == pixels[1, 1].tolist() == [0, 128, 255]


def known(frame, view) -> PatchFindings:
    rng = np.random.default_rng(0)
    stack = DisplacementStack(rng.normal(size=(2, 20, 27, 2)), unit="um", spacing_um=1)
    request = FrameRequest(stack, 1, Substrate(), ReconstructionConfig())
    return findings_of(request, view.on(frame), frame)


def test_there_is_a_tile_for_every_block_and_for_the_evidence(frame):
    tiles = tiles_of(known(frame, View(patch=(1, 2), block=0)))
    assert [tile.name for tile in tiles] == [
        "block 1",
        "block 2",
        "influence",
        "physical reference",
    ]
    assert [tile.is_current for tile in tiles] == [True, False, False, False]
    shown = [tile.findings.shown for tile in tiles]
    assert [map_ is None for map_ in shown] == [False, False, True, True]
    np.testing.assert_array_equal(shown[1], frame.attention.map(1, 1, 2))
    tiles = tiles_of(known(frame, View(patch=(1, 2), evidence="reference")))
    assert [tile.is_current for tile in tiles] == [False, False, False, True]


def test_without_attention_only_the_evidence_is_left(without_attention):
    findings = known(without_attention, View(patch=(1, 2)))
    assert findings.shown is None
    tiles = tiles_of(findings)
    assert [tile.name for tile in tiles] == ["influence", "physical reference"]
