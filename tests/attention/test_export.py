"""What is known about a patch, as a file."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from napari_vit_tfm.attention.export import write_findings
from napari_vit_tfm.attention.frame import FrameAttention, prepare_frame
from napari_vit_tfm.attention.overlay import overlay
from napari_vit_tfm.attention.patch import (
    CHOSEN,
    PatchFindings,
    inspect_patch,
)
from napari_vit_tfm.attention.patches import PatchGrid
from napari_vit_tfm.config import InspectionConfig, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.models.methods.fttc import FTTCMethod, FTTCOptions


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
    np.testing.assert_array_equal(saved["displacement"], found.frame.displacement)
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
    assert saved["displacement.longest"] == found.frame.longest
    assert (saved["shown"], saved["scale"]) == ("map", "share")
    np.testing.assert_array_equal(
        saved["influence_overlay"],
        overlay(saved["influence"], saved["displacement"], grid=grid),
    )
    assert saved["reference_overlay.units"] == "1"
    assert found.effects is not None
    np.testing.assert_array_equal(saved["knockout"], found.knockout)
    np.testing.assert_array_equal(saved["knockout_blocks"], found.effects.blocks)
    np.testing.assert_array_equal(saved["knockout_heads"], found.effects.heads)
    assert saved["knockout.units"] == "1"
    assert saved["knockout.traction_rms"] == found.effects.traction_rms
    assert saved["knockout.strength"] == found.effects.strength
    assert saved["knockout_overlay"].shape == (17, 24)
    assert saved["knockout_correlation"].shape == (2,)
    assert saved["faithfulness_knockout"].shape == saved["faithfulness"].shape


def test_a_file_without_attention(stack: DisplacementStack, tmp_path: Path) -> None:
    frame = prepare_frame(
        *(stack, 0),
        config=ReconstructionConfig(device="cpu"),
        method=FTTCMethod(FTTCOptions(regularisation=1.0)),
    )
    found = inspect_patch(
        *(frame, (1, 1)),
        with_faithfulness=True,
        inspection=InspectionConfig(n_projections=2, n_shares=4, n_random=2),
    )
    write_findings(tmp_path / "found.h5", found)
    with h5py.File(tmp_path / "found.h5") as file:
        assert "rollout" not in file
        assert "influence_correlation" not in file
        assert "knockout" not in file
        assert "knockout_heads" not in file
        assert file["influence"].shape == (3, 3)
        assert file["influence_overlay"].shape == (17, 24)
        assert file.attrs["shown"] == "influence"
        assert np.isfinite(file["faithfulness"].attrs["spread"])
