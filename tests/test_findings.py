"""What is known about a patch: gathered, in words, and in a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from napari_vit_tfm.config import InspectionConfig, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.findings import (
    CHOSEN,
    EVIDENCE,
    PatchFindings,
    inspect_patch,
    write_findings,
)
from napari_vit_tfm.inspection import FrameAttention, MapChoice
from napari_vit_tfm.models.fttc import FTTCMethod
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.weights import PhysicsViTMethod
from napari_vit_tfm.overlays import overlay
from napari_vit_tfm.patches import PatchGrid
from napari_vit_tfm.physics import Substrate

CPU = ReconstructionConfig(device="cpu")
QUICK = InspectionConfig(n_projections=2, n_shares=4, n_random=2)


@pytest.fixture(scope="module")
def stack() -> DisplacementStack:
    data = np.random.default_rng(0).normal(size=(2, 17, 24, 2))
    return DisplacementStack(data, unit="um", spacing=0.5)


@pytest.fixture(scope="module")
def found(stack: DisplacementStack) -> PatchFindings:
    """Everything about a patch, by a small network."""
    torch.manual_seed(0)
    network = PhysicsViT(PhysicsViTConfig(width=16, depth=2, heads=4, channels=8))
    return inspect_patch(
        *(stack, 1, (2, 0)),
        choice=MapChoice("attention", 3, "to"),
        with_influence=True,
        with_faithfulness=True,
        substrate=Substrate(poisson=0.4, thickness=30.0),
        config=CPU,
        method=PhysicsViTMethod(network, name="small", sha256="abc"),
        inspection=QUICK,
    )


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


def test_the_file_is_enough_to_draw_it_again(
    found: PatchFindings, tmp_path: Path
) -> None:
    write_findings(tmp_path / "found.npz", found)
    with np.load(tmp_path / "found.npz", allow_pickle=False) as file:
        saved = dict(file)
    assert (saved["frame"], saved["block_index"], saved["head_index"]) == (1, 1, 3)
    assert (saved["patch_row"], saved["patch_column"]) == (2, 0)
    assert (saved["model"], saved["model_sha256"]) == ("small", "abc")
    assert (saved["source"], saved["direction"]) == ("attention", "to")
    assert (saved["spacing_um"], saved["thickness_um"]) == (0.5, 30)
    assert (saved["displacement.units"], saved["overlay.units"]) == ("um", "1")
    np.testing.assert_array_equal(saved["displacement"], found.displacement)
    np.testing.assert_array_equal(
        saved["attention"][:, 3], list(map(found.map, (0, 1)))
    )
    assert saved["rollout"].shape == (2, 3, 3)
    assert saved["overlay"].shape == (2, 17, 24)
    # The maps over the field come from the saved arrays alone.
    grid = PatchGrid(
        saved["displacement"].shape[:2],
        (int(saved["model_rows"]), int(saved["model_columns"])),
        int(saved["patch_size"]),
    )
    again = FrameAttention(
        attention=np.empty((1, 1, 9, 9), dtype=np.float32),
        rollout=np.tile(saved["attention"][1, 3].ravel(), (1, 9, 1)),
        grid=grid,
        displacement=saved["displacement"],
    )
    np.testing.assert_allclose(again.overlay(0, 2, 0), saved["overlay"][1], rtol=1e-6)
    curves = found.faithfulness
    assert curves is not None
    np.testing.assert_array_equal(saved["faithfulness"], curves.changes[CHOSEN])
    np.testing.assert_array_equal(saved["faithfulness_share"], curves.shares)
    np.testing.assert_array_equal(saved["faithfulness_random"], curves.random)
    assert saved["faithfulness.strength"] == curves.strength
    assert saved["faithfulness.advantage"] == curves.advantage(CHOSEN)
    assert saved["influence_correlation"].shape == (2,)
    assert saved["displacement.longest"] == found.stack.longest()
    assert (saved["shown"], saved["scale"]) == ("map", "share")
    np.testing.assert_array_equal(
        saved["influence_overlay"],
        overlay(saved["influence"], saved["displacement"], grid=grid),
    )
    assert saved["reference_overlay.units"] == "1"


def test_a_method_without_attention(stack: DisplacementStack, tmp_path: Path) -> None:
    steps: list[str] = []
    found = inspect_patch(
        *(stack, 0, (1, 1)),
        with_faithfulness=True,
        config=CPU,
        method=FTTCMethod(regularisation=1.0),
        inspection=QUICK,
        on_progress=lambda what, done, total: steps.append(f"{what} {done}/{total}"),
    )
    assert found.attention is None
    assert found.evidence == "influence"
    assert found.shown is not None
    np.testing.assert_allclose(found.shown * found.influence.sum(), found.influence)
    assert steps[:2] == [
        "following the traction back 1/2",
        "following the traction back 2/2",
    ]
    assert steps[-1] == "hiding patches 10/10"
    assert found.faithfulness is not None
    # The influence is the map whose faithfulness is measured.
    assert list(found.faithfulness.changes) == [CHOSEN, "reference"]
    write_findings(tmp_path / "found.h5", found)
    with h5py.File(tmp_path / "found.h5") as file:
        assert "rollout" not in file
        assert "influence_correlation" not in file
        assert file["influence"].shape == (3, 3)
        assert file["influence_overlay"].shape == (17, 24)
        assert file.attrs["shown"] == "influence"
        assert np.isfinite(file["faithfulness"].attrs["spread"])


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
