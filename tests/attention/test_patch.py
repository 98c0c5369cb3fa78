"""What is known about a patch, gathered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vit_tfm.attention.patch import (
    CHOSEN,
    EVIDENCE,
    PatchFindings,
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
    assert found.block == 1
    np.testing.assert_array_equal(
        found.map(0), attention.attention[0, 3, :, 6].reshape(3, 3)
    )
    assert found.influence is not None
    assert found.reference is not None
    assert found.influence.shape == found.reference.shape == (3, 3)
    assert len(found.correlations(found.influence)) == 2
    assert found.correlations(found.map(1))[1] == pytest.approx(1)
    assert found.faithfulness is not None
    assert list(found.faithfulness.changes) == [CHOSEN, "influence", "reference"]


def test_a_method_without_attention(stack: DisplacementStack) -> None:
    steps: list[str] = []
    found = inspect_patch(
        *(stack, 0, (1, 1)),
        with_faithfulness=True,
        config=CPU,
        method=FTTCMethod(FTTCOptions(regularisation=1.0)),
        inspection=QUICK,
        on_progress=lambda what, done, total: steps.append(f"{what} {done}/{total}"),
    )
    assert found.attention is None
    assert found.evidence == "influence"
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
        one = replace(found, evidence=evidence)
        assert one.shown is not None
        assert one.shown.sum() == pytest.approx(1)
        unknown = replace(one, influence=None, reference=None)
        assert unknown.shown is None
        assert unknown.picture() is None
    still = replace(found, evidence="influence", influence=np.zeros((3, 3)))
    assert still.shown is not None
    assert not still.shown.any()


def test_the_colours_of_displacements_end_at_the_longest_of_all_frames(
    found: PatchFindings,
) -> None:
    longest = found.stack.longest()
    assert longest > found.stack.magnitude()[found.frame].max()
    drawn = replace(found, kind="displacement").picture()
    assert drawn is not None
    assert drawn.limits == pytest.approx((0, 2 * longest))
    given = replace(found, kind="displacement").picture(longest=3.0)
    assert given is not None
    assert given.limits == (0, 6)


def test_what_is_not_there_is_said_before_anything_is_computed(
    stack: DisplacementStack,
) -> None:
    with pytest.raises(IndexError, match="3 rows and 3 columns"):
        inspect_patch(stack, 0, (3, 0), config=CPU, method=FTTCMethod())
