"""What is known about a patch, gathered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vit_tfm.attention.callbacks import Callbacks
from napari_vit_tfm.attention.frame import FrameAttention, MapChoice, prepare_frame
from napari_vit_tfm.attention.patch import (
    CHOSEN,
    EVIDENCE,
    MapView,
    PatchFindings,
    evidence_of,
    inspect_patch,
)
from napari_vit_tfm.config import InspectionConfig, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.models.methods.fttc import FTTCMethod, FTTCOptions

CPU = ReconstructionConfig(device="cpu")
QUICK = InspectionConfig(n_projections=2, n_shares=4, n_random=2)


def test_everything_is_found_out_about_the_same_map(found: PatchFindings) -> None:
    attention = found.attention
    assert attention is not None
    assert found.view.block == 1
    np.testing.assert_array_equal(
        found.map(0), attention.attention[0, 3, :, 6].reshape(3, 3)
    )
    assert found.influence is not None
    assert found.reference is not None
    assert found.influence.shape == found.reference.shape == (3, 3)
    assert len(found.correlations(found.influence)) == 2
    assert found.correlations(found.map(1))[1] == pytest.approx(1)
    assert found.faithfulness is not None
    assert found.effects is not None
    assert found.effects.heads.shape == (2, 4)
    assert list(found.evidence) == list(EVIDENCE)
    assert list(found.faithfulness.changes) == [CHOSEN, *EVIDENCE]


def test_a_method_without_attention(stack: DisplacementStack) -> None:
    steps: list[str] = []
    method = FTTCMethod(FTTCOptions(regularisation=1.0))
    found = inspect_patch(
        *(prepare_frame(stack, 0, config=CPU, method=method), (1, 1)),
        with_faithfulness=True,
        inspection=QUICK,
        callbacks=Callbacks(
            lambda step, done, total: steps.append(f"{step} {done}/{total}")
        ),
    )
    assert found.attention is None
    assert found.view.evidence == "influence"
    assert found.shown is not None
    np.testing.assert_allclose(found.shown * found.influence.sum(), found.influence)
    assert steps[:2] == [
        "computing the influence 1/2",
        "computing the influence 2/2",
    ]
    assert steps[-1] == "hiding patches 10/10"
    assert found.faithfulness is not None
    # The influence is the map whose faithfulness is measured.
    assert list(found.faithfulness.changes) == [CHOSEN, "reference"]


def test_what_is_shown_is_in_shares(found: PatchFindings) -> None:
    assert found.shown is not None
    np.testing.assert_array_equal(found.shown, found.map(1))
    for evidence in EVIDENCE:
        one = found.showing(evidence=evidence)
        assert one.shown is not None
        assert one.shown.sum() == pytest.approx(1)
        unknown = replace(one, influence=None, reference=None, knockout=None)
        assert unknown.shown is None
        assert unknown.picture() is None
        still = replace(one, **{evidence: np.zeros((3, 3))})
        assert still.shown is not None
        assert not still.shown.any()


def test_the_colours_of_displacements_end_at_the_longest_of_all_frames(
    found: PatchFindings, stack: DisplacementStack
) -> None:
    longest = stack.longest()
    assert longest > stack.magnitude()[found.frame.index].max()
    drawn = found.showing(kind="displacement").picture()
    assert drawn is not None
    assert drawn.limits == pytest.approx((0, 4 * longest))


def test_the_scale_holds_the_other_patches_of_all_blocks(found: PatchFindings) -> None:
    for patch in ((0, 0), (1, 2), (2, 1)):
        one = replace(found, patch=patch)
        others = [
            np.delete(one.map(block), one.frame.grid.index(*patch)).max()
            for block in one.blocks
        ]
        largest = max(others) * one.map(0).size
        assert one.shares_shown >= largest
        assert one.shares_shown in (4, 8, 16)
    single = np.zeros((3, 3))
    single[0, 1] = 1
    for evidence in EVIDENCE:
        one = replace(found, patch=(1, 1), **{evidence: single})
        assert one.shares_shown == 16


def test_what_is_not_there_is_said_before_anything_is_computed(
    stack: DisplacementStack,
) -> None:
    frame = prepare_frame(stack, 0, config=CPU, method=FTTCMethod())
    with pytest.raises(IndexError, match="3 rows and 3 columns"):
        inspect_patch(frame, (3, 0), with_influence=True)


def test_a_frame_is_prepared_once_and_its_attention_computed_once(
    found: PatchFindings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr("napari_vit_tfm.attention.frame.prepare_frame", fail)
    monkeypatch.setattr(type(found.frame.method), "attention", fail)
    again = inspect_patch(
        *(found.frame, (0, 1)),
        with_influence=True,
        with_faithfulness=True,
        inspection=QUICK,
    )
    assert again.attention is found.attention


def test_the_map_shown_is_looked_up_once(
    found: PatchFindings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = found.showing(block=0).shown
    looked_up = []
    map_of = FrameAttention.map

    def count(*args: object, **options: object) -> object:
        looked_up.append(args)
        return map_of(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(FrameAttention, "map", count)
    other = found.showing(block=0)
    assert other.picture() is not None
    np.testing.assert_array_equal(other.shown, shown)
    assert len(looked_up) == 1


def test_a_view_is_brought_to_what_a_frame_has(
    found: PatchFindings, stack: DisplacementStack
) -> None:
    view = MapView(choice=MapChoice("attention", 7)).on(found.frame)
    assert (view.block, view.choice.head) == (1, None)
    assert MapView(choice=MapChoice("attention", 2)).on(found.frame).choice.head == 2
    without = prepare_frame(stack, 0, config=CPU, method=FTTCMethod())
    assert MapView().on(without) == MapView(0, evidence="influence")
    assert MapView(evidence="knockout").on(without).evidence == "influence"
    assert MapView(evidence="reference").on(without).evidence == "reference"
    assert evidence_of(without.method) == ("influence", "reference")
    assert evidence_of(found.frame.method) == EVIDENCE
    for view in (MapView(2), MapView(0, MapChoice("attention", 4))):
        with pytest.raises(IndexError, match="counted from 0"):
            inspect_patch(found.frame, (0, 0), view=view)
