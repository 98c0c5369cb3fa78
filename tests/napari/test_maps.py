from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.inspection import FrameAttention, MapChoice
from napari_vit_tfm.napari import maps, words
from napari_vit_tfm.napari.maps import Frame, View
from napari_vit_tfm.patches import PatchGrid

# 20 x 27 vectors: 3 x 4 patches, the lowest of four rows, the last of three columns.
GRID = PatchGrid((20, 27))
N = 12


@pytest.fixture
def frame() -> Frame:
    rng = np.random.default_rng(0)
    attention = rng.random((2, 3, N, N), dtype=np.float32)
    attention /= attention.sum(axis=-1, keepdims=True)
    displacement = rng.normal(size=(2, 20, 27, 2)).astype(np.float32)
    stack = DisplacementStack(displacement, unit="um", spacing=1)
    found = FrameAttention(attention, attention.mean(axis=1), GRID, displacement[1])
    return Frame(1, stack, GRID, "vit", "0" * 64, found)


@pytest.fixture
def without_attention(frame) -> Frame:
    return Frame(1, frame.stack, GRID, "fttc", "", None)


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


def test_in_even_shares_an_even_map_is_one_everywhere(frame):
    even = np.full((3, 4), 1 / N)
    drawn = maps.picture(even, frame, kind="weights", scale="share", longest=2.0)
    np.testing.assert_allclose(drawn.data, 1, rtol=1e-6)
    assert drawn.data.shape == (20, 27)
    assert drawn.limits == (0, 4)
    weighted = maps.picture(
        even, frame, kind="displacement", scale="share", longest=2.0
    )
    np.testing.assert_allclose(weighted.data, frame.stack.magnitude()[1], rtol=1e-5)
    assert weighted.limits == (0, 4.0)


def test_the_original_scale_ends_at_the_maximum(frame):
    weights = np.zeros((3, 4))
    weights[1, 2] = 0.3
    drawn = maps.picture(weights, frame, kind="weights", scale="peak", longest=2.0)
    assert 0.8 < drawn.data.max() <= 1
    assert drawn.limits == (0, 1)


def test_a_field_without_displacement_has_a_scale(frame):
    even = np.full((3, 4), 1 / N)
    for scale in maps.SCALES:
        drawn = maps.picture(even, frame, kind="displacement", scale=scale, longest=0)
        assert drawn.limits == (0, 1)


def test_colours_run_from_end_to_end():
    table = np.array([[0, 0, 0, 1], [0, 0.5, 1, 1]])
    drawn = maps.Picture(np.array([[-1.0, 2.0], [4.0, 9.0]]), (0, 4), "")
    pixels = maps.coloured(drawn, table)
    assert pixels.dtype == np.uint8
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[1, 0].tolist() == pixels[1, 1].tolist() == [0, 128, 255]


def test_there_is_a_tile_for_every_block_and_for_the_evidence(frame):
    view = View(patch=(1, 2), block=0).on(frame)
    tiles = maps.tiles(frame, view, None)
    assert [tile.name for tile in tiles] == [
        "block 1",
        "block 2",
        "influence",
        "physical reference",
    ]
    assert tiles[0].view == view
    assert [tile.weights is None for tile in tiles] == [False, False, True, True]
    np.testing.assert_array_equal(tiles[1].weights, frame.attention.map(1, 1, 2))


def test_without_attention_only_the_evidence_is_left(without_attention):
    view = View(patch=(1, 2)).on(without_attention)
    tiles = maps.tiles(without_attention, view, None)
    assert [tile.name for tile in tiles] == ["influence", "physical reference"]
    assert maps.weights(without_attention, view, None) is None


def test_sentences_name_patch_block_and_direction(frame):
    view = View(patch=(1, 2), block=0).on(frame)
    weights = maps.weights(frame, view, None)
    text = words.sentence(frame, view, weights)
    assert "patch (1, 2), number 6" in text
    assert "after block 1 of 2" in text
    assert f"has {weights[1, 2]:.1%} itself" in text
    to = View(patch=(1, 2), block=1, maps=MapChoice("attention", 2, "to"))
    text = words.sentence(frame, to, maps.weights(frame, to, None))
    assert "which patches look at it in block 2 of 2 alone (head 3 of 3)" in text
