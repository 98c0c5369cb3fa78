"""What is seen, in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from made_up import frame_with
from napari_vit_tfm.attention.captions import caption, change_words, share_words
from napari_vit_tfm.attention.faithfulness import Faithfulness
from napari_vit_tfm.attention.frame import MapChoice
from napari_vit_tfm.attention.knockout import KnockoutEffects
from napari_vit_tfm.attention.patch import CHOSEN, MapView, PatchFindings
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
    return PatchFindings(frame_with(attention, stack, 1), (1, 2), MapView(block=1))


@pytest.fixture
def bare(found: PatchFindings) -> PatchFindings:
    """The influence by a method without attention."""
    frame = frame_with(None, found.frame.field, 0)
    view = MapView(block=0, evidence="influence")
    return PatchFindings(frame, (1, 2), view, influence=np.ones((3, 4)))


def test_patches_have_numbers_and_weights() -> None:
    even = np.full((3, 4), 1 / 12)
    assert share_words(GRID, (2, 1), None) == "patch (2, 1), number 9"
    words = "patch (2, 1), number 9: 1.00 \N{MULTIPLICATION SIGN} uniform attention"
    assert share_words(GRID, (2, 1), even) == words


def test_every_map_has_its_words(found: PatchFindings) -> None:
    for choice, words in {
        MapChoice(): "from which patches it has gathered information after block "
        "2 of 2 of small (rollout)",
        MapChoice(direction="to"): "which patches have gathered information from it",
        MapChoice("attention"): "what this patch attends to in block 2 of 2 of small "
        "alone (mean of 3 heads)",
        MapChoice(
            "attention", 0, "to"
        ): "which patches attend to it in block 2 of 2 of small alone (head 1 of 3)",
    }.items():
        said = caption(found.showing(choice=choice))
        assert said.startswith("Frame 1, patch (1, 2), number 6: ")
        assert words in said
    even = np.ones((3, 4))
    said = caption(replace(found.showing(evidence="influence"), influence=even))
    assert "the traction that small computes there depends on the displacement" in said
    said = caption(replace(found.showing(evidence="reference"), reference=even))
    assert "no network is involved" in said


def test_the_numbers_are_those_of_the_map(found: PatchFindings) -> None:
    weights = found.map(1)
    others = np.delete(weights.ravel(), 6)
    said = caption(found)
    assert f"The patch itself has {weights[1, 2]:.1%}" in said
    assert f"the other patches {others.min():.2%} to {others.max():.2%}" in said
    assert "uniform attention is 8.33%" in said
    to = found.showing(choice=MapChoice("attention", 2, "to"))
    assert f"It receives {to.map(1)[1, 2]:.1%} of its own attention" in caption(to)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {},
            "The colour scale ends at 4 \N{MULTIPLICATION SIGN} uniform attention.",
        ),
        ({"scale": "peak"}, "The colour scale ends at the map's own maximum."),
        (
            {"kind": "displacement"},
            "The overlay is the displacement times the weight relative to uniform "
            "attention; the colour scale ends at 4 times the longest displacement of "
            "all frames.",
        ),
        (
            {"kind": "displacement", "scale": "peak"},
            "The overlay is the displacement times the weight as a fraction of the "
            "map's maximum; the colour scale ends at the longest displacement of all "
            "frames.",
        ),
    ],
)
def test_the_caption_gives_the_colour_scale(
    found: PatchFindings, values: dict[str, str], words: str
) -> None:
    assert caption(found.showing(**values)).endswith(words)


def test_the_caption_starts_with_a_missing_attention(bare: PatchFindings) -> None:
    assert caption(bare).startswith("small has no attention. ")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([0.0, 0.9, 1.0], "changes the traction sooner than hiding them in random"),
        ([0.0, 0.3, 1.0], "changes the traction neither sooner nor later than"),
        ([0.0, 0.0, 1.0], "changes the traction later than hiding"),
    ],
)
def test_the_caption_gives_the_result_of_a_test(
    found: PatchFindings, bare: PatchFindings, changes: list[float], words: str
) -> None:
    # Random curves whose areas differ by a tenth.
    random = np.array([[0.0, 0.2, 1.0], [0.0, 0.4, 1.0]])
    shares = np.array([0.0, 0.5, 1.0])
    curves = Faithfulness(shares, {CHOSEN: np.array(changes)}, random, 0.5)
    assert "Test" not in caption(found)
    said = caption(replace(found, faithfulness=curves))
    assert f"in the order of the rollout after block 2 {words}" in said
    assert f"area over random {curves.advantage(CHOSEN):+.2f}" in said
    assert "weak" not in said
    weak = replace(curves, strength=0.012)
    said = caption(replace(found, faithfulness=weak))
    assert "traction in this patch is weak, 1.2% of that in the strongest patch" in said
    said = caption(replace(bare, faithfulness=curves))
    assert "in the order of the influence" in said
    choice = MapChoice("attention", 0, "to")
    said = caption(replace(found, faithfulness=curves).showing(choice=choice))
    assert "the attention to the patch in block 2 (head 1 of 3)" in said
    # One random order does not tell what is chance.
    single = replace(curves, random=random[:1])
    said = caption(replace(found, faithfulness=single))
    assert "Test of the rollout after block 2: area over random" in said
    assert "nan" not in said


def test_the_caption_of_a_knockout(found: PatchFindings) -> None:
    map_ = np.full((3, 4), 1e-4)
    # The patch itself is the strongest, the second is another one.
    map_[1, 2], map_[0, 3] = 0.5, 0.0316
    heads = np.full((2, 3), 0.001)
    heads[0, 2] = 0.042
    effects = KnockoutEffects(np.array([0.05, 0.25]), heads, 0.02, 0.9)
    one = replace(found, knockout=map_, effects=effects)
    assert "attend to each patch" not in caption(one)
    said = caption(one.showing(evidence="knockout"))
    for words in (
        "how much the traction that small computes there changes if this patch does "
        "not attend to each patch, in any block (knock-out).",
        "The traction changes by 50% without attention to the patch itself, and by "
        "0.01% to 3.2% (patch (0, 3), number 3) without attention to one other patch.",
        "With uniform attention it changes by up to 25% (all heads of block 2) or 4.2% "
        "(head 3 of block 1 alone).",
        "Information still arrives through other patches, and past the blocks.",
    ):
        assert words in said
    # A patch behind the chosen one.
    map_[2, 3] = 0.1
    said = caption(one.showing(evidence="knockout"))
    assert "0.01% to 10% (patch (2, 3), number 11)" in said
    assert "weak" not in said
    weak = replace(one, effects=replace(effects, strength=0.01))
    assert "weak" not in caption(weak)
    assert caption(weak.showing(evidence="knockout")).count("is weak, 1.0% of") == 1


def test_changes_have_two_digits() -> None:
    changes = (0.0, 3.26e-4, 0.0316, 0.253, 1.2)
    expected = ["0%", "0.033%", "3.2%", "25%", "1.2e+02%"]
    assert [change_words(change) for change in changes] == expected
