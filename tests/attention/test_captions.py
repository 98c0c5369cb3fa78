"""What is seen, in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vit_tfm.attention.captions import caption, share_words
from napari_vit_tfm.attention.faithfulness import Faithfulness
from napari_vit_tfm.attention.frame import FrameAttention, MapChoice
from napari_vit_tfm.attention.patch import CHOSEN, PatchFindings
from napari_vit_tfm.attention.patches import PatchGrid
from napari_vit_tfm.fields import DisplacementStack

# 20 x 27 vectors: 3 x 4 patches.
GRID = PatchGrid((20, 27))


@pytest.fixture
def found() -> PatchFindings:
    """Made-up attention of two blocks and three heads."""
    rng = np.random.default_rng(0)
    attention = rng.dirichlet(np.ones(12), size=(2, 3, 12)).astype(np.float32)
    stack = DisplacementStack(rng.normal(size=(2, 20, 27, 2)), unit="um", spacing_um=1)
    maps = FrameAttention(attention, attention.mean(axis=1), GRID, stack.data[1])
    return PatchFindings(stack, 1, (1, 2), GRID, "small", "", attention=maps, block=1)


def test_patches_have_numbers_and_shares() -> None:
    even = np.full((3, 4), 1 / 12)
    assert share_words(GRID, (2, 1), None) == "patch (2, 1), number 9"
    words = "patch (2, 1), number 9: 1.00 even shares"
    assert share_words(GRID, (2, 1), even) == words


def test_every_map_has_its_words(found: PatchFindings) -> None:
    for choice, words in {
        MapChoice(): "from which patches it has gathered its information after block "
        "2 of 2 of small (rollout)",
        MapChoice(direction="to"): "which patches have gathered information from it",
        MapChoice("attention"): "what this patch looks at in block 2 of 2 of small "
        "alone (mean of 3 heads)",
        MapChoice("attention", 0, "to"): "which patches look at it in block 2 of 2 of "
        "small alone (head 1 of 3)",
    }.items():
        said = caption(replace(found, choice=choice))
        assert said.startswith("Frame 1, patch (1, 2), number 6: ")
        assert words in said
    even = np.ones((3, 4))
    said = caption(replace(found, evidence="influence", influence=even))
    assert "as small gives it, changes with the displacement" in said
    said = caption(replace(found, evidence="reference", reference=even))
    assert "without any network" in said


def test_the_numbers_are_those_of_the_map(found: PatchFindings) -> None:
    weights = found.map(1)
    others = np.delete(weights.ravel(), 6)
    said = caption(found)
    assert f"It has {weights[1, 2]:.1%} itself" in said
    assert f"every other patch {others.min():.2%} to {others.max():.2%}" in said
    assert "an even share is 8.33%" in said
    to = replace(found, choice=MapChoice("attention", 2, "to"))
    assert f"It is {to.map(1)[1, 2]:.1%} of what it has itself" in caption(to)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "The colours end at 4 even shares."),
        ({"scale": "peak"}, "The colours end at the map's own maximum."),
        (
            {"kind": "displacement"},
            "Drawn is the displacement times the even shares; the colours end at 2 "
            "times the longest displacement of all frames.",
        ),
        (
            {"kind": "displacement", "scale": "peak"},
            "Drawn is the displacement times the map's share of its maximum; the "
            "colours end at the longest displacement of all frames.",
        ),
    ],
)
def test_where_the_colours_end_is_said(
    found: PatchFindings, values: dict[str, str], words: str
) -> None:
    assert caption(replace(found, **values)).endswith(words)  # type: ignore[arg-type]


def test_that_there_is_no_attention_is_said_first(found: PatchFindings) -> None:
    even = np.ones((3, 4))
    bare = replace(found, attention=None, evidence="influence", influence=even)
    assert caption(bare).startswith("small has no attention to look at. ")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([0.0, 0.9, 1.0], "changes the traction sooner than hiding them at random"),
        ([0.0, 0.3, 1.0], "changes the traction no sooner and no later than"),
        ([0.0, 0.0, 1.0], "changes the traction later than hiding"),
    ],
)
def test_a_test_ends_with_a_verdict(
    found: PatchFindings, changes: list[float], words: str
) -> None:
    # Random curves whose areas differ by a tenth.
    random = np.array([[0.0, 0.2, 1.0], [0.0, 0.4, 1.0]])
    shares = np.array([0.0, 0.5, 1.0])
    curves = Faithfulness(shares, {CHOSEN: np.array(changes)}, random, 0.5)
    assert "Tested" not in caption(found)
    said = caption(replace(found, faithfulness=curves))
    assert f"in the order of the rollout after block 2 {words}" in said
    assert f"area over random {curves.advantage(CHOSEN):+.2f}" in said
    assert "hardly any" not in said
    weak = replace(curves, strength=0.012)
    said = caption(replace(found, faithfulness=weak))
    assert "hardly any traction in this patch, 1.2% of that in the strongest" in said
    even = np.ones((3, 4))
    bare = replace(found, attention=None, evidence="influence", influence=even)
    said = caption(replace(bare, faithfulness=curves))
    assert "in the order of the influence" in said
    choice = MapChoice("attention", 0, "to")
    said = caption(replace(found, faithfulness=curves, choice=choice))
    assert "the attention of block 2 (head 1 of 3), seen from the others" in said
    # One random order does not tell what is chance.
    single = replace(curves, random=random[:1])
    said = caption(replace(found, faithfulness=single))
    assert "for the rollout after block 2 the area over random is" in said
    assert "nan" not in said
