"""Attention of one frame: which map is which, and where it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor

from napari_vit_tfm.attention.frame import FrameAttention, MapChoice, prepare_frame
from napari_vit_tfm.attention.patches import PatchGrid
from napari_vit_tfm.config import PreparationConfig, ReconstructionConfig
from napari_vit_tfm.displacement import prepare
from napari_vit_tfm.errors import FieldError, ModelError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.models import ReconstructionMethod, load
from napari_vit_tfm.models.original import load_original

CPU = ReconstructionConfig(model="fttc", device="cpu")


def random_stack(
    n: int = 2, shape: tuple[int, int] = (20, 31), **values: object
) -> DisplacementStack:
    data = np.random.default_rng(0).normal(size=(n, *shape, 2))
    return DisplacementStack(data, **{"unit": "field", **values})


@pytest.fixture
def attention() -> FrameAttention:
    """Two blocks of three heads over 2 x 3 patches."""
    generator = np.random.default_rng(0)
    weights = generator.dirichlet(np.ones(6), size=(2, 3, 6)).astype(np.float32)
    gathered = generator.dirichlet(np.ones(6), size=(2, 6)).astype(np.float32)
    displacement = generator.normal(size=(16, 20, 2)).astype(np.float32)
    return FrameAttention(weights, gathered, PatchGrid((16, 20)), displacement)


def test_fields_in_windows_have_no_attention() -> None:
    method = load("vit")
    method.max_whole_side = 24
    prepare_frame(random_stack(1, (20, 24)), 0, config=CPU, method=method)
    with pytest.raises(FieldError, match=r"windows.*at most 24 x 24 vectors"):
        prepare_frame(random_stack(1, (20, 25)), 0, config=CPU, method=method)
    fttc = load("fttc")
    prepare_frame(random_stack(1, (20, 300)), 0, config=CPU, method=fttc)


def test_every_map_is_the_row_or_column_it_says(attention: FrameAttention) -> None:
    patch = attention.grid.index(1, 0)
    matrices = {
        MapChoice(): attention.rollout[1],
        MapChoice(source="attention"): attention.attention[1].mean(axis=0),
        MapChoice(source="attention", head=2): attention.attention[1, 2],
    }
    for choice, matrix in matrices.items():
        from_patch = attention.map(1, 1, 0, choice=choice)
        np.testing.assert_allclose(from_patch, matrix[patch].reshape(2, 3), rtol=1e-6)
        assert from_patch.sum() == pytest.approx(1, rel=1e-5)
        to = MapChoice(choice.source, choice.head, "to")
        to_patch = attention.map(1, 1, 0, choice=to)
        np.testing.assert_allclose(to_patch, matrix[:, patch].reshape(2, 3), rtol=1e-6)


def test_overlays_are_those_of_the_map(attention: FrameAttention) -> None:
    choice = MapChoice(source="attention", head=0, direction="to")
    weights = attention.overlay(0, 1, 2, choice=choice)
    weighted = attention.overlay(0, 1, 2, choice=choice, kind="displacement")
    assert weights.max() == pytest.approx(1)
    length = np.hypot(*np.moveaxis(attention.displacement, -1, 0))
    np.testing.assert_allclose(weighted, weights * length, rtol=1e-5)


def test_maps_that_are_not_there(attention: FrameAttention) -> None:
    with pytest.raises(IndexError, match=r"no block 2 \(counted from 0\): there are 2"):
        attention.map(2, 0, 0)
    with pytest.raises(IndexError, match="no block -1"):
        attention.map(-1, 0, 0)
    with pytest.raises(IndexError, match="2 rows and 3 columns"):
        attention.map(0, 2, 0)
    with pytest.raises(IndexError, match=r"no head 3 \(counted from 0\): a block"):
        attention.map(0, 0, 0, choice=MapChoice(source="attention", head=3))
    with pytest.raises(ValueError, match="a head cannot be chosen"):
        MapChoice(source="rollout", head=0)


@pytest.mark.parametrize("shape", [(16, 16), (33, 70)])
def test_attention_of_a_frame_of_the_bundled_network(shape: tuple[int, int]) -> None:
    stack = random_stack(3, shape)
    method = load("vit")
    attention = prepare_frame(
        stack, 1, config=ReconstructionConfig(device="cpu"), method=method
    ).attention()
    rows, columns = -(-shape[0] // 8), -(-shape[1] // 8)
    patches = rows * columns
    assert attention.rollout.shape == (method.n_blocks, patches, patches)
    assert attention.attention.shape[::2] == (method.n_blocks, patches)
    np.testing.assert_allclose(attention.rollout.sum(-1), 1, rtol=1e-4)
    np.testing.assert_allclose(attention.attention.sum(-1), 1, rtol=1e-4)
    found = attention.map(0, rows - 1, 1)
    assert found.shape == (rows, columns)
    np.testing.assert_array_equal(
        found.ravel(), attention.rollout[0, (rows - 1) * columns + 1]
    )
    assert attention.overlay(0, 0, 0, kind="displacement").shape == shape
    np.testing.assert_array_equal(attention.displacement, stack.data[1])


def test_the_first_block_s_rollout_is_its_attention_and_the_identity() -> None:
    attention = prepare_frame(
        random_stack(1), 0, config=ReconstructionConfig(device="cpu")
    ).attention()
    own = attention.map(0, 1, 1, choice=MapChoice(source="attention"))
    own[1, 1] += 1
    np.testing.assert_allclose(attention.map(0, 1, 1), own / 2, rtol=1e-5)


def test_attention_that_cannot_be_had() -> None:
    with pytest.raises(ModelError, match="no attention"):
        prepare_frame(random_stack(1), 0, config=CPU).attention()
    with pytest.raises(FieldError, match="no frame 1"):
        prepare_frame(random_stack(1), 1, config=CPU).attention()


def test_holes_are_bridged_in_the_frame_that_is_looked_at() -> None:
    stack = random_stack(2, (16, 16))
    stack.data[1, 3, 4] = np.nan
    config = ReconstructionConfig(device="cpu")
    for frame in range(2):
        attention = prepare_frame(stack, frame, config=config).attention()
        assert np.isfinite(attention.rollout).all()


def test_a_drift_changes_no_attention_and_is_told_frame_by_frame() -> None:
    # Rounded, so that adding the drift loses nothing.
    still = np.round(random_stack(2, (24, 40)).data * 2**10) / 2**10
    drifting = still + np.array([[[[0.0, 0.0]]], [[[250.0, -180.0]]]])
    config = ReconstructionConfig(device="cpu")
    notices: list[str] = []
    found = [
        prepare_frame(
            DisplacementStack(data, unit="grid"),
            frame,
            config=config,
            on_notice=notices.append,
        ).attention()
        for data, frame in [(drifting, 0), (still, 1), (drifting, 1)]
    ]
    (notice,) = [notice for notice in notices if "drift" in notice]
    assert notice.startswith("subtracted a drift of up to 308 grid steps")
    np.testing.assert_allclose(found[2].attention, found[1].attention, atol=1e-6)
    np.testing.assert_allclose(found[2].rollout, found[1].rollout, atol=1e-6)


def test_noise_that_cannot_be_estimated_is_told_of_the_frame_that_is_looked_at() -> (
    None
):
    data = random_stack(3, (24, 40)).data.copy()
    data[1] = 0
    data[1, :3, :3] = 1.0
    stack = DisplacementStack(data, unit="grid")
    config = ReconstructionConfig(device="cpu")
    notices: list[str] = []
    for frame in range(3):
        prepare_frame(stack, frame, config=config, on_notice=notices.append).attention()
    (notice,) = [notice for notice in notices if "noise" in notice]
    assert "1 of 1 frames cannot be estimated (first: frame 1)" in notice


class Looking(ReconstructionMethod):
    """Attends evenly, on the grid of the original networks."""

    name = "looking"
    grid = (104, 104)
    n_blocks = 1

    def to(self, device: str | torch.device) -> Looking:
        return self

    def traction(self, displacement: Tensor) -> Tensor:
        return displacement

    def attention(self, displacement: Tensor) -> list[Tensor]:
        return [torch.full((1, 169, 169), 1 / 169)]


def test_attention_on_a_resampled_field_says_so() -> None:
    notices: list[str] = []
    attention = prepare_frame(
        random_stack(1, (40, 40)),
        0,
        config=CPU,
        method=Looking(),
        on_notice=notices.append,
    ).attention()
    assert "resampled" in notices[0]
    assert attention.map(0, 12, 12).shape == (13, 13)
    assert attention.overlay(0, 12, 12).shape == (40, 40)


def test_the_original_network_s_maps_and_overlay(reference: Path) -> None:
    with np.load(reference / "vit" / "seed_format_vit_expected.npz") as file:
        displacement, expected = file["displacement"], file["rollout"]
    method = load_original(
        reference / "vit" / "seed_format_vit.pth", dtype=torch.float64
    )
    fields = np.moveaxis(displacement, 1, -1)
    attention = prepare_frame(
        DisplacementStack(fields, unit="field"), 0, config=CPU, method=method
    ).attention()
    assert attention.attention.shape == (12, 8, 169, 169)
    # Both the stack and what is kept of the maps are float32.
    np.testing.assert_allclose(attention.rollout, expected, rtol=1e-5)
    # The original overlay of patch 37: bilinear between the patches' centres.
    assert attention.grid.index(2, 11) == 37
    map_ = expected[11, 37].reshape(13, 13)
    centres = (np.arange(104) + 0.5) / 8 - 0.5
    mask = map_coordinates(
        map_ / map_.max(),
        np.meshgrid(centres, centres, indexing="ij"),
        order=1,
        mode="nearest",
    )
    weighted = np.hypot(mask * fields[0, ..., 0], mask * fields[0, ..., 1])
    found = attention.overlay(11, 2, 11, kind="displacement")
    np.testing.assert_allclose(found, weighted, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(
    "preparation",
    [
        PreparationConfig(reverse=True, replace_outliers=True, remove_drift=True),
        PreparationConfig(bin_size=2),
        PreparationConfig(zeros_are_holes=True, fill_holes=True, bin_size=3),
    ],
)
@pytest.mark.parametrize("unit", ["um", "grid"])
def test_the_frame_is_prepared_as_for_a_reconstruction(
    preparation: PreparationConfig, unit: str
) -> None:
    stack = random_stack(2, (40, 55), unit=unit, spacing_um=0.5)
    stack.data[1, 3, 4] += 50
    stack.data[1, 20:26, 20:26] = 0
    frame = prepare_frame(stack, 1, config=CPU, preparation=preparation)
    prepared = prepare(stack, preparation)
    assert isinstance(prepared, DisplacementStack)
    np.testing.assert_array_equal(frame.displacement, prepared.data[1])
    assert frame.field.spacing_um == prepared.spacing_um
    expected = prepare_frame(prepared, 1, config=CPU)
    assert torch.equal(frame.inputs, expected.inputs)
    assert frame.grid == expected.grid
    assert not torch.equal(frame.inputs, prepare_frame(stack, 1, config=CPU).inputs)
    assert frame.longest >= 0.999 * prepared.magnitude()[0].max()
