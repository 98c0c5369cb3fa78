"""Figures of a patch: what is on them, at odd sizes, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from made_up import frame_with
from napari_vit_tfm.attention.faithfulness import Faithfulness
from napari_vit_tfm.attention.figures import findings_figure
from napari_vit_tfm.attention.frame import MapChoice
from napari_vit_tfm.attention.knockout import KnockoutEffects
from napari_vit_tfm.attention.patch import (
    CHOSEN,
    EVIDENCE_WORDS,
    Evidence,
    MapView,
    PatchFindings,
)
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.plotting import write_png

Make = Callable[..., PatchFindings]


@pytest.fixture
def make() -> Make:
    """Findings with made-up attention of some blocks on a field of 21 x 40."""

    def of(
        n_blocks: int = 6,
        *,
        with_evidence: bool = False,
        with_knockout: bool = False,
        spacing_um: float | None = 0.5,
        field: float = 1.0,
        **values: Any,
    ) -> PatchFindings:
        generator = np.random.default_rng(0)
        data = field * generator.normal(size=(1, 21, 40, 2))
        unit = "grid" if spacing_um is None else "um"
        stack = DisplacementStack(data, unit=unit, spacing_um=spacing_um)
        attention = None
        if n_blocks:
            attention = generator.dirichlet(np.ones(15), size=(n_blocks, 2, 15))
        evidence = {}
        if with_evidence:
            shares = np.linspace(0, 1, 5)
            curves = {CHOSEN: shares, "reference": shares**2}
            random = np.stack([shares**3, shares**4])
            evidence = {
                "influence": generator.random((3, 5)),
                "reference": generator.random((3, 5)),
                "faithfulness": Faithfulness(shares, curves, random, 0.5),
            }
        if with_knockout:
            heads = generator.random((n_blocks, 2)) / 10
            changes = 1 - 0.1 * np.arange(n_blocks)
            evidence["knockout"] = generator.random((3, 5))
            evidence["effects"] = KnockoutEffects(changes, heads, 0.01, 0.5)
        frame = frame_with(attention, stack, 0)
        return PatchFindings(frame, (1, 3), MapView(**values).on(frame), **evidence)

    return of


def texts(figure: Any) -> str:
    """All titles and labels."""
    figure.canvas.draw()
    heading, *_ = figure.subfigs
    found = [text.get_text().replace("\n", " ") for text in heading.texts]
    for axes in figure.get_axes():
        found += [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()]
        found += [text.get_text() for text in axes.texts]
    return "\n".join(found)


def gallery(figure: Any) -> list[Any]:
    """The blocks' tiles."""
    titled = [(axes, axes.get_title()) for axes in figure.get_axes()]
    return [
        axes
        for axes, title in titled
        if title.startswith("block ") and "over the field" not in title
    ]


@pytest.mark.parametrize("n_blocks", [1, 2, 6, 12])
def test_every_block_has_a_tile_and_the_shown_one_is_marked(
    make: Make, n_blocks: int
) -> None:
    said = texts(findings_figure(make(n_blocks)))
    for block in range(1, n_blocks):
        assert f"block {block}\n" in said
    assert f"block {n_blocks} (shown left)" in said
    assert f"after block {n_blocks} of {n_blocks} of small" in said
    assert "\N{MULTIPLICATION SIGN} uniform attention (1/15)" in said


def test_tiles_show_shares_on_one_scale_where_the_patches_lie(make: Make) -> None:
    findings = make(4)
    tiles = gallery(findings_figure(findings))
    assert len(tiles) == 4
    for block, axes in enumerate(tiles):
        (image,) = axes.images
        shown = np.asarray(image.get_array())
        assert shown.shape == (21, 40)
        shares = findings.map(block) * 15
        assert shown[15, 31] == pytest.approx(shares[1, 3])
        assert shown[20, 0] == pytest.approx(shares[2, 0])
        assert image.get_clim() == (0, findings.shares_shown)
        (outline,) = axes.patches
        assert outline.get_bbox().bounds == (23.5, 7.5, 8, 8)
    for axes in gallery(findings_figure(make(4, scale="peak"))):
        (image,) = axes.images
        assert np.asarray(image.get_array()).max() == pytest.approx(1)
        assert image.get_clim() == (0, 1)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        # A fifth of 39 steps of half a micrometre is 3.9.
        ({}, "2 \N{MICRO SIGN}m"),
        ({"spacing_um": None}, "5 grid steps"),
        ({"kind": "displacement"}, "\N{MICRO SIGN}m \N{MULTIPLICATION SIGN} uniform"),
        ({"scale": "peak"}, "fraction of the maximum"),
    ],
)
def test_scale_and_units(make: Make, values: dict[str, Any], words: str) -> None:
    assert words in texts(findings_figure(make(**values)))


@pytest.mark.parametrize("kind", ["weights", "displacement"])
def test_a_field_without_displacement_is_drawn(make: Make, kind: str) -> None:
    axes = findings_figure(make(field=0.0, kind=kind)).get_axes()[0]
    assert axes.images[0].get_clim() == (0, 4 if kind == "weights" else 1)
    assert not axes.collections


def test_the_tiles_say_which_maps_they_are(make: Make) -> None:
    for choice, words in {
        MapChoice(): "attention rollout up to each block: what the patch attends to",
        MapChoice("attention", 1, "to"): "attention of each block alone, head 2 of 2: "
        "which patches attend to it",
    }.items():
        figure = findings_figure(
            make(with_evidence=True, choice=choice, evidence="influence")
        )
        titles = [part.get_suptitle() for top in figure.subfigs for part in top.subfigs]
        assert words in titles


def test_the_evidence(make: Make) -> None:
    said = texts(findings_figure(make(with_evidence=True)))
    for words in (
        "influence: sensitivity",
        "physical reference: displacement",
        "rank correlation",
        # The area between x and the mean of its third and fourth powers.
        "area over random +0.2",
    ):
        assert words in said


@pytest.mark.parametrize("with_evidence", [False, True])
def test_a_knockout_has_its_map_and_its_bars(make: Make, with_evidence: bool) -> None:
    findings = make(6, with_evidence=with_evidence, with_knockout=True)
    figure = findings_figure(findings)
    said = texts(figure)
    assert "knock-out: change of the traction" in said
    assert "rank correlation" in said
    assert ("influence: sensitivity" in said) is with_evidence
    *_, axes = (
        one for one in figure.get_axes() if one.get_ylabel().startswith("change")
    )
    assert axes.get_ylabel() == "change of the traction (%)"
    blocks, heads = axes.containers
    effects = findings.effects
    assert effects is not None
    heights = [bar.get_height() for bar in blocks]
    np.testing.assert_allclose(heights, 100 * effects.blocks)
    heights = [bar.get_height() for bar in heads]
    np.testing.assert_allclose(heights, 100 * effects.heads.ravel())
    # The heads of a block are inside its bar, one beside the other.
    for number, bar in enumerate(heads):
        block = blocks[number // 2]
        assert bar.get_x() >= block.get_x()
        assert bar.get_x() + bar.get_width() <= block.get_x() + block.get_width()


def test_a_knockout_without_effect_is_drawn(make: Make) -> None:
    findings = make(2, with_knockout=True)
    nothing = KnockoutEffects(np.zeros(2), np.zeros((2, 2)), 0.01, 0.5)
    one = replace(findings, effects=nothing, knockout=np.zeros((3, 5)))
    assert "knock-out" in texts(findings_figure(one))


@pytest.mark.parametrize("kind", ["weights", "displacement"])
@pytest.mark.parametrize("scale", ["share", "peak"])
@pytest.mark.parametrize("evidence", [None, "influence", "reference", "knockout"])
def test_the_map_over_the_field_is_the_one_that_is_shown(
    make: Make, evidence: Evidence | None, kind: str, scale: str
) -> None:
    known = {"with_evidence": True, "with_knockout": True}
    findings = make(2, **known, evidence=evidence, kind=kind, scale=scale)
    figure = findings_figure(findings)
    drawn = findings.picture()
    assert drawn is not None
    left = figure.get_axes()[0]
    name = "block 2" if evidence is None else EVIDENCE_WORDS[evidence]
    assert left.get_title().startswith(f"{name} over the field")
    (image,) = left.images
    np.testing.assert_array_equal(image.get_array(), drawn.data)
    assert image.get_clim() == drawn.limits
    beyond = drawn.data.max() > drawn.limits[1]
    assert image.colorbar.extend == ("max" if beyond else "neither")
    assert ("shown left" in texts(figure)) == (evidence is None)


def test_without_attention_there_is_the_evidence_alone(make: Make) -> None:
    findings = make(0, with_evidence=True, evidence="influence")
    said = texts(findings_figure(findings))
    assert "small has no attention" in said
    assert "influence over the field" in said
    assert "block" not in said
    assert "rank correlation" not in said
    assert "influence: sensitivity" in said


def test_where_nothing_is_known_there_is_nothing_to_draw(make: Make) -> None:
    with pytest.raises(FieldError, match="map to draw has not been computed"):
        findings_figure(make(0))


def test_it_is_written(make: Make, tmp_path: Path) -> None:
    write_png(tmp_path / "found.png", findings_figure(make(with_evidence=True)), dpi=50)
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")
