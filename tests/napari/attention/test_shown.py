from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from made_up import frame_with
from napari_vit_tfm.attention.faithfulness import Faithfulness
from napari_vit_tfm.attention.overlay import Picture
from napari_vit_tfm.attention.patch import MapView, PatchFindings
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.napari.attention.panel import coloured
from napari_vit_tfm.napari.attention.shown import (
    Shown,
    all_maps,
    have_same_maps,
    have_same_results,
)

# 20 x 27 vectors: 3 x 4 patches; four rows at the bottom, three columns at the right.
N = 12


@pytest.fixture
def stack() -> DisplacementStack:
    rng = np.random.default_rng(0)
    return DisplacementStack(rng.normal(size=(2, 20, 27, 2)), unit="um", spacing_um=1)


@pytest.fixture
def found(stack) -> PatchFindings:
    rng = np.random.default_rng(0)
    attention = rng.dirichlet(np.ones(N), size=(2, 3, N)).astype(np.float32)
    return PatchFindings(frame_with(attention, stack, 1), (1, 2), MapView(block=0))


def test_colours_cover_the_whole_range():
    table = np.array([[0, 0, 0, 1], [0, 0.5, 1, 1]])
    drawn = Picture(np.array([[-1.0, 2.0], [4.0, 9.0]]), (0, 4), "")
    pixels = coloured(drawn, table)
    assert pixels.dtype == np.uint8
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[1, 0].tolist() == pixels[1, 1].tolist() == [0, 128, 255]


def test_there_is_a_map_for_every_block_and_for_the_evidence(found):
    maps = all_maps(found)
    evidence = ["influence", "physical reference", "knock-out"]
    assert list(maps) == ["block 1", "block 2", *evidence]
    items = list(maps.values())
    assert [item is found for item in items] == [True] + 4 * [False]
    assert [item.shown is None for item in items] == 2 * [False] + 3 * [True]
    attention = found.frame.attention()
    np.testing.assert_array_equal(items[1].shown, attention.map(1, 1, 2))
    found = found.showing(evidence="reference")
    items = list(all_maps(found).values())
    assert [item is found for item in items] == [False, False, False, True, False]


def test_without_attention_there_are_only_maps_of_the_evidence(stack):
    frame = frame_with(None, stack, 0)
    found = PatchFindings(frame, (1, 2), MapView().on(frame))
    assert found.shown is None
    assert list(all_maps(found)) == ["influence", "physical reference"]


def test_comparison_of_findings(found):
    again = replace(found)
    assert have_same_results(found, again)
    assert have_same_maps(found, again)
    other_block = found.showing(block=1)
    assert not have_same_results(found, other_block)
    assert have_same_maps(found, other_block)
    for other in (
        replace(found, patch=(0, 0)),
        replace(found, influence=np.ones((3, 4))),
        replace(found, knockout=np.ones((3, 4))),
        found.showing(kind="displacement"),
        found.showing(scale="peak"),
        None,
    ):
        assert not have_same_results(found, other)
        assert not have_same_maps(found, other)
    assert have_same_results(None, None)


def test_a_map_can_be_tested_until_it_is_known_and_tested(found):
    curves = Faithfulness(np.ones(2), {}, np.ones((1, 2)), 1.0)
    assert Shown(findings=found).can_test
    tested = replace(found, faithfulness=curves, influence=np.ones((3, 4)))
    assert not Shown(findings=tested).can_test
    assert not Shown(findings=tested.showing(evidence="influence")).can_test
    # Knock-out is computed only when it is chosen.
    chosen = tested.showing(evidence="knockout")
    assert Shown(findings=chosen).can_test
    assert not Shown(findings=replace(chosen, knockout=np.ones((3, 4)))).can_test


def test_the_status_names_the_patch_under_the_mouse(found):
    shown = Shown(is_on=True, frame=found.frame, findings=found, hovered=(1, 2))
    assert shown.status().startswith("patch (1, 2), number 6: ")
    assert replace(shown, findings=None).status() == "patch (1, 2), number 6"
    for hidden in ({"shows_plane": False}, {"failure": "no"}, {"hovered": None}):
        assert replace(shown, **hidden).status() == ""
